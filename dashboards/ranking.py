"""Many variants at once: mean ranks over subjects, and how far apart two must be (Demšar 2006)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from dashboards.statistics import Floats

LEAST = 6
"""Variants from which a ranking says more than the pairs to the reference."""
ENDLESS = 1e6
"""Degrees of freedom of Nemenyi's test: its table is for infinitely many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """Of variants by their accuracy on each subject."""

    mean_ranks: Floats
    """(V,); 1 is best, equal accuracies share the mean of their ranks."""
    critical: float
    """Mean ranks that differ by less are not told apart (Nemenyi)."""
    p: float
    """Of Friedman's test that all variants are alike."""


def rank(accuracy: Floats, alpha: float) -> Ranking:
    """Rank variants within each subject: accuracy (V, N), V and N at least 3 and 2."""
    variants, subjects = accuracy.shape
    ranks = rankdata(-accuracy, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = float(friedmanchisquare(*accuracy).pvalue)
    quantile = float(studentized_range.ppf(1 - alpha, variants, ENDLESS)) / math.sqrt(2)
    return Ranking(
        mean_ranks=ranks.mean(axis=1),
        critical=quantile * math.sqrt(variants * (variants + 1) / (6 * subjects)),
        # Variants that are equal on every subject leave nothing to test.
        p=1.0 if math.isnan(p) else p,
    )
