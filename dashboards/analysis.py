"""A study's numbers: scores with intervals, comparisons to the reference, costs, and what could not be computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dashboards import statistics, text
from dashboards.components import Components, find_components
from dashboards.controls import Control, alarms, check_controls, not_judged
from dashboards.identity import identity_note
from dashboards.outcomes import Ints, Outcomes, collect, rectangle
from dashboards.paired import Comparison, adjust, compare
from dashboards.resampling import Resampling
from dashboards.spread import Spread, find_spread
from dashboards.statistics import METRICS
from dashboards.study import Study, StudyVariant


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantResult:
    """One row of the report."""

    variant: StudyVariant
    seeds: tuple[int, ...]
    """Scored on these; every one has all of `subjects`."""
    subjects: tuple[str, ...]
    scores: dict[str, float]
    """By metric, the mean over seeds of the pooled score; empty if there is nothing to score."""
    intervals: dict[str, tuple[float, float]]
    """By metric; empty with fewer than two subjects."""
    by_seed: tuple[float, ...]
    """The study's metric, pooled, of each of `seeds`."""
    recall: tuple[float, ...]
    """Of each class, mean over seeds; a class without clips has 0."""
    confusion: Ints
    """(C, C) true x predicted clips, added over `seeds`."""
    accuracy_by_subject: dict[str, float]
    comparison: Comparison | None = None
    cells: int
    failed: int
    missing: int
    seconds: float | None
    """Mean training time of a fold."""
    parameters: int | None
    peak_memory: int | None
    """Most of any fold, bytes."""
    notes: tuple[str, ...] = ()
    """What could not be computed or rests on fewer cells, and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """Everything that the table, the figures and the page show."""

    study: Study
    outcomes: Outcomes
    results: tuple[VariantResult, ...]
    """Ranked by the study's metric; variants without a score last."""
    notes: tuple[str, ...]
    """What limits the study as a whole."""
    controls: tuple[Control, ...] = ()
    components: Components
    """Main effects, interactions and Shapley values of a factorial design."""
    spread: Spread
    """What the study can show, where its variance comes from, and mean ranks."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be read before any number, in red."""
        return (*([text.OPTIMISTIC] if self.study.optimistic else []), *alarms(self.controls))

    @property
    def reference(self) -> VariantResult | None:
        """The result that the others are compared to."""
        return next((result for result in self.results if result.variant.is_reference), None)

    @property
    def partial(self) -> bool:
        """Whether cells are missing or failed."""
        return not bool(self.outcomes.trained.all())


def analyse(study: Study) -> Analysis:
    """Score every variant and compare each to the reference; what cannot be computed is left out with its reason."""
    outcomes = collect(study)
    resampling = Resampling()
    reference = next((v for v, variant in enumerate(study.variants) if variant.is_reference), None)
    results = [_score(study, outcomes, v, resampling) for v in range(len(study.variants))]
    if reference is not None:
        results = [
            result if v == reference else _compared(result, compare(study, outcomes, v, reference, resampling))
            for v, result in enumerate(results)
        ]
        adjusted = adjust([result.comparison for result in results], study)
        results = [replace(result, comparison=one) for result, one in zip(results, adjusted, strict=True)]
    controls = tuple(check_controls(study))
    ranked = sorted(results, key=lambda result: -result.scores.get(study.metric, -np.inf))
    return Analysis(
        study=study,
        outcomes=outcomes,
        results=tuple(ranked),
        notes=(*_limits(study, reference, results), *not_judged(study, controls)),
        controls=controls,
        components=find_components(study, outcomes, resampling),
        spread=find_spread(study, outcomes, [result.comparison for result in results]),
    )


