"""The Tune trial: one step trains one fold and leaves its cell in the store."""

from __future__ import annotations

import functools
import importlib
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune import Trainable

from orchestration.tasks import TrialTask

if TYPE_CHECKING:
    from madv.config_data import DatasetConfig
    from madv.data.clips import Clips
    from madv.data.folds import Fold
    from madv.fold_result import FoldResult
    from orchestration.cells import Cell, CellStore
    from orchestration.keyed_store import KeyedStore, State
    from orchestration.plan import PlannedCell
    from orchestration.weights import WeightStore

ATTEMPTS = 2
"""A fold that has failed so often is recorded as failed."""
PACKAGES = ("torch", "numpy", "ray", "madv")
"""Versions that a cell records."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """What all trials of a sweep share. Paths instead of data: each worker maps the clips itself."""

    tasks: tuple[TrialTask, ...]
    """That trials name by their places; those of a search are not known beforehand and come with the trial."""
    store: CellStore
    weights: WeightStore
    cache_root: Path
    threads: int
    """Of a worker's linear algebra."""
    trainer: str
    """module:function with the signature of madv.train.train_fold."""
    pretrainer: str
    """module:function with the signature of madv.pretrain.pretrain_fold."""
    loader: str
    """module:function with the signature of madv.data.cache.load."""


class FoldTrial(Trainable):  # type: ignore[misc]
    """Trains the folds of one TrialTask; an actor that has finished one goes on with the next.

    A worker that dies is replaced and starts the task again: folds that are in the store are reported, not trained.
    """

    def setup(self, config: dict[str, Any], workload: Workload | None = None) -> None:
        assert workload is not None
        self._workload = workload
        self._clips: dict[str, Clips] = {}
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        cell = self._task.cells[self._next]
        self._next += 1
        state: State | None = self._states.get(cell.key)
        seconds = 0.0
        if state is None:
            state, seconds = self._train(cell)
        done = self._next == len(self._task.cells)
        return {"subject": cell.subject, "key": cell.key, "seconds": seconds, "state": state, "done": done}

    def _begin(self, config: dict[str, Any]) -> None:
        task: int | TrialTask = config["task"]
        self._task = self._workload.tasks[task] if isinstance(task, int) else task
        self._next = 0
        self._store: KeyedStore = self._workload.weights if self._task.pretraining else self._workload.store
        self._states = self._store.states([cell.key for cell in self._task.cells])

    def _train(self, planned: PlannedCell) -> tuple[State, float]:
        """Train the fold unless its attempts are used up; store what came of it."""
        store = self._store
        reason = (
            f"the worker process died in each of {ATTEMPTS} attempts (out of memory, killed, or a crash below Python)"
        )
        started = time.time()
        while store.attempts(planned.key) < ATTEMPTS:
            # Counted before the fold starts: a worker that is killed reports nothing.
            store.record_attempt(planned.key)
            started = time.time()
            try:
                finish = self._pretrained(planned) if self._task.pretraining else self._trained(planned, started)
            except Exception:
                # The one place that catches everything: the traceback goes into the cell.
                reason = traceback.format_exc()
                continue
            return "done", finish()
        if self._task.pretraining:
            self._workload.weights.fail(planned.key, reason)
        else:
            self._workload.store.write(failed_cell(planned, self._task.digest, reason, started))
        return "failed", time.time() - started

    def _trained(self, planned: PlannedCell, started: float) -> Callable[[], float]:
        """Train a fold; what stores it and returns its seconds."""
        train_fold = _imported(self._workload.trainer)
        self._use_threads()
        clips, fold = self._fold(planned)
        options = {}
        if planned.start is not None:
            from madv.pretrained import decode

            options["start"] = decode(*self._workload.weights.read(planned.start)).state
        result: FoldResult = train_fold(self._task.config, fold, clips, planned.seed, **options)

        def finish() -> float:
            self._workload.store.write(done_cell(planned, self._task.digest, result, clips.class_names, started))
            return result.seconds

        return finish

    def _pretrained(self, planned: PlannedCell) -> Callable[[], float]:
        """Pre-train a fold; what stores it and returns its seconds."""
        from madv.pretrained import Pretrained, encode

        pretrain_fold = _imported(self._workload.pretrainer)
        self._use_threads()
        clips, fold = self._fold(planned)
        source = self._task.config.pretrain.dataset
        result: Pretrained = pretrain_fold(
            self._task.config, fold, clips, planned.seed, None if source is None else self._load(source)
        )

        def finish() -> float:
            self._workload.weights.finish(planned.key, encode(result))
            return result.seconds

        return finish

    def _use_threads(self) -> None:
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(self._workload.threads)

    def _fold(self, planned: PlannedCell) -> tuple[Clips, Fold]:
        """The clips, and the fold of them that the cell stands for."""
        from madv.data.folds import make_folds

        clips = self._load(self._task.config.dataset)
        folds = make_folds(self._task.config.protocol, clips.subjects, planned.seed)
        fold = next(fold for fold in folds if fold.subject == planned.subject)
        if planned.without:
            from orchestration.search_nested import leave_out

            fold = leave_out(fold, clips.subjects, planned.without)
        return clips, fold

    def _load(self, dataset: DatasetConfig) -> Clips:
        """A data set's clips, mapped once by each worker."""
        settings = repr(dataset)
        if settings not in self._clips:
            self._clips[settings] = _imported(self._workload.loader)(dataset, self._workload.cache_root)
        return self._clips[settings]


def done_cell(
    planned: PlannedCell, digest: str, result: FoldResult, class_names: tuple[str, ...], started: float
) -> Cell:
    """The cell of a trained fold; started is Unix time in seconds."""
    from orchestration.cells import Cell

    return Cell(
        key=planned.key,
        variant=digest,
        seed=planned.seed,
        subject=planned.subject,
        state="done",
        sample_id=result.sample_id,
        y_true=result.y_true,
        y_pred=result.y_pred,
        probabilities=result.probabilities,
        class_names=class_names,
        history=result.history,
        seconds=result.seconds,
        peak_memory=result.peak_memory,
        parameters=result.parameters,
        device=result.device,
        versions=versions(),
        started=started,
        finished=time.time(),
    )


def failed_cell(planned: PlannedCell, digest: str, reason: str, started: float) -> Cell:
    """The cell of a fold that failed for good."""
    import numpy as np

    from orchestration.cells import Cell

    finished = time.time()
    return Cell(
        key=planned.key,
        variant=digest,
        seed=planned.seed,
        subject=planned.subject,
        state="failed",
        sample_id=(),
        y_true=np.empty(0, np.int64),
        y_pred=np.empty(0, np.int64),
        probabilities=np.empty((0, 0), np.float32),
        class_names=(),
        seconds=finished - started,
        device="unknown",
        versions=versions(),
        started=started,
        finished=finished,
        reason=reason,
    )


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what trained, by package; a package that runs from a checkout without being installed is left out."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _imported(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    imported: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return imported
