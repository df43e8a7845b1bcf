"""Scores, intervals and tests on per-subject confusion counts; the unit of inference is the subject.

Everything here is a pure function of integer counts (S, N, C, C): seeds, subjects, true class, predicted class. The
score of a variant is the mean over seeds of the score pooled over subjects. Resampling takes whole subjects, with all
of their seeds, because clips and seeds of one subject are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Metric = Callable[[Floats], Floats]
Verdict = Literal["helps", "hurts", "equivalent", "inconclusive"]

RESAMPLES = 10_000
_CHUNK = 2_000_000  # numbers held at once by a resampling, so that memory does not grow with the study
_TIE = 1e-9  # two exchanges with the same counts may differ by rounding


def margins(counts: Ints) -> Floats:
    """What every metric needs: counts (..., C, C) -> (3, C, ...), correct, true and predicted clips of each class.

    The class axis comes first because numpy adds over a leading axis fast, and over a short last one slowly.
    """
    correct = np.diagonal(counts, axis1=-2, axis2=-1)  # (..., C)
    stacked = np.stack([correct, counts.sum(axis=-1), counts.sum(axis=-2)])  # (3, ..., C)
    return np.moveaxis(stacked, -1, 1).astype(np.float64)


def _share(part: Floats, whole: Floats) -> Floats:
    """part / whole, and 0 where there is nothing to share: a class nobody shows or predicts counts as missed."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def recall(totals: Floats) -> Floats:
    """Share of each class found: (3, C, ...) -> (C, ...)."""
    return _share(totals[0], totals[1])


def uf1(totals: Floats) -> Floats:
    """Unweighted F1: the mean over classes of 2 TP / (2 TP + FP + FN); (3, C, ...) -> (...)."""
    f1: Floats = _share(2 * totals[0], totals[1] + totals[2])
    return np.asarray(f1.mean(axis=0))


def uar(totals: Floats) -> Floats:
    """Unweighted average recall; (3, C, ...) -> (...)."""
    return np.asarray(recall(totals).mean(axis=0))


def accuracy(totals: Floats) -> Floats:
    """Share of clips that are right; (3, C, ...) -> (...)."""
    return _share(totals[0].sum(axis=0), totals[1].sum(axis=0))


def macro_f1(totals: Floats) -> Floats:
    """Harmonic mean of macro-precision and macro-recall (Eq. 30 of the paper); (3, C, ...) -> (...)."""
    precision = _share(totals[0], totals[2]).mean(axis=0)
    found = recall(totals).mean(axis=0)
    return _share(2 * precision * found, precision + found)


METRICS: dict[str, Metric] = {"uf1": uf1, "uar": uar, "accuracy": accuracy, "macro_f1": macro_f1}


def pooled(counts: Ints, metric: Metric) -> Floats:
    """The metric of each seed, over all subjects together: counts (S, N, C, C) -> (S,)."""
    return metric(margins(counts.sum(axis=1)))


def subject_weights(rng: np.random.Generator, subjects: int, resamples: int = RESAMPLES) -> Floats:
    """How often each resample draws each subject: (resamples, N), rows add up to N."""
    return rng.multinomial(subjects, np.full(subjects, 1 / subjects), size=resamples).astype(np.float64)


def bootstrap(counts: Ints, weights: Floats, metric: Metric) -> Floats:
    """Mean over seeds of the pooled metric in each resample of subjects.

    Args:
        counts: (S, N, C, C) of one variant.
        weights: (R, N) of subject_weights; the same for two variants makes their resamples paired.
        metric: one of METRICS.

    Returns:
        (R,)
    """
    per_subject = margins(counts)  # (3, C, S, N)
    return _by_chunk(weights, per_subject.size, lambda part: metric(per_subject @ part.T).mean(axis=0))


