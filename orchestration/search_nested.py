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


def chosen(searches: Sequence[Search]) -> dict[str, Candidate]:
    """Label of a study -> its best configuration with the ordinary folds of its held-out subjects; without those that
    have none yet."""
    found = {}
    for search in searches:
        study = open_study(search, create=False)
        if study is None or not search.held_out:
            continue
        try:
            best = study.best_trial
        except ValueError:  # none is finished
            continue
        found[search.label] = search.outer(best.params, search.label)
    return found


def outer_plan(searches: Sequence[Search]) -> Plan | None:
    """The outer folds of what has been chosen, of each variant once all its groups have; None before the first, and
    for a search that is not nested."""
    candidates = chosen(searches)
    open_arms = {search.arm for search in searches if search.label not in candidates}
    ready = [candidates[search.label] for search in searches if search.arm not in open_arms]
    if not ready:
        return None
    return replace(
        searches[0].plan,
        variants=tuple(candidate.variant for candidate in ready),
        cells=tuple(cell for candidate in ready for cell in candidate.cells),
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
