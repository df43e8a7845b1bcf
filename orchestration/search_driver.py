"""Asks a study for configurations, hears how their folds went, and tells the study what came of them. Knows no Ray."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from madv.errors import ConfigError
from orchestration.racing import fold_score
from orchestration.search_scores import values_of
from orchestration.search_space import suggest
from orchestration.search_study import REASON
from orchestration.tasks import Outcome, TrialTask

if TYPE_CHECKING:
    from optuna import Study, Trial

    from orchestration.cells import CellStore
    from orchestration.search_plan import Candidate, Search

FRUITLESS = 8
"""Configurations that may end in a row without a single fold: workers that cannot work are no configuration's fault."""


@dataclass(kw_only=True, slots=True)
class _Running:
    trial: Trial
    candidate: Candidate
    ended: set[str] = field(default_factory=set)
    """Keys of the folds that are done."""
    reported: int = 0
    """Subjects whose score the study has."""
    failed: str | None = None
    """Key of a fold that failed."""
    stopped: bool = False


class Driver:
    """One study on its way. Configurations go by the ids that Tune gives them."""

    def __init__(
        self,
        search: Search,
        study: Study,
        store: CellStore,
        budget: int,
        on_candidate: Callable[[Candidate, bool], None] = lambda candidate, short: None,
    ) -> None:
        """Args:
        search: what is searched.
        study: opened and resumed.
        store: where workers leave the cells.
        budget: configurations that are left to try.
        on_candidate: hears of each before its first fold, and once more (True) of one that is cut short, of its folds.
        """
        self._on_candidate = on_candidate
        self._search = search
        self._study = study
        self._store = store
        self._left = budget
        self._clips_per_class = search.plan.facts.clips_per_class
        self._running: dict[str, _Running] = {}
        self._again: deque[_Running] = deque()
        self._fruitless = 0

    @property
    def finished(self) -> bool:
        """Whether there is nothing to ask for and nothing to wait for."""
        return not self._left and not self._running and not self._again

    @property
    def broken(self) -> bool:
        """Whether no worker can work."""
        return self._fruitless >= FRUITLESS

    def ask(self, trial_id: str) -> TrialTask | None:
        """The folds of the next configuration; None: not now, or none is left."""
        running = self._again.popleft() if self._again else self._next()
        if running is None:
            return None
        self._running[trial_id] = running
        variant, cells = running.candidate.variant, running.candidate.cells
        return TrialTask(digest=variant.digest, config=variant.config, seed=cells[0].seed, cells=cells)

    def heard(self, trial_id: str, key: str, state: Outcome) -> bool:
        """A fold has ended; whether its configuration is to be stopped, for good or until it is asked for again."""
        running = self._running[trial_id]
        self._fruitless = 0
        if state in ("crowded", "unstored"):
            return True
        if state == "failed":
            running.failed = key
            return True
        running.ended.add(key)
        if self._search.races and self._report(running) and running.reported < len(self._search.order):
            running.stopped = running.trial.should_prune()
        return running.stopped

    def ended(self, trial_id: str) -> int:
        """A configuration has ended, be it that its worker is gone. Returns how many of its folds were saved."""
        running = self._running.pop(trial_id)
        cells = running.candidate.cells
        left = len(cells) - len(running.ended)
        if running.failed is not None or running.stopped:
            there = running.ended | {running.failed}
            self._on_candidate(
                replace(running.candidate, cells=tuple(cell for cell in cells if cell.key in there)), True
            )
        if running.failed is not None:
            reason = (self._store.read(running.failed).reason or "").strip().splitlines()
            running.trial.set_user_attr(REASON, reason[-1] if reason else "no reason was left")
            self._study.tell(running.trial, state=TrialState.FAIL)
            return left - 1
        if running.stopped:
            self._study.tell(running.trial, state=TrialState.PRUNED)
            return left
        if left:
            self._fruitless += 1
            self._again.append(running)
            return 0
        if self._search.races:
            self._report(running)
        values = values_of(self._store.read_many([cell.key for cell in cells]))
        self._study.tell(running.trial, [values[name] for name in self._search.spec.objectives])
        return 0

    def _next(self) -> _Running | None:
        """A configuration that can be trained; one that cannot is told as failed and counts."""
        while self._left:
            self._left -= 1
            trial = self._study.ask()
            try:
                candidate = self._search.candidate(suggest(self._search.spec.space, trial), f"trial {trial.number}")
            except ConfigError as error:
                trial.set_user_attr(REASON, "; ".join(dict.fromkeys(map(str, error.problems))))
                self._study.tell(trial, state=TrialState.FAIL)
                continue
            self._on_candidate(candidate, False)
            return _Running(trial=trial, candidate=candidate)
        return None

    def _report(self, running: _Running) -> bool:
        """Tell the scores of subjects that are complete, in the order of the race; whether there were any."""
        seeds, before = len(self._search.plan.spec.seeds), running.reported
        while running.reported < len(self._search.order):
            keys = [cell.key for cell in running.candidate.cells[running.reported * seeds :][:seeds]]
            if not running.ended.issuperset(keys):
                break
            cells = self._store.read_many(keys)
            total = sum(fold_score(cell.y_true, cell.probabilities, self._clips_per_class) for cell in cells)
            running.trial.report(total, running.reported)
            running.reported += 1
        return running.reported > before
