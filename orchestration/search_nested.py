"""Nested selection: what each group's study chose, trained and scored on the subjects that chose nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from orchestration.search_study import open_study

if TYPE_CHECKING:
    from madv.data.folds import Fold
    from orchestration.plan import Plan
    from orchestration.search_plan import Candidate, Search


def group_name(number: int) -> str:
    """Of the study of an outer group, from 0."""
    return f"group {number + 1}"


def chosen(searches: Sequence[Search]) -> dict[str, Candidate]:
    """Group -> its best configuration with the ordinary folds of its held-out subjects; without those yet to finish."""
    found = {}
    for number, search in enumerate(searches):
        study = open_study(search, create=False)
        if study is None or not search.held_out:
            continue
        try:
            best = study.best_trial
        except ValueError:  # none is finished
            continue
        found[group_name(number)] = search.outer(best.params, group_name(number))
    return found


def outer_plan(searches: Sequence[Search]) -> Plan | None:
    """What is left to train once all groups have chosen; None before, and for a search that is not nested."""
    candidates = chosen(searches)
    if len(candidates) < len(searches):
        return None
    plan = searches[0].plan
    return replace(
        plan,
        variants=tuple(candidate.variant for candidate in candidates.values()),
        cells=tuple(cell for candidate in candidates.values() for cell in candidate.cells),
    )


def leave_out(fold: Fold, subjects: npt.NDArray[np.str_], without: Sequence[str]) -> Fold:
    """The fold without the training clips of further subjects.

    Args:
        fold: of all subjects.
        subjects: (N,) of the clips, in the manifest's order.
        without: whose clips go.
    """
    kept = ~np.isin(subjects[fold.train], list(without))
    copies = None if fold.copies is None else fold.copies[kept]
    return replace(fold, train=fold.train[kept], copies=copies)
