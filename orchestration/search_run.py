"""Run a search to its end: its study, its configurations on Ray, and what is left of both by an earlier run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madv.errors import ClusterError, MadvError
from orchestration.cluster_visit import Visit
from orchestration.listener import Listener
from orchestration.packing import Packing
from orchestration.ray_session import ray_session
from orchestration.runner import LOADER, PRETRAINER, TOGETHER, TRAINER, fit
from orchestration.search_study import open_study, resume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.cells import CellStore
    from orchestration.search_plan import Candidate, Search
    from orchestration.tasks import CellEvent
    from orchestration.weights import WeightStore


def run_searches(
    searches: Sequence[Search],
    store: CellStore,
    weights: WeightStore,
    cache_root: Path,
    on_event: Callable[[CellEvent], None],
    on_saved: Callable[[int], None],
    *,
    on_candidate: Callable[[Search, Candidate, bool], None] = lambda search, candidate, short: None,
    on_lost: Callable[[str], None] = print,
    trainer: str = TRAINER,
    loader: str = LOADER,
) -> None:
    """Try what is left of each search's budget, one search after the other; without any, Ray is not even imported.

    Args:
        searches: of one sweep.
        store: where the workers leave the cells.
        weights: where they would leave pre-trained weights.
        cache_root: folder of the clip caches, as the workers see it.
        on_event: called in this thread once for each cell that ends.
        on_saved: called in this thread with the folds that a stopped configuration was spared.
        on_candidate: called in this thread with each configuration before its first fold, and once more, with True and
            the folds that it has, if it is stopped early or fails.
        on_lost: called in another thread with the reason when Ray is lost, before the process ends with code 2.
        trainer: module:function with the signature of madv.train.train_fold; simulations put theirs here.
        loader: module:function with the signature of madv.data.cache.load.

    Raises:
        StudyError: a study cannot be opened.
        ClusterError: Ray did not start, or its workers cannot work.
    """
    studies = [(search, open_study(search)) for search in searches]
    left = [(search, study, resume(study, search)) for search, study in studies if study is not None]
    if not any(budget for _, _, budget in left):
        return
    store.begin()
    weights.begin()
    resources = searches[0].plan.spec.resources
    with ray_session(on_lost, Visit.of(searches[0].plan, store, cache_root)) as available:
        from orchestration.search_driver import Driver
        from orchestration.search_tune import RaceScheduler, StudySearcher

        packing = Packing(resources, available)
        for search, study, budget in left:
            listener = Listener((), on_event)
            driver = Driver(search, study, store, budget, functools.partial(on_candidate, search))
            while not driver.finished:
                measured = packing.wants_pilot
                tune_config: dict[str, Any] = {
                    "search_alg": StudySearcher(driver, listener, on_saved, pilot=measured),
                    "scheduler": RaceScheduler(driver, listener),
                    "num_samples": -1,
                    "max_concurrent_trials": packing.slots,
                    "trial_dirname_creator": _directory,
                }
                fit(
                    listener,
                    {"cpu": resources.cpus_per_trial, "gpu": packing.gpus},
                    {},
                    tune_config=tune_config,
                    tasks=(),
                    store=store,
                    weights=weights,
                    cache_root=cache_root.absolute(),
                    threads=max(1, int(resources.cpus_per_trial)),
                    attempts=resources.attempts,
                    trainer=trainer,
                    pretrainer=PRETRAINER,
                    loader=loader,
                    # A race stops between two folds.
                    together=TOGETHER if trainer == TRAINER and not search.races else None,
                    crowd=packing.crowd,
                    pilot=measured,
                )
                if isinstance(listener.error, MadvError):
                    raise listener.error
                if listener.error is not None:
                    raise ClusterError(f"the search {search.study} stopped: {listener.error}") from listener.error
                if measured:
                    packing.fill(listener.use)
                if crowded := listener.crowded:
                    listener.crowded = False
                    packing.thin()
                if listener.broken or not (measured or crowded or driver.finished):
                    why = listener.last_error or "Ray ended early"
                    raise ClusterError(f"the search {search.study} is not done: the workers cannot work: {why}")


def _directory(trial: Any) -> str:
    """Tune would put the whole configuration into the name of its scratch folder."""
    name: str = trial.trial_id
    return name
