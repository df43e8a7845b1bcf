"""Racing: a configuration is stopped when the folds that it has in common with the best one say that it is worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from optuna.pruners import BasePruner
from optuna.study import StudyDirection

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

P_THRESHOLD = 0.1
LEAST_FOLDS = 8
"""Folds in common before anything is stopped: below them no outcome of the test is rare enough to mean much."""
LEAST_PROBABILITY = 1e-6
"""What is taken for a probability of 0, whose cross-entropy is infinite."""


def fold_score(
    y_true: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32], clips_per_class: Sequence[int]
) -> float:
    """Minus the fold's cross-entropy, each clip weighted by 1 / n_class of the whole study: higher is better.

    It is a sum, so that the scores of all folds add up to the class-balanced likelihood of the study, and it moves with
    every probability where a fold's UF1 hardly ever does.

    Args:
        y_true: (n,) class indices.
        probabilities: (n, C).
        clips_per_class: (C,) of the whole study.
    """
    own = probabilities[np.arange(len(y_true)), y_true].astype(np.float64)
    weights = 1 / np.asarray(clips_per_class, np.float64)[y_true]
    return float(np.sum(weights * np.log(np.maximum(own, LEAST_PROBABILITY))))


def worse(
    trial: Mapping[int, float],
    best: Mapping[int, float],
    *,
    p_threshold: float = P_THRESHOLD,
    least_folds: int = LEAST_FOLDS,
) -> bool:
    """Whether the common folds say that a trial is worse than the best one: Wilcoxon's signed-rank test, one-sided.

    For safety, never while its mean over the common folds is no lower. (Optuna's WilcoxonPruner compares the mean over
    all folds of the best with that over the trial's first ones, so that folds which are easy for all shield a bad one.)

    Args:
        trial: score by fold, higher is better.
        best: the same of the best trial.
        p_threshold: below it the trial is worse.
        least_folds: in common before anything is said.
    """
    from scipy.stats import wilcoxon

    common = sorted(trial.keys() & best.keys())
    differences = np.array([trial[fold] - best[fold] for fold in common])
    if len(common) < least_folds or not np.isfinite(differences).all() or differences.mean() >= 0:
        return False
    # zsplit: folds without a difference count for both sides, and all of them may be such.
    p = wilcoxon(differences, alternative="less", zero_method="zsplit").pvalue
    return bool(p < p_threshold)


class FoldRace(BasePruner):
    """Prunes against the best trial that has been finished, which itself was never stopped."""

    def __init__(self, p_threshold: float = P_THRESHOLD, least_folds: int = LEAST_FOLDS) -> None:
        self._p_threshold = p_threshold
        self._least_folds = least_folds

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to stop the trial now; its intermediate values are fold scores."""
        assert study.direction == StudyDirection.MAXIMIZE
        try:
            best = study.best_trial
        except ValueError:  # none is finished
            return False
        return worse(
            trial.intermediate_values,
            best.intermediate_values,
            p_threshold=self._p_threshold,
            least_folds=self._least_folds,
        )
