"""Nested selection: the subjects that are scored choose nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from simulated_search import drive, searches

from madv.data.folds import leave_one_subject_out
from madv.errors import SpecError
from orchestration.cells import CellStore, cell_key
from orchestration.search_nested import chosen, leave_out, outer_plan
from orchestration.search_study import open_study, resume


def test_groups_share_out_the_subjects_and_their_studies_differ(tmp_path: Path) -> None:
    found = searches(tmp_path, 7, 2, "nested: 3")
    everybody = set(found[0].plan.facts.subjects)
    assert sorted(len(search.held_out) for search in found) == [2, 2, 3]
    assert sorted(subject for search in found for subject in search.held_out) == sorted(everybody)
    for search in found:
        assert set(search.order) == everybody - set(search.held_out)
        cells = search.candidate({"loss.focal_mu": 1.0, "model.streams.au": False}, "").cells
        assert {cell.subject for cell in cells} == set(search.order)
        assert all(cell.without == search.held_out for cell in cells)
    assert len({search.study for search in found}) == 3
    # More trials, or another sampler: the same groups, and the same studies.
    again = searches(tmp_path, 7, 9, "nested: 3\n      sampler: random")
    assert [search.study for search in again] == [search.study for search in found]


def test_an_inner_fold_is_another_cell_and_an_ordinary_one_the_same_as_ever(tmp_path: Path) -> None:
    params = {"loss.focal_mu": 1.0, "model.streams.au": False}
    (plain,) = searches(tmp_path, 4, 2)
    nested = searches(tmp_path, 4, 2, "nested: 2")
    ordinary = {cell.subject: cell.key for cell in plain.candidate(params, "").cells}
    for search in nested:
        assert all(cell.key != ordinary[cell.subject] for cell in search.candidate(params, "").cells)
        assert {cell.subject: cell.key for cell in search.outer(params, "").cells} == {
            subject: ordinary[subject] for subject in search.held_out
        }
    assert cell_key({}, "d", 0, "s", "c") == cell_key({}, "d", 0, "s", "c", ())
    assert cell_key({}, "d", 0, "s", "c", ("a", "b")) == cell_key({}, "d", 0, "s", "c", ("b", "a"))


def test_no_clip_of_the_group_is_trained_on() -> None:
    subjects = np.array(["a", "a", "b", "c", "c", "d"])
    fold = leave_out(leave_one_subject_out(subjects)[1], subjects, ("c", "d"))
    assert (fold.subject, fold.train.tolist(), fold.test.tolist()) == ("b", [0, 1], [2])


def test_the_outer_folds_come_when_all_groups_have_chosen(tmp_path: Path) -> None:
    found = searches(tmp_path, 4, 2, "nested: 2")
    store = CellStore(tmp_path / "store")
    for search in found:
        assert outer_plan(found) is None
        study = open_study(search)
        assert study is not None
        drive(search, study, store, resume(study, search))
    plan = outer_plan(found)
    assert plan is not None
    assert sorted(cell.subject for cell in plan.cells) == sorted(plan.facts.subjects)
    assert [variant.name for variant in plan.variants] == ["group 1", "group 2"]
    assert {group: {cell.subject for cell in one.cells} for group, one in chosen(found).items()} == {
        f"group {number}": set(search.held_out) for number, search in enumerate(found, start=1)
    }


def test_more_groups_than_subjects(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"search.nested: 5 groups need as many subjects; there are 4"):
        searches(tmp_path, 4, 2, "nested: 5")
