"""Detectable differences, equivalence, variance and ranks against tables, simulation and numbers worked by hand."""

import numpy as np
import pytest
from scipy import stats

from dashboards.precision import detectable, equivalent, gain_of_more_seeds, reach, variance_split
from dashboards.ranking import rank


def test_the_detectable_difference_is_found_with_the_power_that_it_names() -> None:
    """16 subjects of standard deviation 1: the standard error is 1/4."""
    size = detectable(0.25, 16, 0.05, power=0.8)
    assert size == pytest.approx((2.1314 + 0.8662) * 0.25, abs=1e-3)  # of a table of t with 15 degrees of freedom
    samples = np.random.default_rng(0).normal(size, 1, (4000, 16))
    assert (stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_equivalence_by_hand() -> None:
    assert reach(0.01, 16, 0.05) == pytest.approx(0.01753, abs=1e-5)  # t of 15 degrees of freedom at .95 is 1.753
    assert equivalent(0.002, 0.01, 16, 0.05, margin=0.02)
    assert equivalent(-0.002, 0.01, 16, 0.05, margin=0.02)
    assert not equivalent(0.003, 0.01, 16, 0.05, margin=0.02)
    assert not equivalent(0.0, 0.01, 16, 0.05, margin=0.017)
    assert not equivalent(0.0, 0.0, 15, 0.05, margin=0.02)


def test_variance_by_hand() -> None:
    # Subjects differ by 2, seeds by 1, and nothing is left.
    split = variance_split(np.array([[1.0, 3.0], [2.0, 4.0]]))
    assert split is not None
    assert (split.subject, split.seed, split.residual) == pytest.approx((2.0, 0.5, 0.0))
    assert gain_of_more_seeds(split, 2) == pytest.approx(1 - (2 / 2.25) ** 0.5)
    assert variance_split(np.ones((1, 5))) is None


def test_variance_of_a_simulation() -> None:
    rng = np.random.default_rng(1)
    values = [
        rng.normal(0, 0.3, (1, 400)) + rng.normal(0, 0.1, (40, 1)) + rng.normal(0, 0.2, (40, 400)) for _ in range(20)
    ]
    found = [variance_split(one) for one in values]
    assert np.mean([one.subject for one in found if one]) == pytest.approx(0.09, rel=0.05)
    assert np.mean([one.seed for one in found if one]) == pytest.approx(0.01, rel=0.15)
    assert np.mean([one.residual for one in found if one]) == pytest.approx(0.04, rel=0.02)


def test_ranks_share_ties_and_the_critical_difference_is_that_of_the_table() -> None:
    accuracy = np.array([[0.9, 0.8, 0.7], [0.5, 0.8, 0.6], [0.4, 0.3, 0.2]])
    found = rank(accuracy, 0.05)
    assert found.mean_ranks == pytest.approx([(1 + 1.5 + 1) / 3, (2 + 1.5 + 2) / 3, 3])
    # Demšar's example: q of 4 classifiers at .05 is 2.569, of 14 data sets CD = 1.25
    assert rank(np.random.default_rng(0).random((4, 14)), 0.05).critical == pytest.approx(1.25, abs=0.005)
    assert rank(np.ones((4, 5)), 0.05).p == 1
