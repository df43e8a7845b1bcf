"""Leave-one-subject-out folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """One subject held out; indices are rows of the manifest."""

    subject: str
    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


def leave_one_subject_out(subjects: Sequence[str] | npt.NDArray[np.str_]) -> list[Fold]:
    """One fold a subject, sorted by subject: (N,) subject names -> folds that test each clip once."""
    names = np.asarray(subjects, dtype=np.str_)
    return [
        Fold(subject=str(subject), train=np.flatnonzero(names != subject), test=np.flatnonzero(names == subject))
        for subject in np.unique(names)
    ]
