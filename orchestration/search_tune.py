"""A search on Ray Tune: a searcher and a scheduler that pass everything on to the driver of the study."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

if TYPE_CHECKING:
    from orchestration.listener import Listener
    from orchestration.search_driver import Driver


class StudySearcher(Searcher):  # type: ignore[misc]
    """Asks the study. Ray's own OptunaSearch has no pruner and one study name for all searches."""

    def __init__(
        self, driver: Driver, listener: Listener, on_saved: Callable[[int], None], *, pilot: bool = False
    ) -> None:
        """Args:
        driver: of the study.
        listener: hears of the cells to come, and of what breaks.
        on_saved: called with the number of folds that a configuration was spared.
        pilot: whether to ask for one configuration and no more.
        """
        super().__init__()
        self._driver = driver
        self._listener = listener
        self._on_saved = on_saved
        self._pilot = pilot
        self._asked = False

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles what it is given for a resume of its own, which is not used

    def suggest(self, trial_id: str) -> Any:
        """The next configuration's folds; None: later."""
        if self._listener.crowded or (self._pilot and self._asked):
            return Searcher.FINISHED
        task = _heeded(self._listener, functools.partial(self._driver.ask, trial_id))
        if task is not None:
            self._asked = True
            self._listener.expect(task.cells)
            return {"task": task}
        return Searcher.FINISHED if self._driver.finished or self._listener.broken else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Finished, stopped or gone, which the driver knows; the scheduler does not hear of a last fold."""

        def end() -> int:
            if result is not None and "key" in result:
                self._driver.heard(trial_id, result["key"], result["state"])
            saved = self._driver.ended(trial_id)
            self._listener.broken = self._listener.broken or self._driver.broken
            return saved

        saved = _heeded(self._listener, end)
        if saved:
            self._on_saved(saved)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is kept in its storage."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing; see save."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing; see save."""


class RaceScheduler(FIFOScheduler):  # type: ignore[misc]
    """Stops the configurations that the driver gives up."""

    def __init__(self, driver: Driver, listener: Listener) -> None:
        super().__init__()
        self._driver = driver
        self._listener = listener

    def __getstate__(self) -> dict[str, Any]:
        return {}  # see StudySearcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """A fold has ended."""
        heard = functools.partial(self._driver.heard, trial.trial_id, result["key"], result["state"])
        stop = _heeded(self._listener, heard)
        decision: str = TrialScheduler.STOP if stop else TrialScheduler.CONTINUE
        return decision


def _heeded(listener: Listener, action: Callable[[], Any]) -> Any:
    """What the action returns. Tune swallows what is raised in its hooks and goes on, so that it is kept instead."""
    try:
        return action()
    except Exception as error:
        listener.give_up(error)
        return None
