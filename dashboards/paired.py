"""A variant against the reference, on the seeds and subjects that both have; the family of comparisons adjusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dashboards import statistics
from dashboards.outcomes import Outcomes, rectangle
from dashboards.precision import equivalent
from dashboards.resampling import Resampling
from dashboards.statistics import METRICS, Verdict
from dashboards.study import Study


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One variant's difference to the reference."""

    difference: float
    low: float | None = None
    high: float | None = None
    error: float | None = None
    """Standard error of the difference."""
    p: float | None = None
    """By exchange, not adjusted."""
    p_holm: float | None = None
    verdict: Verdict | None = None
    seeds: int
    subjects: int


def compare(study: Study, outcomes: Outcomes, v: int, reference: int, resampling: Resampling) -> Comparison | None:
    """Variant v against the reference, by their places in the study; None without a cell in common."""
    common = outcomes.done[v] & outcomes.done[reference]
    seeds, subjects = rectangle(common)
    if not common.any() or not outcomes.counts[v][np.ix_(seeds, subjects)].any():
        return None
    metric = METRICS[study.metric]
    ours, theirs = (outcomes.counts[row][np.ix_(seeds, subjects)] for row in (v, reference))
    difference = float((statistics.pooled(ours, metric) - statistics.pooled(theirs, metric)).mean())
    comparison = Comparison(difference=difference, seeds=len(seeds), subjects=len(subjects))
    if len(subjects) < 2:
        return comparison
    names = tuple(study.subjects[n] for n in subjects)
    _, patterns = resampling.of(names)
    resampled = resampling.scores(ours, names, study.metric) - resampling.scores(theirs, names, study.metric)
    low, high = statistics.t_interval(difference, resampled, len(subjects), study.alpha)
    error = statistics.standard_error(resampled, len(subjects))
    p = statistics.exchange_p(ours, theirs, patterns, metric)
    return replace(comparison, low=low, high=high, error=error, p=p)


def adjust(comparisons: Sequence[Comparison | None], study: Study) -> list[Comparison | None]:
    """Holm over all comparisons of the study, and the verdicts that follow."""
    adjusted = statistics.holm([one.p if one else None for one in comparisons])
    return [
        one if one is None or p is None else replace(one, p_holm=p, verdict=_verdict(one, p, study))
        for one, p in zip(comparisons, adjusted, strict=True)
    ]


def _verdict(one: Comparison, p_holm: float, study: Study) -> Verdict:
    same = one.error is not None and equivalent(one.difference, one.error, one.subjects, study.alpha, study.margin)
    return statistics.verdict(one.difference, p_holm, study.alpha, equivalent=same)
