"""How often a race stops a configuration that is as good as the best one or better: simulated, without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GAINS = (0.0, 0.03, 0.05)
"""In UF1, over the best one."""
SUBJECT_SPREAD = 0.8
"""Standard deviation between subjects in the log odds of a right answer, common to all configurations."""
OWN_SPREAD = 0.4
"""The same of one configuration with one subject: what another network makes of a face."""
CONFIDENCE = (0.5, 0.95)
"""Probability of the predicted class, uniform between these."""
RUNS = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class StopRates:
    """What a race does to a candidate that is better than the best by so much UF1."""

    gain: float
    stopped: float
    """Share of candidates that are stopped; where the gain is not below 0, wrongly."""
    folds: float
    """Mean share of the folds that are trained."""


def stop_rates(
    clips: Sequence[Sequence[int]],
    level: float,
    rng: np.random.Generator,
    *,
    gains: Sequence[float] = GAINS,
    p_threshold: float = 0.1,
    least_folds: int = 8,
    runs: int = RUNS,
) -> list[StopRates]:
    """Race simulated candidates against a best one of a given level, on subjects of the study's sizes.

    Args:
        clips: (N, C) clips of each subject and class.
        level: UF1 of the best.
        rng: of the simulation.
        gains: of the candidates.
        p_threshold: of the race.
        least_folds: of the race.
        runs: races a gain.
    """
    sizes = np.asarray(clips)
    found = []
    for gain in gains:
        ease = rng.normal(0, SUBJECT_SPREAD, (runs, len(sizes)))
        best, _ = folds(np.full(runs, level), sizes, ease, rng)
        candidate, _ = folds(np.full(runs, min(0.99, level + gain)), sizes, ease, rng)
        order = rng.permuted(np.tile(np.arange(len(sizes)), (runs, 1)), axis=1)
        difference = np.take_along_axis(candidate - best, order, axis=1)
        last = stopped_after(difference, p_threshold, least_folds)
        share = np.where(last > 0, last, len(sizes)) / len(sizes)
        found.append(StopRates(gain=gain, stopped=float((last > 0).mean()), folds=float(share.mean())))
    return found


def folds(
    level: Floats, sizes: npt.NDArray[np.int64], ease: Floats, rng: np.random.Generator
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Leave-one-subject-out evaluations of networks of given UF1, with their noise.

    Args:
        level: (R,) expected UF1 of each.
        sizes: (N, C) clips of each subject and class.
        ease: (R, N) log odds that a subject adds to a right answer.
        rng: of what the networks get right.

    Returns:
        (R, N) scores of the folds, as orchestration.racing.fold_score has them, and (R, C, C) pooled confusion counts.
    """
    subjects, classes = sizes.shape
    totals = np.maximum(sizes.sum(axis=0), 1)
    recall = recall_of(level, sizes.sum(axis=0))
    own = rng.normal(0, OWN_SPREAD, (len(level), subjects))
    # The root undoes how averaging over subjects pulls shares towards one half (logistic and normal: 1 / 1.7 ** 2).
    odds = np.log(recall / (1 - recall)) * np.sqrt(1 + (SUBJECT_SPREAD**2 + OWN_SPREAD**2) / 2.9)
    right = 1 / (1 + np.exp(-(odds[:, None] + ease + own)))  # (R, N)
    scores = np.zeros((len(level), subjects))
    counts = np.zeros((len(level), classes, classes), np.int64)
    runs = np.arange(len(level))[:, None]
    for subject, label in zip(*np.nonzero(sizes), strict=True):
        shape = (len(level), sizes[subject, label])
        sure = rng.uniform(*CONFIDENCE, shape)
        hits = rng.random(shape) < right[:, subject, None]
        probability = np.where(hits, sure, (1 - sure) / (classes - 1))
        scores[:, subject] += np.log(probability).sum(axis=1) / totals[label]
        other = (label + rng.integers(1, classes, shape)) % classes
        np.add.at(counts, (runs, label, np.where(hits, label, other)), 1)
    return scores, counts


def recall_of(level: Floats, totals: npt.NDArray[np.int64]) -> Floats:
    """Recall, the same in all classes, of a network with this expected UF1 that errs evenly over the other classes."""
    grid = np.linspace(0.01, 0.99, 99)
    wrong = (totals.sum() - totals) / (len(totals) - 1)  # (C,) clips of other classes, an even share of each
    hits = grid[:, None] * totals
    uf1 = (2 * hits / (totals + hits + (1 - grid)[:, None] * wrong)).mean(axis=1)
    return np.interp(level, uf1, grid)


def stopped_after(difference: Floats, p_threshold: float, least_folds: int) -> npt.NDArray[np.int64]:
    """(R,) folds after which each race stops its candidate; 0: never.

    Args:
        difference: (R, N) candidate's scores less the best one's, in the order of the race.
        p_threshold: of Wilcoxon's signed-rank test, one-sided, by its exact distribution.
        least_folds: before anything is stopped.
    """
    last = np.zeros(len(difference), np.int64)
    total = difference.shape[1]
    for number, cumulative in _signed_rank_tails(total).items():
        if number < least_folds or number == total:  # stopping after the last fold saves nothing
            continue
        part = difference[:, :number]
        ranks = np.abs(part).argsort(axis=1).argsort(axis=1) + 1
        positive = (ranks * (part > 0)).sum(axis=1)
        worse = (cumulative[positive] < p_threshold) & (part.mean(axis=1) < 0)
        last[worse & (last == 0)] = number
    return last


def _signed_rank_tails(most: int) -> Mapping[int, Floats]:
    """By number of folds: (n (n + 1) / 2 + 1,) the chance that the positive ranks add up to no more than the index."""
    chances = np.ones(1)
    tails = {}
    for number in range(1, most + 1):
        wider = np.zeros(len(chances) + number)
        wider[: len(chances)] += chances / 2
        wider[number:] += chances / 2
        chances = wider
        tails[number] = np.cumsum(chances)
    return tails
