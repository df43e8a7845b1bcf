"""What Tune's experiment says while it runs: each cell that ends, and whether it is worth going on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.folders import StorageError
from orchestration.gpu_use import Use
from orchestration.tasks import CellEvent

if TYPE_CHECKING:
    from orchestration.plan import PlannedCell

FRUITLESS = 8
"""Workers of one trial that may die in a row without reporting a fold: more than two a fold is no fold's fault."""


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


def callback(listener: Listener) -> Any:
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
