"""Resamples of subjects and exchanges of variants, drawn once for a whole report."""

from __future__ import annotations

import hashlib

import numpy as np

from dashboards import statistics
from dashboards.outcomes import Ints
from dashboards.statistics import METRICS, Floats


class Resampling:
    """Resamples and exchanges, drawn once for each set of subjects.

    The seed comes from the subjects' names: the same cells give the same numbers, whatever else is in the report.
    """

    def __init__(self) -> None:
        self._drawn: dict[tuple[str, ...], tuple[Floats, Floats]] = {}
        self._scores: dict[tuple[bytes, tuple[str, ...], str], Floats] = {}

    def scores(self, counts: Ints, subjects: tuple[str, ...], metric: str) -> Floats:
        """(R,) resampled scores of counts (S, N, C, C); the reference's are asked for again with every variant."""
        key = (counts.tobytes(), subjects, metric)
        if key not in self._scores:
            weights, _ = self.of(subjects)
            self._scores[key] = statistics.bootstrap(counts, weights, METRICS[metric])
        return self._scores[key]

    def of(self, subjects: tuple[str, ...]) -> tuple[Floats, Floats]:
        """(weights, exchanges) of these subjects."""
        if subjects not in self._drawn:
            seed = int.from_bytes(hashlib.sha256("\0".join(subjects).encode()).digest()[:8])
            rng = np.random.default_rng(seed)
            weights = statistics.subject_weights(rng, len(subjects))
            self._drawn[subjects] = weights, statistics.exchanges(rng, len(subjects))
        return self._drawn[subjects]
