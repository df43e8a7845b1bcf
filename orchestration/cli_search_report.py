"""From studies and cells to the report of a search, and to a plan that MLflow can be told."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madv.errors import ConfigError
from orchestration.ids import digest
from orchestration.keyed_store import State
from orchestration.plan import Plan, PlannedCell, Variant
from orchestration.prepared import Prepared
from orchestration.references import references, write_references
from orchestration.search_nested import chosen, group_name
from orchestration.search_plan import LEAST_TO_RACE, Candidate, Search
from orchestration.search_scores import values_of
from orchestration.search_space import decode, plain
from orchestration.search_spec import OBJECTIVES
from orchestration.search_study import REASON, open_study, repeated
from orchestration.verdict import Verdict, write_verdict

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.trial import FrozenTrial

    from dashboards.search_report import SearchReport
    from dashboards.search_study import SearchTrial, StudyOfTrials
    from dashboards.study import Study
    from orchestration.cells import Cell

REPORTS = Path("reports")
CHOSEN = "chosen by the other subjects"
STATES = {"COMPLETE": "finished", "PRUNED": "stopped", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}
LEAST_FOR_IMPORTANCE = 10
"""Finished trials below which the spread of the best tenth says nothing."""


def report_searches(prepared: Prepared, overrides: Sequence[str], folder: Path | None = None) -> SearchReport:
    """Write the report of the trials that are there into a folder, reports/<cluster_name> unless another is named."""
    from dashboards.search_report import write_search_report
    from dashboards.search_study import SearchStudy
    from madv.data.cache import load
    from orchestration.racing import LEAST_FOLDS, P_THRESHOLD

    spec, plan = prepared.plan.spec, prepared.plan
    manifest = load(plan.variants[0].config.dataset, prepared.cache_root).manifest
    sizes = {subject: [0] * len(plan.facts.class_names) for subject in plan.facts.subjects}
    for subject, label in zip(manifest["subject"], manifest["label"], strict=True):
        sizes[str(subject)][int(label)] += 1
    arguments = shlex.join([str(spec.path), *overrides])
    known = prepared.store.states()
    first = prepared.searches[0]
    outer = _outer(prepared, known)
    labels = zip(manifest["sample_id"], manifest["label"], manifest["subject"], strict=True)
    study = SearchStudy(
        cluster_name=spec.cluster_name,
        question=spec.question,
        objectives=first.spec.objectives,
        optimistic=spec.protocol.optimistic,
        studies=[
            replace(
                _study(search, open_study(search, create=False), prepared, known),
                name=group_name(number) if search.held_out else search.study,
                held_out=search.held_out,
                held_out_score=_held_out_score(search, outer.get(group_name(number), [])),
            )
            for number, search in enumerate(prepared.searches)
        ],
        nested=_nested(prepared, outer, labels) if first.held_out else None,
        clips_per_subject=sizes,
        race=_race(first),
        race_rule=(P_THRESHOLD, LEAST_FOLDS),
        provenance=_provenance(prepared),
        rerun=(f"madv sweep {arguments}", f"madv report {arguments}"),
    )
    place = folder or REPORTS / spec.cluster_name
    written = write_search_report(study, place)
    write_references(place, references(tracked(prepared), prepared.cache_root))
    write_verdict(place, Verdict(headline=written.headline, warnings=written.warnings))
    return written


def tracked(prepared: Prepared) -> Plan:
    """The configurations that were tried, each once, with the cells that are there, as a plan of variants."""
    known = prepared.store.states()
    variants: dict[str, Variant] = {}
    cells: dict[str, PlannedCell] = {}
    for search in prepared.searches:
        study = open_study(search, create=False)
        for trial in study.get_trials(deepcopy=False) if study else ():
            candidate = _candidate(search, trial)
            there = [cell for cell in candidate.cells if cell.key in known] if candidate else []
            identity = f"{candidate.variant.digest}{search.held_out}" if candidate else ""
            if candidate and there and identity not in variants:
                name = f"{search.study} {candidate.variant.name}"
                variants[identity] = replace(candidate.variant, name=name, digest=digest(identity))
                cells |= {cell.key: replace(cell, variant=name) for cell in there}
    for group, candidate in chosen(prepared.searches).items():
        variants[group] = replace(candidate.variant, digest=digest([group, candidate.variant.digest]))
        cells |= {cell.key: cell for cell in candidate.cells if cell.key in known}
    return replace(
        prepared.plan, variants=tuple(variants.values()) or prepared.plan.variants, cells=tuple(cells.values())
    )


def _outer(prepared: Prepared, known: Mapping[str, State]) -> dict[str, list[Cell]]:
    """Group -> the cells of its held-out subjects that are there."""
    return {
        group: prepared.store.read_many([cell.key for cell in candidate.cells if cell.key in known])
        for group, candidate in chosen(prepared.searches).items()
    }


def _held_out_score(search: Search, cells: Sequence[Cell]) -> float | None:
    done = [cell for cell in cells if cell.state == "done"]
    complete = len(done) == len(search.held_out) * len(search.plan.spec.seeds)
    return values_of(done)[search.spec.objectives[0]] if done and complete else None


def _nested(prepared: Prepared, outer: Mapping[str, Sequence[Cell]], labels: Iterable[tuple[Any, Any, Any]]) -> Study:
    """What the others chose, on all subjects: a study of one variant, so that its score has an interval."""
    from dashboards.study import Study, StudyVariant

    plan, spec = prepared.plan, prepared.plan.spec
    return Study(
        cluster_name=spec.cluster_name,
        question=spec.question,
        design=spec.design.kind,
        metric=prepared.searches[0].spec.objectives[0],
        alpha=spec.report.alpha,
        class_names=plan.facts.class_names,
        variants=(StudyVariant(name=CHOSEN, levels={}),),
        seeds=spec.seeds,
        subjects=plan.facts.subjects,
        sample_labels={str(sample): (int(label), str(subject)) for sample, label, subject in labels},
        cells={(CHOSEN, cell.seed, cell.subject): cell for cells in outer.values() for cell in cells},
    )


def _study(search: Search, study: OptunaStudy | None, prepared: Prepared, known: Mapping[str, State]) -> StudyOfTrials:
    from dashboards.search_study import StudyOfTrials

    again = repeated(study) if study else set()
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.number not in again] if study else []
    told = [_trial(search, trial, prepared, known) for trial in trials]
    best: SearchTrial | None = None
    overrides: tuple[str, ...] = ()
    if study and len(search.spec.objectives) == 1 and any(trial.state == "finished" for trial in told):
        best = next(trial for trial in told if trial.number == study.best_trial.number)
        chosen = search.candidate(study.best_trial.params, "best").variant
        overrides = chosen.overrides
    return StudyOfTrials(
        name=search.study,
        trials=told,
        folds=len(search.order) * len(search.plan.spec.seeds),
        races=search.races,
        best=best,
        overrides=overrides,
        importance=_importance(study, search) if study else {},
        signs=tuple(1 if OBJECTIVES[name] else -1 for name in search.spec.objectives),
    )


def _trial(search: Search, trial: FrozenTrial, prepared: Prepared, known: Mapping[str, State]) -> SearchTrial:
    from dashboards.search_study import SearchTrial

    state: Any = STATES[trial.state.name]
    candidate = _candidate(search, trial) if state != "waiting" else None
    cells: list[Cell] = []
    if candidate is not None:
        keys = [cell.key for cell in candidate.cells if known.get(cell.key) == "done"]
        # Another trial of the same configuration may have trained more.
        cells = prepared.store.read_many(keys[: len(trial.intermediate_values)] if state == "stopped" else keys)
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


def _candidate(search: Search, trial: FrozenTrial) -> Candidate | None:
    """None of a trial that was cut off while it was asked for, or that does not fit."""
    try:
        return search.candidate(trial.params, f"trial {trial.number}")
    except (ConfigError, KeyError):
        return None


def _importance(study: OptunaStudy, search: Search) -> dict[str, float]:
    """Shares by PED-ANOVA over finished trials, of one objective; a simplex's parameters are added up."""
    import optuna

    finished = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(search.spec.objectives) > 1 or len(finished) < LEAST_FOR_IMPORTANCE:
        return {}
    try:
        found = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
        )
    except (ValueError, RuntimeError):  # all trials are equal, or no parameter is in all of them
        return {}
    shares: dict[str, float] = {}
    for name, share in found.items():
        key = name.partition("[")[0]
        shares[key] = shares.get(key, 0.0) + share
    return shares


def _race(search: Search) -> str:
    from orchestration.racing import LEAST_FOLDS, P_THRESHOLD

    if search.spec.pruner == "none":
        return ""
    if not search.races:
        return (
            f"Nothing was stopped early: that takes {LEAST_TO_RACE} subjects, and a study here has {len(search.order)}."
        )
    return (
        f"All configurations meet the subjects in one shuffled order. One is stopped when, from {LEAST_FOLDS} subjects "
        f"on, Wilcoxon's signed-rank test says that its folds are worse than those of the best finished one (p < "
        f"{P_THRESHOLD:g}, one-sided, on the class-balanced cross-entropy) and their mean is."
    )


def _provenance(prepared: Prepared) -> dict[str, str]:
    from orchestration.mlflow_values import git_commit
    from orchestration.search_study import storage_url

    first = prepared.searches[0]
    return {
        "commit": git_commit() or "not in a git checkout",
        "data": prepared.plan.facts.fingerprint[:12],
        "code": prepared.plan.code[:12],
        "sweep": prepared.plan.spec.digest[:12],
        "sampler": first.spec.sampler,
        "budget": f"{first.spec.trials} configurations a study",
        "storage": storage_url(first, hidden=True),
    }
