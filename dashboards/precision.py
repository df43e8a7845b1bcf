"""How small a difference a study can show, when two variants count as equal, and where the variance comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from dashboards.statistics import Floats

POWER = 0.8
"""Chance to find a difference of the size that is called detectable."""
LEAST_SUBJECTS = 16
"""To call a difference none: near the best score few subjects agree by chance, and their standard error is too small.
In simulations 6 subjects claimed so wrongly in one study of six, 12 in one of ten."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VarianceSplit:
    """Variance of single accuracies, by what makes it; estimates below 0 are 0."""

    subject: float
    """Some subjects are harder than others."""
    seed: float
    """A seed moves all subjects alike; expected to be 0, since every fold is seeded by itself."""
    residual: float
    """The rest: one training of one fold, and the few clips that it is scored on."""


def detectable(error: float, subjects: int, alpha: float, power: float = POWER) -> float:
    """The true difference that a two-sided test at this level finds with this power.

    Args:
        error: standard error of a paired difference.
        subjects: n; Student's t has n - 1 degrees of freedom.
        alpha: level of one test.
        power: chance to find it.
    """
    return (-float(stdtrit(subjects - 1, alpha / 2)) + float(stdtrit(subjects - 1, power))) * error


def reach(error: float, subjects: int, alpha: float) -> float:
    """The smallest margin within which a difference of zero could be shown to lie, at this standard error."""
    return -float(stdtrit(subjects - 1, alpha)) * error


def equivalent(difference: float, error: float, subjects: int, alpha: float, margin: float) -> bool:
    """Whether the difference lies within the margin, by two one-sided tests (Schuirmann 1987), each at this level.

    Never so by fewer than LEAST_SUBJECTS.
    """
    return subjects >= LEAST_SUBJECTS and abs(difference) + reach(error, subjects, alpha) < margin


def variance_split(accuracy: Floats) -> VarianceSplit | None:
    """Two-way analysis of variance without replicates: accuracy (S, N) by seed and subject; None below two of either.

    Expected mean squares: residual; residual + N seed; residual + S subject.
    """
    seeds, subjects = accuracy.shape
    if seeds < 2 or subjects < 2:
        return None
    mean = accuracy.mean()
    by_seed, by_subject = accuracy.mean(axis=1, keepdims=True), accuracy.mean(axis=0, keepdims=True)
    left = accuracy - by_seed - by_subject + mean
    residual = float(np.square(left).sum()) / ((seeds - 1) * (subjects - 1))
    return VarianceSplit(
        subject=max(0.0, float(by_subject.var(ddof=1)) - residual / seeds),
        seed=max(0.0, float(by_seed.var(ddof=1)) - residual / subjects),
        residual=residual,
    )


def gain_of_more_seeds(split: VarianceSplit, seeds: int) -> float:
    """Share by which the standard error of a mean over these subjects would fall with endlessly many seeds."""
    noise = (split.seed + split.residual) / seeds
    whole = split.subject + noise
    return 1 - math.sqrt(split.subject / whole) if whole > 0 else 0.0
