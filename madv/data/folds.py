"""Folds: which clips are trained on and which are scored, under leave-one-subject-out and what flatters it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from madv.seeds import seed_of

if TYPE_CHECKING:
    from madv.config import ProtocolConfig

Subjects = Sequence[str] | npt.NDArray[np.str_]
"""(N,) name of each clip's subject."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """One subject held out; indices are rows of the manifest."""

    subject: str
    """Held out. Where clips are split at random, the name of a fold that is as large as this subject."""
    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    copies: npt.NDArray[np.int64] | None = None
    """(n_train,) which copy of its clip each row of `train` is (madv.augment.copied); None: all are the clips."""


def leave_one_subject_out(subjects: Subjects) -> list[Fold]:
    """One fold a subject, sorted by subject, that test each clip once."""
    names, owner = _owners(subjects)
    return [_fold(name, owner[None] == f) for f, name in enumerate(names)]


def make_folds(protocol: ProtocolConfig, subjects: Subjects, seed: int) -> list[Fold]:
    """As many folds as subjects, as large as they are, that test each clip once, whatever the protocol.

    A random split shuffles which clips the folds have and leaves their sizes as they are, so that every protocol trains
    on equally many clips. The copies of a clip stay with its subject, or fall into a fold each for itself; the clips
    that a fold tests are the same with and without copies.

    Args:
        protocol: split and copies.
        subjects: of the clips, in the manifest's order.
        seed: of the trial; each has a random split of its own.
    """
    names, owner = _owners(subjects)
    rng = np.random.default_rng(seed_of(str(seed), "split"))
    shuffled = protocol.split == "clips"
    fold_of = np.stack([rng.permutation(owner) if shuffled else owner for _ in range(protocol.copies)])  # (copies, N)
    return [_fold(name, fold_of == f) for f, name in enumerate(names)]


def _owners(subjects: Subjects) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The subjects, sorted, and the index of each clip's."""
    names, owner = np.unique(np.asarray(subjects, dtype=np.str_), return_inverse=True)
    return [str(name) for name in names], owner


def _fold(name: str, held_out: npt.NDArray[np.bool_]) -> Fold:
    """A fold from (copies, N), which of them it holds out."""
    copies, train = np.nonzero(~held_out)
    return Fold(
        subject=name, train=train, test=np.flatnonzero(held_out[0]), copies=copies if len(held_out) > 1 else None
    )
