"""A study's trials as a report takes them: from Optuna's records and the cells."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from madv.errors import ConfigError
from orchestration.search_scores import values_of
from orchestration.search_space import decode, plain
from orchestration.search_spec import OBJECTIVES
from orchestration.search_study import REASON, open_study, repeated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna import Study as OptunaStudy
    from optuna.trial import FrozenTrial

    from dashboards.search_study import SearchTrial, StudyOfTrials
    from orchestration.cells import Cell, CellStore
    from orchestration.keyed_store import State
    from orchestration.search_plan import Candidate, Search

STATES = {"COMPLETE": "finished", "PRUNED": "stopped", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}
LEAST_FOR_IMPORTANCE = 10
"""Finished trials below which the spread of the best tenth says nothing."""


def study_of_trials(
    search: Search, store: CellStore, known: Mapping[str, State], outer: Sequence[Cell]
) -> StudyOfTrials:
    """One study.

    Args:
        search: what is searched; its study need not have begun.
        store: of the cells.
        known: their states.
        outer: cells of what it chose, on the subjects that it holds out.
    """
    from dashboards.search_study import StudyOfTrials

    study = open_study(search, create=False)
    again = repeated(study) if study else set()
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.number not in again] if study else []
    told = [_trial(search, trial, store, known) for trial in trials]
    best: SearchTrial | None = None
    overrides: tuple[str, ...] = ()
    if study and len(search.spec.objectives) == 1 and any(trial.state == "finished" for trial in told):
        best = next(trial for trial in told if trial.number == study.best_trial.number)
        chosen = search.candidate(study.best_trial.params, "best").variant
        overrides = chosen.overrides
    return StudyOfTrials(
        name=search.label,
        trials=told,
        folds=len(search.order) * len(search.plan.spec.seeds),
        races=search.races,
        best=best,
        overrides=overrides,
        importance=_importance(study, search) if study else {},
        held_out=search.held_out,
        held_out_score=_held_out_score(search, outer),
        signs=tuple(1 if OBJECTIVES[name] else -1 for name in search.spec.objectives),
    )


def _trial(search: Search, trial: FrozenTrial, store: CellStore, known: Mapping[str, State]) -> SearchTrial:
    from dashboards.search_study import SearchTrial

    state: Any = STATES[trial.state.name]
    candidate = candidate_of(search, trial) if state != "waiting" else None
    cells: list[Cell] = []
    if candidate is not None:
        keys = [cell.key for cell in candidate.cells if known.get(cell.key) == "done"]
        if state == "stopped":  # after a subject, of which there is a cell a seed; another trial may have trained more
            keys = keys[: len(trial.intermediate_values) * len(search.plan.spec.seeds)]
        cells = list(store.read_whole(keys).values())
    return SearchTrial(
        number=trial.number,
        state=state,
        settings=_settings(search, trial),
        values=tuple(trial.values) if state == "finished" else (),
        folds=len(cells),
        seconds=sum(cell.seconds for cell in cells),
        reason=str(trial.user_attrs.get(REASON, "")),
    )


def _settings(search: Search, trial: FrozenTrial) -> dict[str, str]:
    """Empty of a trial that was cut off while it was asked for."""
    try:
        return {key: plain(value) for key, value in decode(search.spec.space, trial.params).items()}
    except KeyError:
        return {}


def candidate_of(search: Search, trial: FrozenTrial) -> Candidate | None:
    """None of a trial that was cut off while it was asked for, or that does not fit."""
    try:
        return search.candidate(trial.params, f"trial {trial.number}")
    except (ConfigError, KeyError):
        return None


def _importance(study: OptunaStudy, search: Search) -> dict[str, dict[str, float]]:
    """Objective -> shares by PED-ANOVA over finished trials; a simplex's parameters are added up."""
    import optuna

    finished = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(finished) < LEAST_FOR_IMPORTANCE:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    found: dict[str, dict[str, float]] = {}
    for place, objective in enumerate(search.spec.objectives):
        if len({trial.values[place] for trial in finished}) < 2:
            continue
        target = functools.partial(_loss, place=place, sign=-1 if OBJECTIVES[objective] else 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that less of a target is better, which the sign sees to
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
        own = found[objective] = {}
        for name, share in shares.items():
            key = name.partition("[")[0]
            own[key] = own.get(key, 0.0) + share
    return found


def _loss(trial: FrozenTrial, *, place: int, sign: int) -> float:
    value: float = sign * trial.values[place]
    return value


def _held_out_score(search: Search, cells: Sequence[Cell]) -> float | None:
    done = [cell for cell in cells if cell.state == "done"]
    complete = len(done) == len(search.held_out) * len(search.plan.spec.seeds)
    return values_of(done)[search.spec.objectives[0]] if done and complete else None
