"""Cells to arrays: per-subject confusion counts, and which cells could be counted."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dashboards.study import Study

if TYPE_CHECKING:
    from orchestration.cells import Cell

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A cell that has no usable predictions, and why."""

    variant: str
    seed: int
    subject: str
    reason: str
    """A traceback, or what is wrong with the predictions."""

    @property
    def headline(self) -> str:
        """The last line of the reason that says something: the exception of a traceback."""
        lines = [line.strip() for line in self.reason.splitlines() if line.strip()]
        return lines[-1] if lines else "no reason was recorded"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcomes:
    """Counts of a study; axes are variant, seed, subject in the study's order, then true and predicted class."""

    counts: Ints
    """(V, S, N, C, C) clips; 0 where there is no cell."""
    done: Bools
    """(V, S, N): each of the subject's clips is predicted, once."""
    trained: Bools
    """(V, S, N): the cell is there and its predictions are usable; the same as done where a fold is a subject."""
    failed: Bools
    """(V, S, N): the cell was tried and has no usable predictions."""
    failures: tuple[Failure, ...]

    @property
    def planned(self) -> int:
        """Number of cells that the study has when it is complete."""
        return int(self.trained.size)


def collect(study: Study) -> Outcomes:
    """Count the predictions of each subject's clips by true and predicted class, whichever fold made them."""
    classes = len(study.class_names)
    shape = (len(study.variants), len(study.seeds), len(study.subjects))
    counts = np.zeros((*shape, classes * classes), dtype=np.int64)
    done, trained, failed = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
    failures = []
    clips = _clips_by_subject(study)
    for (v, variant), (s, seed) in itertools.product(enumerate(study.variants), enumerate(study.seeds)):
        predicted: dict[str, int] = {}
        for n, subject in enumerate(study.subjects):
            cell = study.cells.get((variant.name, seed, subject))
            if cell is None:
                continue
            expected = _unseen(study, cell, predicted) if variant.random_folds else clips[subject]
            problem = _problem(cell, expected, study.class_names)
            if problem is None:
                trained[v, s, n] = True
                predicted |= zip(cell.sample_id, cell.y_pred.tolist(), strict=True)
            else:
                failed[v, s, n] = True
                failures.append(Failure(variant=variant.name, seed=seed, subject=subject, reason=problem))
        for n, subject in enumerate(study.subjects):
            if clips[subject].keys() <= predicted.keys():
                pairs = [label * classes + predicted[clip] for clip, label in clips[subject].items()]
                counts[v, s, n] = np.bincount(np.array(pairs, np.int64), minlength=classes * classes)
                done[v, s, n] = True
    counts = counts.reshape(*shape, classes, classes)
    return Outcomes(counts=counts, done=done, trained=trained, failed=failed, failures=tuple(failures))


def rectangle(done: Bools) -> tuple[Ints, Ints]:
    """The seeds and the subjects to score on: every one of these seeds has every one of these subjects.

    A pooled score needs the same subjects in each seed, so a cell that is missing costs its subject or its seed:
    whichever leaves more cells. Seeds are taken in order of how many subjects they have.

    Args:
        done: (S, N), which cells there are.

    Returns:
        Indices of seeds and of subjects, sorted; both empty if nothing is done.
    """
    by_cells = np.argsort(-done.sum(axis=1), kind="stable")
    nothing = np.empty(0, dtype=np.int64)
    best: tuple[Ints, Ints] = (nothing, nothing)
    for number in range(1, len(by_cells) + 1):
        seeds = np.sort(by_cells[:number]).astype(np.int64)
        subjects = np.flatnonzero(done[seeds].all(axis=0)).astype(np.int64)
        if len(seeds) * len(subjects) > len(best[0]) * len(best[1]):
            best = (seeds, subjects)
    return best


def _clips_by_subject(study: Study) -> dict[str, dict[str, int]]:
    clips: dict[str, dict[str, int]] = defaultdict(dict)
    for sample_id, (label, subject) in study.sample_labels.items():
        clips[subject][sample_id] = label
    return clips


def _unseen(study: Study, cell: Cell, predicted: Mapping[str, int]) -> dict[str, int]:
    """The clips of a random fold that are the study's and that no other fold has predicted."""
    known = [clip for clip in cell.sample_id if clip in study.sample_labels and clip not in predicted]
    return {clip: study.sample_labels[clip][0] for clip in known}


def _problem(cell: Cell, expected: dict[str, int], class_names: tuple[str, ...]) -> str | None:
    """Why the cell cannot be counted; None if it can."""
    if cell.state != "done":
        return cell.reason or "failed; no reason was recorded"
    if tuple(cell.class_names) != class_names:
        return f"its classes are {', '.join(cell.class_names)}, the study's are {', '.join(class_names)}"
    found = dict(zip(cell.sample_id, cell.y_true.tolist(), strict=True))
    if len(found) != len(cell.sample_id):
        return "predicts a clip more than once"
    if found.keys() != expected.keys():
        return f"predicts {len(found.keys() & expected.keys())} of the fold's {len(expected)} clips, " + (
            f"and {len(found.keys() - expected.keys())} that are not the fold's"
        )
    if found != expected:
        return "its true classes are not the data set's"
    if len(cell.y_pred) != len(found) or not all(0 <= label < len(class_names) for label in cell.y_pred.tolist()):
        return f"its predictions are not {len(found)} class indices below {len(class_names)}"
    return None
