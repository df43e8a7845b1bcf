"""Train what a plan lacks: pending cells as trials on Ray Tune."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from madv.errors import ClusterError
from orchestration.cluster_visit import Visit
from orchestration.folders import StorageError
from orchestration.gpu_use import Use
from orchestration.packing import Packing, pilot
from orchestration.ray_session import ray_session
from orchestration.tasks import CellEvent, make_tasks

if TYPE_CHECKING:
    from orchestration.cells import CellStore
    from orchestration.plan import Plan, PlannedCell
    from orchestration.weights import WeightStore

TRAINER = "madv.train:train_fold"
TOGETHER = "madv.together:train_folds"
PRETRAINER = "madv.pretrain:pretrain_fold"
LOADER = "madv.data.cache:load"
FRUITLESS = 8
"""Workers of one trial that may die in a row without reporting a fold: more than two a fold is no fold's fault."""


def pending_cells(plan: Plan, store: CellStore) -> list[PlannedCell]:
    """Cells of the plan that are neither done nor recorded as failed."""
    states = store.states([cell.key for cell in plan.cells])
    return [cell for cell in plan.cells if cell.key not in states]


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
        on_lost: called in another thread with the reason when Ray is lost, before the process ends with code 2.
        trainer: module:function with the signature of madv.train.train_fold; simulations put theirs here.
        pretrainer: module:function with the signature of madv.pretrain.pretrain_fold.
        loader: module:function with the signature of madv.data.cache.load.

    Raises:
        ClusterError: Ray did not start, or its workers cannot work.
        StorageError: cells cannot be written.
    """
    pending = pending_cells(plan, store)
    if not pending:
        return
    first = pending_pretraining(plan, pending, weights)
    store.forget_attempts([cell.key for cell in pending])
    weights.forget_attempts([cell.key for cell in first])
    resources = plan.spec.resources
    with ray_session(on_lost, Visit.of(plan, store, cache_root)) as available:
        from ray import tune

        packing = Packing(resources, available)
        for cells, pretraining in ((first, True), (pending, False)):
            listener = Listener(cells, on_event)
            # Tune gives up a trial whose worker dies before it is up, so what is left goes into another round.
            while remaining := [cell for cell in cells if cell.key not in listener.seen]:
                tasks = tuple(make_tasks(plan, remaining, packing.slots, pretraining=pretraining))
                measured = packing.wants_pilot and not pretraining
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
                    trainer=trainer,
                    pretrainer=pretrainer,
                    loader=loader,
                    together=TOGETHER if trainer == TRAINER else None,
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
    or from a searcher of tune_config; the workload is that of every trial."""
    from ray import tune

    from orchestration.trial import FoldTrial, Workload

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
                callbacks=[_callback(listener)],
                stop=listener.stopper(),
                failure_config=tune.FailureConfig(max_failures=-1),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        tuner.fit()


class Listener:
    """Turns Tune's results into events, each cell once, and counts workers that die for nothing."""

    def __init__(self, pending: Iterable[PlannedCell], on_event: Callable[[CellEvent], None]) -> None:
        self._cells = {cell.key: cell for cell in pending}
        self._on_event = on_event
        self._deaths: Counter[str] = Counter()
        self.seen: set[str] = set()
        self.last_error: str | None = None
        self.broken = False
        """No fold can be trained."""
        self.crowded = False
        """A GPU's memory did not suffice for the trials that shared it."""
        self.use = Use()
        """Of a GPU, by a pilot."""
        self.error: Exception | None = None
        """What ended the experiment: storage in trouble, or what went wrong in a hook of Tune's."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a resume of its own, which is not used

    def expect(self, cells: Iterable[PlannedCell]) -> None:
        """Cells that were not known from the beginning."""
        self._cells |= {cell.key: cell for cell in cells}

    def result(self, trial_id: str, result: dict[str, Any]) -> None:
        """A step has ended. A replaced worker reports what its predecessor did once more."""
        self._deaths[trial_id] = 0
        if result["state"] == "crowded":
            self.crowded = True
            return
        if result["state"] == "unstored":
            self.give_up(StorageError(result["error"]))
            return
        if result["use"]["memory"] is not None:
            self.use = Use(**result["use"])
        if result["key"] not in self.seen:
            self.seen.add(result["key"])
            event = CellEvent(cell=self._cells[result["key"]], state=result["state"], seconds=result["seconds"])
            self._on_event(event)

    def death(self, trial_id: str, error: str) -> None:
        """A worker has died, or could not store a cell."""
        self.last_error = error
        self._deaths[trial_id] += 1
        self.broken = self.broken or self._deaths[trial_id] >= FRUITLESS

    def give_up(self, error: Exception) -> None:
        """End the experiment; its caller raises the error."""
        self.error, self.broken = self.error or error, True

    def stopper(self) -> Any:
        """Ends the experiment once it is broken."""
        from ray.tune.stopper import Stopper

        listener = self

        class Broken(Stopper):  # type: ignore[misc]
            def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
                return False

            def stop_all(self) -> bool:
                return listener.broken

        return Broken()


def _callback(listener: Listener) -> Any:
    from ray.tune import Callback

    class Report(Callback):  # type: ignore[misc]
        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
        ) -> None:
            listener.result(trial.trial_id, result)

        def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            listener.death(trial.trial_id, _last_line(trial))

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            listener.death(trial.trial_id, _last_line(trial))

    return Report()


def _last_line(trial: Any) -> str:
    """What the trial's last error says, in a line."""
    file = trial.error_file
    lines = Path(file).read_text(errors="replace").strip().splitlines() if file and Path(file).exists() else []
    return lines[-1].strip() if lines else "no reason was left"
