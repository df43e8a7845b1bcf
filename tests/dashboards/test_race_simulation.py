"""False stops by simulation: the arithmetic, and the order of what comes out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wilcoxon

from dashboards.race_simulation import _signed_rank_tails, folds, recall_of, stop_rates, stopped_after
from madv.metrics import score_confusion


def test_tails_are_wilcoxon_s() -> None:
    # Three folds have 8 patterns of signs; ranks add up to 0, 1, 2, 3 (twice), 4, 5, 6.
    assert _signed_rank_tails(3)[3] == pytest.approx(np.array([1, 2, 3, 5, 6, 7, 8]) / 8)
    differences = np.array([-1.0, -2.0, 0.5, -3.0, -4.0, 0.1, -5.0, -6.0])
    ranks = 2 + 1  # of .5 and .1
    exact = wilcoxon(differences, alternative="less").pvalue
    assert _signed_rank_tails(8)[8][ranks] == pytest.approx(exact)


def test_stops_where_the_test_says_so() -> None:
    worse = -np.arange(1.0, 21.0)
    late = np.concatenate([np.arange(1.0, 9.0), -np.arange(9.0, 21.0)])
    found = stopped_after(np.stack([worse, -worse, late]), 0.1, 8)
    assert found[:2].tolist() == [8, 0]
    expected = next(
        n for n in range(8, 20) if late[:n].mean() < 0 and wilcoxon(late[:n], alternative="less").pvalue < 0.1
    )
    assert found[2] == expected


def test_simulated_networks_have_the_uf1_that_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.multinomial(np.full(60, 40), (0.6, 0.25, 0.15))
    for level in (0.5, 0.8):
        _, counts = folds(np.full(40, level), sizes, rng.normal(0, 0.8, (40, 60)), rng)
        assert counts.sum(axis=(1, 2)).tolist() == [2400] * 40
        assert np.mean([score_confusion(one).uf1 for one in counts]) == pytest.approx(level, abs=0.02)


def test_recall_is_uf1_where_classes_are_even() -> None:
    # Even classes, even errors: precision and recall are the same, and so is F1.
    assert recall_of(np.array([0.3, 0.7]), np.array([10, 10, 10])) == pytest.approx([0.3, 0.7], abs=1e-3)


def test_the_better_a_candidate_the_rarer_it_is_stopped() -> None:
    sizes = np.random.default_rng(1).multinomial(np.full(30, 8), (0.5, 0.3, 0.2))
    rates = stop_rates(sizes.tolist(), 0.7, np.random.default_rng(0), gains=(-0.2, 0, 0.05, 0.15), runs=300)
    stopped = [rate.stopped for rate in rates]
    assert stopped == sorted(stopped, reverse=True)
    assert stopped[0] > 0.9
    assert stopped[3] < 0.1
    assert rates[0].folds < 0.6 < rates[3].folds
