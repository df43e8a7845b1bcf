"""A search of which little is left: its page still comes, says what cannot be told and why, and tells the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from made_up import failed_cell, stream_variants

from dashboards.search_report import write_search_report
from dashboards.search_study import SearchStudy, SearchTrial, StudyOfTrials
from dashboards.study import Study

StudyOf = Callable[..., Study]
HOSTILE = '</script><img src=x onerror=alert(1)>$x$"'


def trial(number: int, state: Any, *values: float, **changes: Any) -> SearchTrial:
    settings = {"loss.w": f"{number + 1}", "model.streams.au": "true"}
    fields = {"number": number, "state": state, "settings": settings, "values": values, "folds": 20, "seconds": 40.0}
    return SearchTrial(**(fields | changes))


def study_of_trials(*trials: SearchTrial, **changes: Any) -> StudyOfTrials:
    done = [one for one in trials if one.values]
    best = max(done, key=lambda one: one.values[0]) if done else None
    return StudyOfTrials(**({"name": "one", "trials": trials, "folds": 20, "races": True, "best": best} | changes))


def page_of(folder: Path, *studies: StudyOfTrials, **changes: Any) -> dict[str, str]:
    """Headline, and the text of each section."""
    fields: dict[str, Any] = {
        "cluster_name": "search",
        "question": "Which weights?",
        "objectives": ("uf1",),
        "optimistic": True,
        "studies": studies,
        "clips_per_subject": {f"s{place}": (4, 2, 1) for place in range(20)},
        "race": "Raced.",
    }
    report = write_search_report(SearchStudy(**fields | changes), folder)
    page = report.path_html.read_text(encoding="utf-8")
    assert "<img" not in page and page.count("<script") == 3
    found = re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.S)
    plain = {anchor: unescape(re.sub(r"<[^>]+>", " ", content)) for anchor, content in found}
    return plain | {"headline": report.headline}


NOTHING = "No configuration is finished."


def test_all_configurations_failed(tmp_path: Path) -> None:
    failed = [trial(number, "failed", folds=3, reason=f"MemoryError {HOSTILE}") for number in range(3)]
    page = page_of(tmp_path, study_of_trials(*failed))
    assert page["headline"] == "Nothing can be said yet: no configuration is finished."
    for anchor in ("chosen", "history", "front", "importance", "slices", "contours", "parallel"):
        assert NOTHING in page[anchor], anchor
    assert "Folds that each configuration was given" in page["race"]
    assert page["trials"].count("MemoryError") == 3


def test_nothing_but_a_stopped_one(tmp_path: Path) -> None:
    page = page_of(tmp_path, study_of_trials(trial(0, "stopped", folds=9)))
    assert NOTHING in page["history"] and NOTHING in page["front"]
    assert "11 of 20 folds were not trained" in page["race"]


def test_one_finished_configuration(tmp_path: Path) -> None:
    page = page_of(tmp_path, study_of_trials(trial(0, "finished", 0.6)))
    assert "1 configuration is finished, and no setting has two values among them." in page["slices"]
    assert "1 configuration is finished; it takes ten" in page["importance"]
    assert "it takes 10 that have the same two settings" in page["contours"]
    assert "UF1 of each finished configuration" in page["history"]


def test_equal_scores_and_choices_only(tmp_path: Path) -> None:
    trials = [
        trial(number, "finished", 0.5, settings={"model.fusion": ("last", HOSTILE)[number % 2]}) for number in range(12)
    ]
    page = page_of(tmp_path, study_of_trials(*trials))
    assert "UF1 of each finished configuration along model.fusion" in page["slices"]
    assert "two settings of numbers" in page["contours"]
    assert "Every finished configuration as a line" in page["parallel"]


def test_importance_is_told_of_each_objective_and_of_what_is_not_always_there(tmp_path: Path) -> None:
    trials = [trial(number, "finished", 0.5 + number / 100, 3.0 + number) for number in range(3)]
    shares = {"uf1": {"loss.w_au": 0.75, "model.streams.au": 0.25}, "seconds": {"model.streams.au": 1.0}}
    one = study_of_trials(*trials, best=None, signs=(1, -1), importance=shares)
    conditions = {"loss.w_au": "model.streams.au=true"}
    page = page_of(tmp_path, one, objectives=("uf1", "seconds"), conditions=conditions)
    for_score, _, for_cost = page["importance"].partition("Importance for seconds (less is better)")
    assert "Importance for UF1 (more is better)" in for_score
    assert "judged by the trials that have it: loss.w_au (with model.streams.au=true)." in for_score
    assert for_cost and "loss.w_au" not in for_cost
    assert "UF1 against training seconds of a fold" in page["front"]


def test_nested_before_anything_is_scored(tmp_path: Path, study_of: StudyOf) -> None:
    empty = study_of(variants=stream_variants()[:1], cells={})
    groups = [study_of_trials(name=f"group {number}", races=False, held_out=("s01",)) for number in (1, 2)]
    page = page_of(tmp_path, *groups, nested=empty, optimistic=False, race="")
    assert page["headline"].startswith("Nothing can be said yet")
    assert NOTHING in page["honest"] and "race" not in page
    groups[0] = study_of_trials(trial(0, "finished", 0.6), trial(1, "finished", 0.7), name="group 1", races=False)
    page = page_of(tmp_path, *groups, nested=empty, optimistic=False, race="")
    assert "UF1 of what each group chose" in page["honest"]
    assert "best so far" in page["history"]


def test_nested_with_missing_and_failed_cells_and_a_class_that_nobody_predicts(
    tmp_path: Path, study_of: StudyOf
) -> None:
    nested = study_of(variants=stream_variants()[:1], seeds=1, clips=3)
    cells = {key: replace(cell, y_pred=cell.y_pred % 2) for key, cell in nested.cells.items()}
    del cells["reference", 0, "s03"]
    cells["reference", 0, "s07"] = failed_cell("reference", 0, "s07", "ValueError: no")
    group = study_of_trials(trial(0, "finished", 0.6), races=False, held_out=("s03",))
    page = page_of(tmp_path, group, nested=replace(nested, cells=cells), optimistic=False)
    for said in (
        "1 cell is missing",
        "1 cell failed",
        "ValueError: no",
        "10 of 12 subjects",
        "disgust is never predicted",
    ):
        assert said in page["honest"], said
    failed = {key: failed_cell(*key, "ValueError: no") for key in nested.cells}
    page = page_of(tmp_path, group, nested=replace(nested, cells=failed), optimistic=False)
    assert page["headline"].startswith("Nothing can be said yet")
    assert "12 cells failed" in page["honest"]


@pytest.mark.parametrize("subjects", [1, 20])
def test_subjects_with_one_clip(tmp_path: Path, subjects: int) -> None:
    trials = [trial(number, "finished", 0.5 + number / 100) for number in range(12)]
    clips = {f"s{place}": tuple(int(place % 3 == label) for label in range(3)) for place in range(subjects)}
    page = page_of(tmp_path, study_of_trials(*trials), clips_per_subject=clips)
    assert "Folds that each configuration" in page["race"]
    assert "Simulated, not measured" in page["race"]
