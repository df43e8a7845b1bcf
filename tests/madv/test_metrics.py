"""Pooled scores: numbers worked by hand, agreement with scikit-learn, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from madv.metrics import score

CONFUSION = np.array([[219, 22, 9], [40, 62, 7], [21, 3, 59]])


def _expand(confusion):
    true, predicted = np.indices(confusion.shape)
    counts = confusion.ravel()
    return np.repeat(true.ravel(), counts), np.repeat(predicted.ravel(), counts)


def test_a_published_confusion_matrix():
    result = score(*_expand(CONFUSION), 3)
    assert result.confusion.tolist() == CONFUSION.tolist()
    assert result.uf1 == pytest.approx(0.7353, abs=5e-5)
    assert result.uar == pytest.approx(0.7186, abs=5e-5)
    assert result.macro_precision == pytest.approx(0.7605, abs=5e-5)
    assert result.macro_recall == result.uar
    # Harmonic mean of .7605 and .7186 (Eq. 30), not the mean of the classes' F1.
    assert result.macro_f1 == pytest.approx(2 * 0.76052 * 0.71857 / (0.76052 + 0.71857), abs=5e-5)
    assert result.accuracy == pytest.approx((219 + 62 + 59) / 442)
    assert result.recall == pytest.approx([219 / 250, 62 / 109, 59 / 83])


def test_four_predictions_by_hand():
    result = score([0, 0, 1, 1], [0, 1, 1, 1], 2)
    assert result.uf1 == pytest.approx(11 / 15)  # F1 of 2/3 and 4/5
    assert result.uar == pytest.approx(3 / 4)
    assert result.macro_precision == pytest.approx(5 / 6)
    assert result.macro_f1 == pytest.approx(15 / 19)


def test_a_class_that_never_occurs_still_counts():
    two, three = score([0, 0, 1, 1], [0, 1, 1, 1], 2), score([0, 0, 1, 1], [0, 1, 1, 1], 3)
    for name in ("uf1", "uar", "macro_precision", "macro_recall"):
        assert getattr(three, name) == pytest.approx(getattr(two, name) * 2 / 3)
    assert three.accuracy == two.accuracy


def test_nothing_right_is_zero_everywhere():
    result = score([0, 1], [1, 0], 2)
    assert (result.uf1, result.uar, result.accuracy, result.macro_f1) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "num_classes", "message"),
    [
        ([], [], 2, "at least one label"),
        ([[0]], [[0]], 2, "at least one label"),
        ([0, 1], [0], 2, "2 labels and y_pred has 1"),
        ([0, 2], [0, 1], 2, "y_true holds 2"),
        ([0, 1], [0, -1], 2, "y_pred holds -1"),
        ([0.0, 1.0], [0, 1], 2, "whole numbers"),
        ([0], [0], 0, "num_classes"),
    ],
)
def test_labels_that_are_none_are_refused(y_true, y_pred, num_classes, message):
    with pytest.raises(ValueError, match=message):
        score(y_true, y_pred, num_classes)


PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(PAIRS)
@settings(max_examples=40, deadline=None)
def test_agrees_with_scikit_learn(pairs):
    y_true, y_pred = zip(*pairs, strict=True)
    result = score(y_true, y_pred, 4)
    options = {"labels": range(4), "average": "macro", "zero_division": 0}
    assert result.uf1 == pytest.approx(reference.f1_score(y_true, y_pred, **options))
    assert result.uar == pytest.approx(reference.recall_score(y_true, y_pred, **options))
    assert result.macro_precision == pytest.approx(reference.precision_score(y_true, y_pred, **options))
    assert result.accuracy == pytest.approx(reference.accuracy_score(y_true, y_pred))
    assert (result.confusion == reference.confusion_matrix(y_true, y_pred, labels=range(4))).all()


@given(PAIRS, st.permutations(range(4)), st.randoms())
def test_neither_the_order_of_clips_nor_the_names_of_classes_matter(pairs, renaming, random):
    y_true, y_pred = zip(*pairs, strict=True)
    shuffled = [(renaming[a], renaming[b]) for a, b in random.sample(pairs, len(pairs))]
    one, other = score(y_true, y_pred, 4), score(*zip(*shuffled, strict=True), 4)
    for name in ("uf1", "uar", "accuracy", "macro_precision", "macro_f1"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


@given(PAIRS)
def test_scores_are_shares(pairs):
    result = score(*zip(*pairs, strict=True), 4)
    for name in ("uf1", "uar", "accuracy", "macro_precision", "macro_recall", "macro_f1"):
        assert 0 <= getattr(result, name) <= 1
    low, high = sorted((result.macro_precision, result.macro_recall))
    assert low - 1e-12 <= result.macro_f1 <= high + 1e-12
