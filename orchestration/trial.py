"""The Tune trial: one step trains one fold and leaves its cell in the store."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ray.tune import Trainable

from madv.errors import Problem, StorageError
from madv.modes import keep_as
from orchestration.addresses import without_password
from orchestration.beside import Beside, imported
from orchestration.cell_records import done_cell, failed_cell
from orchestration.checkpoints import keep
from orchestration.folders import in_words, patiently
from orchestration.gpu_use import Use, out_of_memory, watched
from orchestration.overheard import overheard
from orchestration.tasks import Outcome, TrialTask, Work
from orchestration.weights import WeightStore
from orchestration.workload import Workload

if TYPE_CHECKING:
    from madv.config_data import DatasetConfig
    from madv.data.clips import Clips
    from madv.data.folds import Fold
    from madv.fold_result import FoldResult
    from madv.pretrained import Pretrained
    from orchestration.keyed_store import KeyedStore
    from orchestration.plan import PlannedCell


class FoldTrial(Trainable):  # type: ignore[misc]
    """Trains the folds of one TrialTask; an actor that has finished one goes on with the next.

    A worker that dies is replaced and starts the task again: folds that are in the store are reported, not trained.
    """

    def setup(self, config: dict[str, Any], workload: Workload | None = None) -> None:
        assert workload is not None
        self._workload = workload
        keep_as(workload.mask)
        self._clips: dict[str, Clips] = {}
        self._limits: dict[str, int] = {}
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        cell = self._task.cells[self._next]
        self._next += 1
        use = Use()
        error = ""
        said: list[str] = []
        self._failures: list[tuple[int, str]] = []
        if cell.key not in self._ended:
            try:
                with watched(use, wanted=self._workload.pilot), overheard() as said:
                    self._train(cell)
            except StorageError as trouble:
                # A worker that died of it would be replaced, again and again.
                self._ended[cell.key], error = ("unstored", 0.0), str(trouble)
        state, seconds = self._ended[cell.key]
        done = self._next == len(self._task.cells)
        return {
            "subject": cell.subject,
            "key": cell.key,
            "seconds": seconds,
            "state": state,
            "error": error,
            "use": asdict(use),
            "said": said,
            "failures": self._failures,
            "done": done,
        }

    def _begin(self, config: dict[str, Any]) -> None:
        task: int | TrialTask = config["task"]
        self._task = self._workload.tasks[task] if isinstance(task, int) else task
        self._next = 0
        stores: dict[Work, KeyedStore | None] = {
            "training": self._workload.store,
            "pretraining": self._workload.weights,
            "again": self._workload.checkpoints,
        }
        store = stores[self._task.work]
        assert store is not None
        self._store = store
        try:
            known = patiently(store.states, [cell.key for cell in self._task.cells])
        except StorageError:
            known = {}  # the first fold finds the storage in trouble, too, and says why
        self._ended: dict[str, tuple[Outcome, float]] = {key: (state, 0.0) for key, state in known.items()}
        self._alone: set[str] = set()  # whose numbers failed beside others
        self._beside = Beside(self._workload.together, self._task, self._limits)

    def _train(self, planned: PlannedCell) -> None:
        """Train the fold, and those that can be trained beside it."""
        self._use_threads()
        if self._beside.possible and planned.key not in self._alone:
            settled = self._alone.union(self._ended)
            left = [cell for cell in self._task.cells[self._next :] if cell.key not in settled]
            self._train_together([planned, *left])
        if planned.key not in self._ended:
            self._ended[planned.key] = self._train_alone(planned)

    def _train_together(self, cells: list[PlannedCell]) -> None:
        """Train the first of these cells and others beside it as one program, if they can be: those that cannot, or do
        not come to an end so, are trained alone, where what is wrong with them is recorded."""
        while len(group := self._beside.group(cells, self._fold)) > 1:
            if any(patiently(self._store.attempts, cell.key) for cell in group):
                return  # they took a worker down
            started = time.time()
            for cell in group:
                patiently(self._store.record_attempt, cell.key)
            try:
                results = self._beside.train(group, self._fold, self._start)
            except StorageError:
                raise
            except Exception as error:
                for cell in group:
                    self._store.clear_failed(cell.key)
                self._beside.retreat(len(group), error)
                continue
            class_names = self._fold(group[0])[0].class_names
            for cell, result in zip(group, results, strict=True):
                if isinstance(result, Exception):
                    self._store.clear_failed(cell.key)
                    self._alone.add(cell.key)
                else:
                    cell_done = done_cell(cell, self._task.digest, result, class_names, started)
                    patiently(self._workload.store.write, cell_done)
                    self._ended[cell.key] = ("done", result.seconds)
            return

    def _train_alone(self, planned: PlannedCell) -> tuple[Outcome, float]:
        """Train the fold unless its attempts are used up; store what came of it."""
        store, most = self._store, self._workload.attempts
        reason = f"the worker process died in each of {most} attempts (out of memory, killed, or a crash below Python)"
        started = time.time()
        while patiently(store.attempts, planned.key) < most:
            # Counted before the fold starts: a worker that is killed reports nothing.
            patiently(store.record_attempt, planned.key)
            started = time.time()
            try:
                pretrains = self._task.work == "pretraining"
                finish = self._pretrained(planned) if pretrains else self._trained(planned, started)
            except StorageError:
                raise  # no fault of the fold's
            except Exception as error:
                # The one place that catches everything else: the traceback goes into the cell.
                reason = without_password(traceback.format_exc())
                self._failures.append((patiently(store.attempts, planned.key), reason))
                if self._workload.crowd and out_of_memory(error):
                    store.clear_failed(planned.key)
                    return "crowded", 0.0
                continue
            return "done", finish()
        if isinstance(store, WeightStore):
            patiently(store.fail, planned.key, reason)
        else:
            patiently(self._workload.store.write, failed_cell(planned, self._task.digest, reason, started))
        return "failed", max(0.0, time.time() - started)

    def _trained(self, planned: PlannedCell, started: float) -> Callable[[], float]:
        """Train a fold; what stores it and returns its seconds."""
        train_fold = imported(self._workload.trainer)
        clips, fold = self._fold(planned)
        start = self._start(planned)
        options: dict[str, Any] = {} if start is None else {"start": start}
        trained: list[Any] = []
        if self._workload.checkpoints is not None and self._task.config.keepable():
            options["on_trained"] = trained.append
        result: FoldResult = train_fold(self._task.config, fold, clips, planned.seed, **options)

        def finish() -> float:
            store, again = self._workload.store, self._task.work == "again"
            if self._workload.checkpoints is not None and trained:
                keep(self._workload.checkpoints, store, planned.key, trained[0], result, again=again)
            if not again:
                patiently(store.write, done_cell(planned, self._task.digest, result, clips.class_names, started))
            return result.seconds

        return finish

    def _pretrained(self, planned: PlannedCell) -> Callable[[], float]:
        """Pre-train a fold; what stores it and returns its seconds."""
        result = self._pretrain(planned)

        def finish() -> float:
            self._keep(planned.key, result)
            return result.seconds

        return finish

    def _pretrain(self, planned: PlannedCell) -> Pretrained:
        pretrain_fold = imported(self._workload.pretrainer)
        clips, fold = self._fold(planned)
        source = self._task.config.pretrain.dataset
        result: Pretrained = pretrain_fold(
            self._task.config, fold, clips, planned.seed, None if source is None else self._load(source)
        )
        return result

    def _keep(self, key: str, result: Pretrained) -> None:
        from madv.pretrained import encode

        patiently(self._workload.weights.finish, key, encode(result))

    def _start(self, planned: PlannedCell) -> Any:
        """Pre-trained weights by name; None: initial ones."""
        if planned.start is None:
            return None
        from madv.pretrained import PretrainedError, decode

        weights = self._workload.weights
        try:
            return decode(*patiently(weights.read, planned.start)).state
        except PretrainedError as error:
            aside = weights.set_aside(planned.start + weights.done)
            logging.getLogger("madv").warning("%s: %s, and is trained again now", error, aside)
        # All that share it would train the same, with any of their configurations.
        result = self._pretrain(dataclasses.replace(planned, without=()))
        self._keep(planned.start, result)
        return result.state

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
            self._clips[settings] = patiently(self._read, dataset)
        return self._clips[settings]

    def _read(self, dataset: DatasetConfig) -> Clips:
        """What a drive does not give is no fault of the fold's.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            clips: Clips = imported(self._workload.loader)(dataset, self._workload.cache_root)
        except OSError as error:
            raise StorageError([Problem(place=str(self._workload.cache_root), message=in_words(error))]) from error
        return clips