def _score(study: Study, outcomes: Outcomes, v: int, resampling: Resampling) -> VariantResult:
    seeds, subjects = rectangle(outcomes.done[v])
    counts = outcomes.counts[v][np.ix_(seeds, subjects)]  # (S, N, C, C)
    names = tuple(study.subjects[n] for n in subjects)
    scored = counts.sum() > 0
    scores = {name: float(statistics.pooled(counts, metric).mean()) for name, metric in METRICS.items() if scored}
    intervals = {}
    if scored and len(subjects) >= 2:
        for name in dict.fromkeys(("uf1", study.metric)):
            resampled = resampling.scores(counts, names, name)
            intervals[name] = statistics.percentile_interval(resampled, len(subjects), study.alpha)
    found = statistics.recall(statistics.margins(counts.sum(axis=1)))  # (C, S)
    per_subject = statistics.accuracy(statistics.margins(counts)) if scored else np.zeros((1, len(names)))
    cells = [
        study.cells.get((study.variants[v].name, seed, subject)) for seed in study.seeds for subject in study.subjects
    ]
    done = [cell for cell, usable in zip(cells, outcomes.trained[v].ravel(), strict=True) if cell and usable]
    memory = [cell.peak_memory for cell in done if cell.peak_memory is not None]
    result = VariantResult(
        variant=study.variants[v],
        seeds=tuple(study.seeds[s] for s in seeds),
        subjects=names,
        scores=scores,
        intervals=intervals,
        by_seed=tuple(statistics.pooled(counts, METRICS[study.metric]).tolist()) if scored else (),
        recall=tuple(found.mean(axis=1).tolist()) if scored else (),
        confusion=counts.sum(axis=(0, 1)),
        accuracy_by_subject=dict(zip(names, per_subject.mean(axis=0).tolist(), strict=True)),
        cells=len(done),
        failed=int(outcomes.failed[v].sum()),
        missing=len(cells) - len(done) - int(outcomes.failed[v].sum()),
        seconds=float(np.mean([cell.seconds for cell in done])) if done else None,
        # Folds of one variant have the same network, unless the data decide its size: then the largest is said.
        parameters=max((cell.parameters for cell in done if cell.parameters is not None), default=None),
        peak_memory=max(memory, default=None),
    )
    return replace(result, notes=_score_notes(study, result))


def _score_notes(study: Study, result: VariantResult) -> tuple[str, ...]:
    if not result.scores:
        return (f"no score: none of its {len(study.seeds) * len(study.subjects)} cells is done",)
    notes = list(result.variant.remarks)
    if result.failed or result.missing:
        notes.append(
            f"scored on {len(result.seeds)} of {text.count(len(study.seeds), 'seed')} and "
            f"{len(result.subjects)} of {text.count(len(study.subjects), 'subject')}, which are complete"
        )
    if not result.intervals:
        notes.append("no interval: subjects are resampled, and there is only one")
    predicted = result.confusion.sum(axis=0)
    shown = result.confusion.sum(axis=1)
    for name, clips, times in zip(study.class_names, shown, predicted, strict=True):
        if clips == 0:
            notes.append(f"no clip shows {name}: it counts as 0 in the mean over classes")
        elif times == 0:
            notes.append(f"{name} is never predicted")
    return tuple(notes)


def _compared(result: VariantResult, comparison: Comparison | None) -> VariantResult:
    """With the comparison, and what is to be said of it."""
    notes = list(result.notes)
    if comparison is None:
        notes += ["no comparison: it has no cell in common with the reference"] if result.scores else []
    elif comparison.error is None:
        notes.append("no interval and no p value of the difference: both need at least two common subjects")
    elif comparison.seeds < len(result.seeds) or comparison.subjects < len(result.subjects):
        counted = f"{text.count(comparison.seeds, 'seed')} and {text.count(comparison.subjects, 'subject')}"
        notes.append(f"compared on {counted} in common")
    return replace(result, comparison=comparison, notes=tuple(notes))


def _limits(study: Study, reference: int | None, results: Sequence[VariantResult]) -> tuple[str, ...]:
    notes = list(study.remarks)
    if any(variant.random_folds for variant in study.variants):
        notes.append(identity_note(study.sample_labels))
    if reference is None:
        notes.append("No variant is marked as the reference, so nothing is compared.")
    elif not results[reference].scores and len(results) > 1:
        notes.append("The reference has no finished cells, so nothing is compared.")
    family = [result.comparison for result in results if result.comparison and result.comparison.p is not None]
    if family:
        most = max(comparison.subjects for comparison in family)
        smallest = statistics.smallest_p(most)
        if smallest * len(family) > study.alpha:
            adjusted = min(1.0, smallest * len(family))
            notes.append(
                f"With {most} subjects the smallest p value that the exchange can reach is {smallest:.2g}; Holm's "
                f"adjustment for {text.count(len(family), 'comparison')} makes it {adjusted:.2g}: "
                f"no difference can be significant at {study.alpha:g}, however large it is."
            )
    if len(study.seeds) == 1:
        notes.append("One seed: how much the scores vary from one training to the next is not known.")
    return tuple(notes)