def percentile_interval(resampled: Floats, subjects: int, alpha: float) -> tuple[float, float]:
    """Expanded percentile interval of a score (Hesterberg 2015, What Teachers Should Know About the Bootstrap).

    The plain percentile interval is too narrow for few subjects: it neither knows Student's t nor that a bootstrap
    variance is (n - 1) / n of the unbiased one. The expansion moves the percentile levels outwards by both.
    """
    reach = math.sqrt(subjects / (subjects - 1)) * -float(stdtrit(subjects - 1, alpha / 2))
    level = float(ndtr(-reach))
    low, high = np.quantile(resampled, [level, 1 - level])
    return float(low), float(high)


def standard_error(resampled: Floats, subjects: int) -> float:
    """Of a paired difference, scaled by sqrt(n / (n - 1)), since a bootstrap variance divides by n."""
    return math.sqrt(subjects / (subjects - 1)) * float(resampled.std(ddof=1))


def t_interval(difference: float, resampled: Floats, subjects: int, alpha: float) -> tuple[float, float]:
    """Interval of a paired difference: bootstrap standard error times Student's t with n - 1 degrees of freedom."""
    half = -float(stdtrit(subjects - 1, alpha / 2)) * standard_error(resampled, subjects)
    return difference - half, difference + half


def exchanges(rng: np.random.Generator, subjects: int, draws: int = RESAMPLES) -> Floats:
    """Which subjects have their two variants exchanged: (M, N) of 0 and 1.

    All 2^N - 1 patterns that exchange something if there are no more than `draws`, so that the p value is exact;
    else that many drawn at random.
    """
    if 2**subjects - 1 <= draws:
        patterns = np.arange(1, 2**subjects)[:, None] >> np.arange(subjects) & 1
        return patterns.astype(np.float64)
    return rng.integers(0, 2, size=(draws, subjects)).astype(np.float64)


def exchange_p(first: Ints, second: Ints, patterns: Floats, metric: Metric) -> float:
    """Two-sided p value of no difference, (1 + b) / (1 + M): b of M exchanges differ at least as much as observed.

    If two variants do equally well, it does not matter which one's predictions a subject's clips carry. All seeds of
    a subject are exchanged together.

    Args:
        first: (S, N, C, C)
        second: (S, N, C, C), the same seeds and subjects.
        patterns: (M, N) of exchanges.
        metric: one of METRICS.
    """
    ours, theirs = margins(first), margins(second)  # (3, C, S, N)
    move = theirs - ours
    ours_all, theirs_all = ours.sum(axis=-1, keepdims=True), theirs.sum(axis=-1, keepdims=True)  # (3, C, S, 1)

    def difference(part: Floats) -> Floats:
        moved = move @ part.T  # (3, C, S, chunk)
        return np.asarray((metric(ours_all + moved) - metric(theirs_all - moved)).mean(axis=0))

    observed = abs(float((pooled(first, metric) - pooled(second, metric)).mean()))
    exchanged = np.abs(_by_chunk(patterns, move.size, difference))
    reached = int((exchanged >= observed - _TIE).sum())
    return (1 + reached) / (1 + len(patterns))


def smallest_p(subjects: int, draws: int = RESAMPLES) -> float:
    """The smallest p value that exchange_p can give: exchanging nobody and exchanging everybody always tie."""
    exact = 2**subjects - 1 <= draws
    return 2.0 ** (1 - subjects) if exact else 1 / (1 + draws)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment over the values that there are; None stays None."""
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        adjusted[place] = largest
    return adjusted


def verdict(difference: float, p_adjusted: float, alpha: float, *, equivalent: bool = False) -> Verdict:
    """What the comparison says of the variant, relative to the reference.

    Args:
        difference: to the reference.
        p_adjusted: of no difference.
        alpha: level of significance.
        equivalent: whether the difference is shown to lie within the margin.
    """
    if p_adjusted > alpha:
        return "equivalent" if equivalent else "inconclusive"
    return "helps" if difference > 0 else "hurts"


def _by_chunk(rows: Floats, width: int, function: Callable[[Floats], Floats]) -> Floats:
    """The function of all rows, some at a time: each row makes about width / N numbers (3, C, S)."""
    step = max(1, _CHUNK * rows.shape[1] // width)
    return np.concatenate([function(rows[start : start + step]) for start in range(0, len(rows), step)])
