"""Scores of pooled predictions (Eq. 26 to 32)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Labels = Sequence[int] | npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What `score` finds; every figure is a share between 0 and 1."""

    confusion: npt.NDArray[np.int64]
    """(C, C) counts: row = true class, column = predicted class."""
    uf1: float
    """Mean over the C classes of 2 TP / (2 TP + FP + FN) (Eq. 31)."""
    uar: float
    """Mean over the C classes of TP_c / n_c (Eq. 32); the paper's "average recognition accuracy"."""
    accuracy: float
    """Correct predictions over all predictions."""
    macro_precision: float
    """Mean precision over the C classes (Eq. 28)."""
    macro_recall: float
    """Mean recall over the C classes (Eq. 29); the same number as uar."""
    macro_f1: float
    """Harmonic mean of macro_precision and macro_recall (Eq. 30); another number than uf1."""
    recall: FloatArray
    """(C,) recall of each class (Eq. 27)."""


def score(y_true: Labels, y_pred: Labels, num_classes: int) -> Scores:
    """Score predictions that were pooled over all folds.

    Every one of the C classes counts in every mean: a class that is never present has recall 0, one that is never
    predicted has precision 0, and one that is neither has F1 0. All three stay in the means, so that scores of data
    sets that lack a class do not look better than they are.

    Args:
        y_true: (N,) class indices.
        y_pred: (N,) class indices, in the same order.
        num_classes: C, the classes of the task, present or not.

    Raises:
        ValueError: no predictions, different lengths, or labels that are no class index.
    """
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, not {num_classes}")
    true = _labels("y_true", y_true, num_classes)
    predicted = _labels("y_pred", y_pred, num_classes)
    if len(true) != len(predicted):
        raise ValueError(f"y_true has {len(true)} labels and y_pred has {len(predicted)}")
    counts = np.bincount(true * num_classes + predicted, minlength=num_classes**2)
    return score_confusion(counts.reshape(num_classes, num_classes))


def score_confusion(confusion: npt.NDArray[np.int64]) -> Scores:
    """Score a (C, C) confusion matrix of counts: row = true class, column = predicted class."""
    hits = np.diagonal(confusion).astype(np.float64)  # (C,) TP
    present = confusion.sum(axis=1)  # (C,) TP + FN
    predicted = confusion.sum(axis=0)  # (C,) TP + FP
    recall = _ratio(hits, present)
    macro_precision = float(_ratio(hits, predicted).mean())
    macro_recall = float(recall.mean())
    both = macro_precision + macro_recall
    return Scores(
        confusion=confusion,
        uf1=float(_ratio(2 * hits, present + predicted).mean()),
        uar=macro_recall,
        accuracy=float(hits.sum() / confusion.sum()),
        macro_precision=macro_precision,
        macro_recall=macro_recall,
        macro_f1=2 * macro_precision * macro_recall / both if both else 0.0,
        recall=recall,
    )


def _labels(name: str, values: Labels, num_classes: int) -> npt.NDArray[np.int64]:
    labels = np.asarray(values)
    if labels.ndim != 1 or labels.size == 0:
        raise ValueError(f"{name} must be a list of at least one label, not of shape {labels.shape}")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{name} must hold whole numbers, not {labels.dtype}")
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if wrong.size:
        raise ValueError(f"{name} holds {wrong[0]}, which is no class index below {num_classes}")
    return labels.astype(np.int64)


def _ratio(numerator: npt.NDArray[np.float64], denominator: npt.NDArray[np.int64]) -> FloatArray:
    """Element by element; 0 where the denominator is 0."""
    safe = np.maximum(denominator, 1)
    return np.where(denominator > 0, numerator / safe, 0.0)
