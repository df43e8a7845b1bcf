"""Does the arithmetic keep its promises? Simulated studies whose truth is known, and disjoint halves of real seeds.

A simulated clip is recognised with a probability that depends on the variant, its subject, how its subject takes to
that variant, itself, and the training: subjects differ, and clips of one subject are alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import chi2

from dashboards import statistics
from dashboards.outcomes import Ints
from dashboards.statistics import Floats, Metric

SUSPICIOUS = 0.005
"""A variance between seeds that is so improbable is flagged."""
MOST_SPLITS = 35
"""Ways to halve seven or eight seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Population:
    """Whom simulated studies draw their subjects from; spreads are standard deviations in logits."""

    sizes: tuple[int, ...]
    """Clips of a subject, drawn from these."""
    classes: tuple[float, ...] = (0.57, 0.25, 0.18)
    """Shares, about those of MEGC2019's composite."""
    subject: float = 0.7
    """How subjects differ."""
    taste: float = 0.4
    """How a subject's difference between two variants differs from other subjects'."""
    clip: float = 1.2
    """How clips differ."""
    training: float = 0.6
    """How two trainings differ on one clip."""


def simulate(
    population: Population, skills: Sequence[float], subjects: int, seeds: int, rng: np.random.Generator
) -> Ints:
    """Counts (V, S, N, C, C) of one study, its subjects drawn anew; a miss goes to any other class.

    Args:
        population: whom subjects are drawn from.
        skills: of each variant, in logits; equal ones are equally good.
        subjects: N.
        seeds: S.
        rng: draws everything.
    """
    variants, classes = len(skills), len(population.classes)
    owner = np.repeat(np.arange(subjects), rng.choice(population.sizes, subjects))  # (clips,)
    true = rng.choice(classes, len(owner), p=population.classes)
    ease = rng.normal(0, population.subject, subjects)[owner] + rng.normal(0, population.clip, len(owner))
    taste = rng.normal(0, population.taste, (variants, 1, subjects))[:, :, owner]
    noise = rng.normal(0, population.training, (variants, seeds, len(owner)))
    found = rng.random((variants, seeds, len(owner))) < expit(np.reshape(skills, (-1, 1, 1)) + ease + taste + noise)
    said = np.where(found, true, (true + rng.integers(1, classes, found.shape)) % classes)
    counts = np.zeros((variants, seeds, subjects, classes, classes), dtype=np.int64)
    v, s = np.ix_(range(variants), range(seeds))
    np.add.at(counts, (v[..., None], s[..., None], owner, true, said), 1)
    return counts


def truth(population: Population, skill: float, metric: Metric, rng: np.random.Generator) -> float:
    """The score of endlessly many subjects, by 20,000 of them."""
    counts = simulate(population, [skill], 20_000, 1, rng)[0]
    return float(statistics.pooled(counts, metric).mean())


def skill_for(population: Population, target: float, metric: Metric, seed: int = 0) -> float:
    """The skill whose true score is the target, to about .001, by bisection on common random numbers."""
    low, high = -6.0, 10.0
    for _ in range(14):
        middle = (low + high) / 2
        reached = truth(population, middle, metric, np.random.default_rng(seed))
        low, high = (middle, high) if reached < target else (low, middle)
    return (low + high) / 2


def covers(counts: Ints, value: float, metric: Metric, alpha: float, weights: Floats) -> bool:
    """Whether the score's interval, made as in a report, holds the true score: counts (S, N, C, C), weights (R, N)."""
    low, high = statistics.percentile_interval(statistics.bootstrap(counts, weights, metric), counts.shape[1], alpha)
    return low <= value <= high


def rejects(first: Ints, second: Ints, metric: Metric, alpha: float, patterns: Floats) -> bool:
    """Whether the exchange test calls two variants different."""
    return statistics.exchange_p(first, second, patterns, metric) <= alpha


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfTest:
    """One variant against itself."""

    p_values: tuple[float, ...]
    """Of each way to halve the seeds; not independent of each other."""
    largest: float
    """Difference between two halves, in the metric."""
    ratio: float | None
    """Variance of the pooled accuracy between seeds over what independent folds predict."""
    ratio_p: float | None
    """One-sided, that it is no larger; below SUSPICIOUS the seeds share noise that they should not."""


def self_test(counts: Ints, metric: Metric, rng: np.random.Generator) -> SelfTest:
    """Halve the seeds of one variant in every way, at most MOST_SPLITS: counts (S, N, C, C), two seeds at least."""
    seeds, subjects = counts.shape[:2]
    patterns = statistics.exchanges(rng, subjects)
    p_values, largest = [], 0.0
    for first, second in itertools.islice(halves(seeds), MOST_SPLITS):
        ours, theirs = counts[list(first)], counts[list(second)]
        p_values.append(statistics.exchange_p(ours, theirs, patterns, metric))
        difference = statistics.pooled(ours, metric).mean() - statistics.pooled(theirs, metric).mean()
        largest = max(largest, abs(float(difference)))
    ratio, ratio_p = seed_variance(counts)
    return SelfTest(p_values=tuple(p_values), largest=largest, ratio=ratio, ratio_p=ratio_p)


def seed_variance(counts: Ints) -> tuple[float | None, float | None]:
    """Variance between seeds of the clips found, over the sum of the subjects' own: 1 where folds are independent.

    Under independence (S - 1) times the ratio is about chi-squared with S - 1 degrees of freedom.
    """
    found = np.trace(counts, axis1=-2, axis2=-1)  # (S, N)
    expected = float(found.var(axis=0, ddof=1).sum())
    if expected == 0:
        return None, None
    ratio = float(found.sum(axis=1).var(ddof=1)) / expected
    freedom = len(counts) - 1
    return ratio, float(chi2.sf(freedom * ratio, freedom))


def halves(seeds: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Two disjoint sets of equal size, each pair once; of an odd number one seed is left out in turn."""
    size = seeds // 2
    for first in itertools.combinations(range(seeds), size):
        rest = [seed for seed in range(seeds) if seed not in first]
        for second in itertools.combinations(rest, size):
            if first < second:
                yield first, second
