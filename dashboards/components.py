"""What each factor and component of a factorial study is worth, with intervals, on the cells that all variants have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dashboards import contrasts, statistics
from dashboards.contrasts import Contrast, Levels
from dashboards.outcomes import Ints, Outcomes, rectangle
from dashboards.resampling import Resampling
from dashboards.statistics import METRICS, Floats
from dashboards.study import Study

FACTORIAL = ("factorial", "fractional_factorial")


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A weighted sum of scores, in the study's metric."""

    name: str
    value: float
    low: float
    high: float
    comparisons: int
    """Settings of the other factors that it is a mean over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """Main effects, interactions and Shapley values; what the design does not allow is empty."""

    effects: tuple[Estimate, ...] = ()
    """Each level of each factor less the reference's, averaged over the others."""
    interactions: tuple[Estimate, ...] = ()
    """Largest first. What two changes do together beyond the sum of each alone."""
    shapley: tuple[Estimate, ...] = ()
    """Largest first; they add up to the whole network's score less `nothing`."""
    nothing: float | None = None
    """Score without any component: the variant's where there is one, else of always saying the most frequent class."""
    trained_nothing: bool = False
    """Whether that was a variant."""
    seeds: int = 0
    subjects: int = 0
    left_out: tuple[str, ...] = ()
    """Variants without two subjects complete; what needs them is not computed."""


def find_components(study: Study, outcomes: Outcomes, resampling: Resampling) -> Components:
    """Estimates on the seeds and subjects that all variants with two of them complete have in common.

    Designs without combinations have none.
    """
    reference = next((variant.levels for variant in study.variants if variant.is_reference), None)
    if study.design not in FACTORIAL or reference is None:
        return Components()
    kept = [v for v in range(len(study.variants)) if len(rectangle(outcomes.done[v])[1]) >= 2]
    left_out = tuple(variant.name for v, variant in enumerate(study.variants) if v not in kept)
    seeds, subjects = rectangle(np.asarray(outcomes.done[kept].all(axis=0)))
    if not kept or len(subjects) < 2:
        return Components(left_out=left_out)
    counts = [outcomes.counts[v][np.ix_(seeds, subjects)] for v in kept]
    counts.append(majority(study, [study.subjects[n] for n in subjects]))
    names = tuple(study.subjects[n] for n in subjects)
    scores = np.array([statistics.pooled(one, METRICS[study.metric]).mean() for one in counts])  # (V + 1,)
    resampled = np.stack([resampling.scores(one, names, study.metric) for one in counts])  # (V + 1, R)

    def estimates(found: Sequence[Contrast], *, ranked: bool = False) -> tuple[Estimate, ...]:
        made = [_estimate(one, scores, resampled, len(subjects), study.alpha) for one in found]
        return tuple(sorted(made, key=lambda one: -abs(one.value)) if ranked else made)

    levels = [study.variants[v].levels for v in kept]
    fraction = study.design == "fractional_factorial"
    effects: Callable[[Sequence[Levels], Levels], list[Contrast]] = (
        contrasts.balanced_effects if fraction else contrasts.main_effects
    )
    # The majority stands in for a variant that was not planned, never for one that was left out.
    shares = None if fraction or left_out else contrasts.shapley(levels, reference)
    trained_nothing = shares is not None and all(one.weights[-1] == 0 for one in shares)
    return Components(
        effects=estimates(effects(levels, reference)),
        interactions=() if fraction else estimates(contrasts.interactions(levels, reference), ranked=True),
        shapley=estimates(shares or [], ranked=True),
        nothing=_nothing(shares, scores, trained_nothing=trained_nothing),
        trained_nothing=trained_nothing,
        seeds=len(seeds),
        subjects=len(subjects),
        left_out=left_out,
    )


def majority(study: Study, subjects: Sequence[str]) -> Ints:
    """(1, N, C, C) counts of always saying the class that most clips of the other subjects show, the first of equals.

    Args:
        study: its clips and their subjects.
        subjects: whose clips are counted.
    """
    classes = len(study.class_names)
    clips = {subject: np.zeros(classes, dtype=np.int64) for subject in study.subjects}
    for label, subject in study.sample_labels.values():
        clips[subject][label] += 1
    total = sum(clips.values(), np.zeros(classes, dtype=np.int64))
    counts = np.zeros((1, len(subjects), classes, classes), dtype=np.int64)
    for n, subject in enumerate(subjects):
        counts[0, n, :, int(np.argmax(total - clips[subject]))] = clips[subject]
    return counts


def _estimate(contrast: Contrast, scores: Floats, resampled: Floats, subjects: int, alpha: float) -> Estimate:
    used = len(contrast.weights)
    value = float(contrast.weights @ scores[:used])
    low, high = statistics.t_interval(value, contrast.weights @ resampled[:used], subjects, alpha)
    return Estimate(name=contrast.name, value=value, low=low, high=high, comparisons=contrast.comparisons)


def _nothing(shares: list[Contrast] | None, scores: Floats, *, trained_nothing: bool) -> float | None:
    if not shares:
        return None
    if not trained_nothing:
        return float(scores[-1])
    # What is taken away from every component and never added is the variant without any.
    return float(scores[np.stack([one.weights for one in shares]).sum(axis=0).argmin()])
