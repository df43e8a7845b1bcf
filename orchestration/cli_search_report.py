"""From studies and cells to the report of a search, and to a plan that MLflow can be told."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.cli_search_records import candidate_of, study_of_trials
from orchestration.ids import digest
from orchestration.journal import note
from orchestration.mlflow_search import Tried
from orchestration.plan import PlannedCell, Variant
from orchestration.prepared import Prepared
from orchestration.references import References, references, share_references, write_references
from orchestration.search_nested import chosen
from orchestration.search_plan import LEAST_TO_RACE, Candidate, Search
from orchestration.search_study import open_study, repeated
from orchestration.verdict import Verdict, write_verdict

if TYPE_CHECKING:
    from dashboards.search_report import SearchReport
    from dashboards.search_study import SearchStudy
    from dashboards.study import Study
    from orchestration.cells import Cell

REPORTS = Path("reports")
CHOSEN = "chosen by the other subjects"


def report_searches(prepared: Prepared, overrides: Sequence[str], folder: Path | None = None) -> SearchReport:
    """Write the report of the trials that are there into a folder, reports/<cluster_name> unless another is named."""
    place = folder or REPORTS / prepared.plan.spec.cluster_name
    if prepared.searches[0].arm:
        from orchestration.cli_arms_report import report_arms

        written = report_arms(prepared, overrides, place)
    else:
        from dashboards.search_report import write_search_report

        written = write_search_report(search_study(prepared, prepared.searches, overrides), place)
        write_verdict(place, Verdict(headline=written.headline, warnings=written.warnings))
    used = used_by(prepared)
    write_references(place, used)
    if folder is None:
        share_references(prepared.plan.spec.storage_path, place, used)
    note("report written", path=str(written.path_html.absolute()))
    return written


def used_by(prepared: Prepared) -> References:
    """What the report of the trials so far rests on."""
    used = references(tracked(prepared).plan, prepared.cache_root)
    # The page of frozen variants shows the plan's own.
    return used | references(prepared.plan, prepared.cache_root) if prepared.searches[0].arm else used


def search_study(prepared: Prepared, searches: Sequence[Search], overrides: Sequence[str]) -> SearchStudy:
    """Everything that the page of these searches says: of all of a file, or of one of its variants."""
    from dashboards.search_study import SearchStudy
    from madv.data.cache import load
    from orchestration.racing import LEAST_FOLDS, P_THRESHOLD

    spec, plan, first = prepared.plan.spec, prepared.plan, searches[0]
    manifest = load(first.plan.variants[0].config.dataset, prepared.cache_root).manifest
    sizes = {subject: [0] * len(plan.facts.class_names) for subject in plan.facts.subjects}
    for subject, label in zip(manifest["subject"], manifest["label"], strict=True):
        sizes[str(subject)][int(label)] += 1
    arguments = shlex.join([str(spec.path), *overrides])
    known = prepared.store.states()
    outer = {
        group: list(prepared.store.read_whole(cell.key for cell in candidate.cells if cell.key in known).values())
        for group, candidate in chosen(searches).items()
    }
    labels = zip(manifest["sample_id"], manifest["label"], manifest["subject"], strict=True)
    return SearchStudy(
        cluster_name=spec.cluster_name,
        question=" – ".join(filter(None, (spec.question, first.arm))),
        objectives=first.spec.objectives,
        optimistic=spec.protocol.optimistic,
        studies=[study_of_trials(one, prepared.store, known, outer.get(one.label, [])) for one in searches],
        nested=_nested(searches, outer, labels) if first.held_out else None,
        clips_per_subject=sizes,
        race=_race(first),
        race_rule=(P_THRESHOLD, LEAST_FOLDS),
        conditions={one.key: one.condition for one in first.spec.space if one.when},
        provenance=provenance(prepared, first),
        rerun=(f"madv sweep {arguments}", f"madv report {arguments}"),
    )


def tracked(prepared: Prepared) -> Tried:
    """The configurations that were tried, each once, then what was chosen and what is frozen, as a plan of variants."""
    known = prepared.store.states()
    tried: dict[str, tuple[Variant, list[PlannedCell], bool]] = {}
    for search in prepared.searches:
        study = open_study(search, create=False)
        again = repeated(study) if study else set()
        for trial in study.get_trials(deepcopy=False) if study else ():
            candidate = candidate_of(search, trial) if trial.number not in again else None
            if candidate is None:
                continue
            variant, own = named(search, candidate)
            stopped = trial.state.name == "PRUNED"
            if stopped:  # what another search has trained of it is not this one's
                own = own[: len(trial.intermediate_values) * len(prepared.plan.spec.seeds)]
            there = [cell for cell in own if cell.key in known]
            if there and (variant.digest not in tried or (tried[variant.digest][2] and not stopped)):
                ended = trial.state.is_finished()
                short = stopped or (ended and len(there) < len(own))
                tried[variant.digest] = (variant, there if ended else own, short)
    variants = {key: variant for key, (variant, _, _) in tried.items()}
    cells = [cell for _, own, _ in tried.values() for cell in own]
    for candidate in chosen(prepared.searches).values():
        variant, own = named(None, candidate)
        variants[variant.digest] = variant
        cells += own
    if prepared.asks_frozen:
        variants |= {variant.digest: variant for variant in prepared.plan.variants}
        cells += prepared.plan.cells
    plan = replace(prepared.plan, variants=tuple(variants.values()) or prepared.plan.variants, cells=tuple(cells))
    cut = frozenset(variant.name for variant, _, short in tried.values() if short)
    return Tried(plan=plan, key=digest([one.digest for one in prepared.searches]), short=cut)


def named(search: Search | None, candidate: Candidate) -> tuple[Variant, list[PlannedCell]]:
    """A configuration as MLflow's runs have it: one of a study, or what a group has chosen (no search)."""
    variant = candidate.variant
    if search is None:
        return replace(variant, digest=digest([variant.name, variant.digest])), list(candidate.cells)
    name = f"{search.study} {variant.name}"
    found = replace(variant, name=name, digest=digest(f"{variant.digest}{search.held_out}"))
    return found, [replace(cell, variant=name) for cell in candidate.cells]


def _nested(
    searches: Sequence[Search], outer: Mapping[str, Sequence[Cell]], labels: Iterable[tuple[Any, Any, Any]]
) -> Study:
    """What the others chose, on all subjects: a study of one variant, so that its score has an interval."""
    from dashboards.study import Study, StudyVariant

    plan, spec = searches[0].plan, searches[0].plan.spec
    return Study(
        cluster_name=spec.cluster_name,
        question=spec.question,
        design=spec.design.kind,
        metric=searches[0].spec.objectives[0],
        alpha=spec.report.alpha,
        class_names=plan.facts.class_names,
        variants=(StudyVariant(name=CHOSEN, levels={}),),
        seeds=spec.seeds,
        subjects=plan.facts.subjects,
        sample_labels={str(sample): (int(label), str(subject)) for sample, label, subject in labels},
        cells={(CHOSEN, cell.seed, cell.subject): cell for cells in outer.values() for cell in cells},
    )


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


def provenance(prepared: Prepared, first: Search) -> dict[str, str]:
    """What was run: of the sweep, and of a search of it."""
    from orchestration.mlflow_values import checkout
    from orchestration.search_study import storage_url

    return {
        "commit of this report": checkout(),
        "data": prepared.plan.facts.fingerprint[:12],
        "code": prepared.plan.code[:12],
        "sweep": prepared.plan.spec.digest[:12],
        "sampler": first.spec.sampler,
        "budget": f"{first.spec.trials} configurations a study",
        "storage": storage_url(first, hidden=True),
    }
