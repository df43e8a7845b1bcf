"""What Tune's experiment says while it runs: each cell that ends, and whether it is worth going on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madv.errors import StorageError
from orchestration.gpu_use import Use
from orchestration.journal import EVENTS, note
from orchestration.tasks import CellEvent, TrialTask

if TYPE_CHECKING:
    from orchestration.plan import PlannedCell

LONGEST = 8000
"""Characters of a traceback in the log; the cell has all of it."""
FRUITLESS = 8
"""Workers of one trial that may die in a row without reporting a fold: more than two a fold is no fold's fault."""


class Listener:
    """Turns Tune's results into events, each cell once, and counts workers that die for nothing."""

    def __init__(self, pending: Iterable[PlannedCell], on_event: Callable[[CellEvent], None]) -> None:
        self._cells = {cell.key: cell for cell in pending}
        self._on_event = on_event
        self._deaths: Counter[str] = Counter()
        self._tasks: dict[str, TrialTask] = {}
        """What each trial works on."""
        self._at: dict[str, str] = {}
        """The cell that each trial was last said to begin."""
        self.tasks: tuple[TrialTask, ...] = ()
        """That trials name by their places."""
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
        self._note(trial_id, result)
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
        if not result["done"]:
            self._next(trial_id)

    def started(self, trial_id: str, task: TrialTask) -> None:
        """A worker begins with the first fold of the task that has not ended."""
        self._tasks[trial_id] = task
        self._at.pop(trial_id, None)
        self._next(trial_id)

    def _next(self, trial_id: str) -> None:
        task = self._tasks.get(trial_id)
        cell = None if task is None else next((cell for cell in task.cells if cell.key not in self.seen), None)
        if task is not None and cell is not None and self._at.get(trial_id) != cell.key:
            self._at[trial_id] = cell.key
            note("cell started", **_of(cell), work=task.work, trial=trial_id)

    def _note(self, trial_id: str, result: dict[str, Any]) -> None:
        """What a fold has to say, for the sweep's log."""
        if result["key"] in self.seen or not EVENTS.isEnabledFor(logging.INFO):
            return
        cell, where = self._cells.get(result["key"]), {"node": result.get("hostname"), "pid": result.get("pid")}
        if cell is None:
            return
        for attempt, reason in result["failures"]:
            note("attempt failed", **_of(cell), **where, attempt=attempt, traceback=reason[-LONGEST:])
        for text in result["said"]:
            note("cell warned", **_of(cell), **where, message=text)
        seconds = round(result["seconds"], 3)
        note("cell ended", **_of(cell), **where, state=result["state"], seconds=seconds, error=result["error"] or None)

    def death(self, trial_id: str, error: str) -> None:
        """A worker has died, or could not store a cell."""
        self.last_error = error
        note("worker lost", trial=trial_id, error=error)
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


def _of(cell: PlannedCell) -> dict[str, Any]:
    return {"variant": cell.variant, "seed": cell.seed, "subject": cell.subject, "key": cell.key}


def callback(listener: Listener) -> Any:
    from ray.tune import Callback

    class Report(Callback):  # type: ignore[misc]
        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            task = trial.config["task"]
            listener.started(trial.trial_id, listener.tasks[task] if isinstance(task, int) else task)

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
