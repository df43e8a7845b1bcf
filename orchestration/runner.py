"""Train what a plan lacks: pending cells as trials on Ray Tune."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from madv.errors import ClusterError
from orchestration.cluster_visit import Visit
from orchestration.listener import Listener, callback
from orchestration.packing import Packing, pilot
from orchestration.ray_session import ray_session
from orchestration.tasks import CellEvent, Work, make_tasks

if TYPE_CHECKING:
    from orchestration.cells import CellStore
    from orchestration.checkpoints import CheckpointStore
    from orchestration.plan import Plan, PlannedCell
    from orchestration.weights import WeightStore

TRAINER = "madv.train:train_fold"
TOGETHER = "madv.together:train_folds"
PRETRAINER = "madv.pretrain:pretrain_fold"
LOADER = "madv.data.cache:load_whole"


def pending_cells(plan: Plan, store: CellStore) -> list[PlannedCell]:
    """Cells of the plan that are neither done nor recorded as failed."""
    states = store.states([cell.key for cell in plan.cells])
    return [cell for cell in plan.cells if cell.key not in states]


def failed_cells(plan: Plan, store: CellStore) -> list[PlannedCell]:
    """Cells of the plan that are recorded as failed."""
    states = store.states([cell.key for cell in plan.cells])
    return [cell for cell in plan.cells if states.get(cell.key) == "failed"]


def pending_pretraining(plan: Plan, pending: Iterable[PlannedCell], weights: WeightStore) -> list[PlannedCell]:
    """Pre-trainings that pending cells start from and that are neither done nor recorded as failed."""
    wanted = {cell.start for cell in pending}
    chosen = [cell for cell in plan.pretraining if cell.key in wanted]
    states = weights.states([cell.key for cell in chosen]) if chosen else {}
    return [cell for cell in chosen if cell.key not in states]


def run(
    plan: Plan,
    store: CellStore,
    weights: WeightStore,
    cache_root: Path,
    on_event: Callable[[CellEvent], None],
    *,
    checkpoints: CheckpointStore | None = None,
    again: Sequence[PlannedCell] = (),
    on_lost: Callable[[str], None] = print,
    trainer: str = TRAINER,
    pretrainer: str = PRETRAINER,
    loader: str = LOADER,
) -> None:
    """Train all pending cells of the plan, after what they start from; without any, Ray is not even imported.

    Args:
        plan: what to train.
        store: where the workers leave the cells.
        weights: where they leave pre-trained weights.
        cache_root: folder of the clip caches, as the workers see it.
        on_event: called in this thread once for each cell that ends, pre-trainings too.
        checkpoints: where the workers leave the trained networks; None: they go.
        again: cells that are done, and are trained once more for their networks.
        on_lost: called in another thread with the reason when Ray is lost, before the process ends with code 2.
        trainer: module:function with the signature of madv.train.train_fold; simulations put theirs here.
        pretrainer: module:function with the signature of madv.pretrain.pretrain_fold.
        loader: module:function with the signature of madv.data.cache.load.

    Raises:
        ClusterError: Ray did not start, or its workers cannot work.
        StorageError: cells cannot be written.
    """
    pending = pending_cells(plan, store)
    if not pending and not again:
        return
    first = pending_pretraining(plan, [*pending, *again], weights)
    for one in (store, weights, checkpoints):
        if one is not None:
            one.begin()
    resources = plan.spec.resources
    with ray_session(on_lost, Visit.of(plan, store, cache_root)) as available:
        from ray import tune

        packing = Packing(resources, available)
        work: Work
        for work, cells in (("pretraining", first), ("training", pending), ("again", again)):
            listener = Listener(cells, on_event)
            # Tune gives up a trial whose worker dies before it is up, so what is left goes into another round.
            while remaining := [cell for cell in cells if cell.key not in listener.seen]:
                tasks = tuple(make_tasks(plan, remaining, packing.slots, work))
                measured = packing.wants_pilot and work == "training"
                if measured:
                    tasks = (pilot(tasks[0]),)
                fit(
                    listener,
                    {"cpu": resources.cpus_per_trial, "gpu": packing.gpus},
                    {"task": tune.grid_search(list(range(len(tasks))))},  # starts them in this order
                    tasks=tasks,
                    store=store,
                    weights=weights,
                    cache_root=cache_root.absolute(),
                    threads=max(1, int(resources.cpus_per_trial)),
                    attempts=resources.attempts,
                    trainer=trainer,
                    pretrainer=pretrainer,
                    loader=loader,
                    checkpoints=checkpoints,
                    together=TOGETHER if trainer == TRAINER and checkpoints is None else None,
                    crowd=packing.crowd,
                    pilot=measured,
                )
                if listener.error is not None:
                    raise listener.error
                if measured:
                    packing.fill(listener.use)
                if crowded := listener.crowded:
                    listener.crowded = False
                    packing.thin()
                if listener.broken or not (crowded or any(cell.key in listener.seen for cell in remaining)):
                    why = listener.last_error or "Ray ended early"
                    raise ClusterError(f"{len(remaining)} cells are not trained: the workers cannot work: {why}")


def fit(
    listener: Listener,
    request: dict[str, float],
    param_space: dict[str, Any],
    *,
    tune_config: Mapping[str, Any] = MappingProxyType({}),
    **workload: Any,
) -> None:
    """One Tune experiment; its own results are not used, and its folder is scratch. Tasks come from the parameter space
    or from a searcher of tune_config; the workload is that of every trial.

    Raises:
        ClusterError: Ray does not do what it is asked.
    """
    from ray import tune
    from ray.exceptions import RayError
    from ray.tune.execution import class_cache

    from orchestration.trial import FoldTrial
    from orchestration.workload import Workload

    # Ray logs what Tune hands over of the driver's environment: keys are the node's own, as when it was looked at.
    class_cache.ENV_VARS_TO_PROPAGATE = {one for one in class_cache.ENV_VARS_TO_PROPAGATE if not one.startswith("AWS")}
    listener.tasks = workload["tasks"]
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a dead worker is an event here, not a traceback
    trainable = tune.with_parameters(FoldTrial, workload=Workload(**workload))
    with tempfile.TemporaryDirectory(prefix="madv-tune-", ignore_cleanup_errors=True) as scratch:
        tuner = tune.Tuner(
            tune.with_resources(trainable, request),
            param_space=param_space,
            tune_config=tune.TuneConfig(reuse_actors=True, **tune_config),
            run_config=tune.RunConfig(
                storage_path=scratch,
                verbose=0,
                callbacks=[callback(listener)],
                stop=listener.stopper(),
                failure_config=tune.FailureConfig(max_failures=-1),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        try:
            tuner.fit()
        except RayError as error:
            # Not of a trial, whose errors are the listener's: Ray itself took too long.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ClusterError(
                f"Ray gave up: {reason}; what was finished is kept, and the sweep goes on from there"
            ) from error
