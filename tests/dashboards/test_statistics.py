"""Scores, intervals and tests on numbers worked by hand, and their behaviour over simulated studies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from dashboards import statistics
from madv.metrics import score_confusion

# Two classes, one seed, three subjects.
RIGHT = [[2, 0], [0, 2]]
WRONG = [[0, 2], [2, 0]]


def counts_of(*subjects: list[list[int]]) -> statistics.Ints:
    """Counts (1, N, C, C) of one seed."""
    return np.array([subjects], dtype=np.int64)


def test_metrics_of_a_published_confusion_matrix() -> None:
    counts = counts_of([[219, 22, 9], [40, 62, 7], [21, 3, 59]])
    found = {name: float(statistics.pooled(counts, metric)[0]) for name, metric in statistics.METRICS.items()}
    assert found["uf1"] == pytest.approx(0.7353, abs=5e-5)
    assert found["uar"] == pytest.approx(0.7186, abs=5e-5)
    assert found["accuracy"] == pytest.approx(340 / 442)
    assert found["macro_f1"] == pytest.approx(2 * 0.7605 * 0.7186 / (0.7605 + 0.7186), abs=1e-4)


@given(st.lists(st.integers(0, 5), min_size=9, max_size=9).filter(any))
def test_metrics_agree_with_the_scores_of_training_and_with_sklearn(cells: list[int]) -> None:
    confusion = np.array(cells, dtype=np.int64).reshape(3, 3)
    expected = score_confusion(confusion)
    totals = statistics.margins(confusion)
    for name, metric in statistics.METRICS.items():
        assert float(metric(totals)) == pytest.approx(getattr(expected, name))
    assert statistics.recall(totals) == pytest.approx(expected.recall)
    pairs = [(t, p) for t in range(3) for p in range(3) for _ in range(confusion[t, p])]
    true, predicted = zip(*pairs, strict=True)
    sklearn_uf1 = sk.f1_score(true, predicted, labels=[0, 1, 2], average="macro", zero_division=0)
    assert float(statistics.uf1(totals)) == pytest.approx(sklearn_uf1)


def test_folds_are_pooled_before_scoring() -> None:
    # Averaged over subjects the UF1 would be (1 + 0 + 1) / 3.
    counts = counts_of(RIGHT, WRONG, [[1, 0], [0, 0]])
    assert statistics.pooled(counts, statistics.uf1)[0] == pytest.approx((6 / 10 + 4 / 8) / 2)


def test_bootstrap_weighs_whole_subjects_and_averages_seeds() -> None:
    counts = np.array([[RIGHT, WRONG], [RIGHT, RIGHT]], dtype=np.int64)  # (2 seeds, 2 subjects, 2, 2)
    weights = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    assert statistics.bootstrap(counts, weights, statistics.uf1) == pytest.approx([1.0, 0.75, 0.5])


def test_resamples_draw_as_many_subjects_as_there_are() -> None:
    weights = statistics.subject_weights(np.random.default_rng(0), 7, resamples=50)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_chunks_do_not_change_the_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, (2, 6, 3, 3))
    weights = statistics.subject_weights(rng, 6, resamples=101)
    whole = statistics.bootstrap(counts, weights, statistics.uf1)
    monkeypatch.setattr(statistics, "_CHUNK", 40)
    assert (statistics.bootstrap(counts, weights, statistics.uf1) == whole).all()


def test_percentile_interval_is_wider_than_the_plain_one() -> None:
    values = np.linspace(0, 1, 100_001)
    low, high = statistics.percentile_interval(values, 12, 0.05)
    level = stats.norm.cdf(-np.sqrt(12 / 11) * stats.t.ppf(0.975, 11))
    assert (low, high) == pytest.approx((level, 1 - level))
    assert low < 0.025 < 0.975 < high
    assert statistics.percentile_interval(values, 10_000, 0.05) == pytest.approx((0.025, 0.975), abs=1e-4)


def test_t_interval_of_known_spread() -> None:
    resampled = np.array([-1.0, 0.0, 1.0])  # standard deviation 1
    low, high = statistics.t_interval(0.5, resampled, 4, 0.05)
    half = 3.182446 * np.sqrt(4 / 3)  # Student's t, three degrees of freedom
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half))


def test_exchange_p_by_hand() -> None:
    # Three subjects, the first variant always right, the second always wrong. Of the 8 patterns two, exchanging
    # nobody and everybody, reach the observed difference.
    first, second = counts_of(RIGHT, RIGHT, RIGHT), counts_of(WRONG, WRONG, WRONG)
    patterns = statistics.exchanges(np.random.default_rng(0), 3)
    assert patterns.shape == (7, 3)
    assert statistics.exchange_p(first, second, patterns, statistics.uf1) == pytest.approx(2 / 8)
    assert statistics.smallest_p(3) == pytest.approx(2 / 8)


def test_exchange_p_of_equal_predictions_is_one() -> None:
    counts = counts_of(RIGHT, WRONG, RIGHT)
    patterns = statistics.exchanges(np.random.default_rng(0), 3)
    assert statistics.exchange_p(counts, counts, patterns, statistics.uf1) == 1


def test_many_subjects_are_exchanged_at_random() -> None:
    patterns = statistics.exchanges(np.random.default_rng(0), 30, draws=200)
    assert patterns.shape == (200, 30)
    assert set(np.unique(patterns)) == {0.0, 1.0}
    assert statistics.smallest_p(30, draws=200) == pytest.approx(1 / 201)


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert statistics.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert statistics.holm([]) == []


def test_verdicts() -> None:
    assert statistics.verdict(0.1, 0.05, 0.05) == "helps"
    assert statistics.verdict(-0.1, 0.01, 0.05) == "hurts"
    assert statistics.verdict(-0.1, 0.051, 0.05) == "inconclusive"


def simulated(rng: np.random.Generator, subjects: int, skill: float) -> statistics.Ints:
    """A variant whose subjects differ in difficulty: (2 seeds, N, 3, 3)."""
    ability = np.clip(skill + rng.normal(0, 0.15, subjects), 0, 1)
    true = np.tile(np.arange(3), (2, subjects, 3))
    right = rng.random(true.shape) < ability[None, :, None]
    predicted = np.where(right, true, (true + rng.integers(1, 3, true.shape)) % 3)
    counts = np.zeros((2, subjects, 3, 3), dtype=np.int64)
    seed, subject = np.ogrid[:2, :subjects]
    np.add.at(counts, (seed[..., None], subject[..., None], true, predicted), 1)
    return counts


def test_equal_variants_are_rejected_about_as_often_as_alpha_says() -> None:
    rng = np.random.default_rng(11)
    patterns = statistics.exchanges(rng, 16, draws=500)
    p_values = [
        statistics.exchange_p(simulated(rng, 16, 0.6), simulated(rng, 16, 0.6), patterns, statistics.uf1)
        for _ in range(200)
    ]
    assert 0.01 <= np.mean(np.array(p_values) <= 0.05) <= 0.10


def test_intervals_cover_the_score_of_the_population() -> None:
    rng = np.random.default_rng(12)
    truth = float(statistics.pooled(simulated(rng, 20_000, 0.6), statistics.uf1).mean())
    covered = 0
    for _ in range(200):
        counts = simulated(rng, 16, 0.6)
        resampled = statistics.bootstrap(counts, statistics.subject_weights(rng, 16, 1000), statistics.uf1)
        low, high = statistics.percentile_interval(resampled, 16, 0.05)
        covered += low <= truth <= high
    assert 0.89 <= covered / 200 <= 0.99
