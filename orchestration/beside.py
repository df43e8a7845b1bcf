"""Which folds of a trial are trained side by side, as one program, and what happens when they do not fit."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from orchestration.gpu_use import out_of_memory

if TYPE_CHECKING:
    from madv.data.clips import Clips
    from madv.data.folds import Fold
    from orchestration.plan import PlannedCell
    from orchestration.tasks import TrialTask

Folds = Callable[["PlannedCell"], "tuple[Clips, Fold]"]


class Beside:
    """The groups of one task: as many folds as the setting asks for, fewer once they did not fit."""

    def __init__(self, trainer: str | None, task: TrialTask, limits: dict[str, int]) -> None:
        """Args:
        trainer: module:function with the signature of madv.together.train_folds; None: each fold alone.
        task: of the trial.
        limits: folds at once by variant, as far as this worker has found them out.
        """
        self._trainer, self._task, self._limits = trainer, task, limits
        self.possible = trainer is not None and task.work == "training" and task.config.train.folds_per_step != 1

    def group(self, cells: Sequence[PlannedCell], folds: Folds) -> list[PlannedCell]:
        """The first cell and those of its seed that can be trained beside it, in order."""
        config = self._task.config
        cells = [cell for cell in cells if cell.seed == cells[0].seed]  # a candidate's folds are of several
        if len(cells) == 1:
            return cells
        from madv.together import groups, most_at_once

        most = self._limits.setdefault(self._task.digest, most_at_once(config))
        found = {cell.subject: cell for cell in cells}
        first = next(groups([folds(cell)[1] for cell in cells], config.train.batch_size, most))
        return [found[fold.subject] for fold in first]

    def train(self, cells: Sequence[PlannedCell], folds: Folds, start: Callable[[PlannedCell], Any]) -> list[Any]:
        """What train_folds gives for these cells of one seed: a FoldResult, or the error of that fold, each."""
        assert self._trainer is not None
        clips = folds(cells[0])[0]
        train_folds = imported(self._trainer)
        chosen, starts = [folds(cell)[1] for cell in cells], [start(cell) for cell in cells]
        found: list[Any] = train_folds(self._task.config, chosen, clips, cells[0].seed, starts=starts)
        return found

    def retreat(self, size: int, error: Exception) -> None:
        """A group of that size did not come to an end: half as many where memory was short, else each alone."""
        short = out_of_memory(error)
        self._limits[self._task.digest] = size // 2 if short else 1
        if not short:
            logging.getLogger("madv").warning("folds are trained one by one: %s: %s", type(error).__name__, error)


def imported(name: str) -> Callable[..., Any]:
    """The function that module:function names."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
