"""What a report makes of protocols that flatter: clips regrouped by subject, and a warning in red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import failed_cell, make_cell

from dashboards import text
from dashboards.analysis import analyse
from dashboards.identity import identity_guess, identity_note
from dashboards.outcomes import collect
from dashboards.report import write_report
from dashboards.study import Study, StudyVariant

StudyOf = Callable[..., Study]


@pytest.fixture
def mixed(study_of: StudyOf) -> Study:
    """Leave-one-subject-out beside random folds, two subjects with two clips (classes 0 and 1) each."""
    variants = (
        StudyVariant(name="reference", levels={"protocol": "loso"}, is_reference=True),
        StudyVariant(name="clips", levels={"protocol": "clips"}, random_folds=True),
    )
    study = study_of(variants=variants, seeds=1, subjects=2, clips=2, ceilings=None, optimistic=True)
    cells = {}
    for name in ("s01", "s02"):
        cells["reference", 0, name] = make_cell("reference", 0, name, [(f"{name}_00", 0, 0), (f"{name}_01", 1, 0)])
    cells["clips", 0, "s01"] = make_cell("clips", 0, "s01", [("s01_00", 0, 0), ("s02_01", 1, 1)])
    cells["clips", 0, "s02"] = make_cell("clips", 0, "s02", [("s01_01", 1, 2), ("s02_00", 0, 0)])
    return replace(study, cells=cells)


def test_predictions_of_random_folds_come_back_to_their_subjects(mixed: Study) -> None:
    outcomes = collect(mixed)
    assert outcomes.done.all() and outcomes.trained.all() and not outcomes.failed.any()
    first, second = outcomes.counts[1, 0]
    assert first.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert second.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    result = next(result for result in analyse(mixed).results if result.variant.name == "clips")
    # F1 of class 0 is 1, of class 1 2/3, of the class that only s01_01 was taken for 0; the reference has 2/3, 0, 0.
    assert result.scores["uf1"] == pytest.approx((1 + 2 / 3) / 3)
    assert result.comparison is not None and result.comparison.difference == pytest.approx(1 / 3)
    assert (result.comparison.subjects, result.cells, result.missing) == (2, 2, 0)


def test_a_random_fold_that_is_missing_costs_every_subject_in_it(mixed: Study) -> None:
    cells = {key: cell for key, cell in mixed.cells.items() if key != ("clips", 0, "s02")}
    outcomes = collect(replace(mixed, cells=cells))
    assert not outcomes.done[1].any()
    assert outcomes.trained[1].tolist() == [[True, False]]
    cells["clips", 0, "s02"] = failed_cell("clips", 0, "s02", "MemoryError: gone")
    outcomes = collect(replace(mixed, cells=cells))
    assert outcomes.failed[1].tolist() == [[False, True]] and not outcomes.done[1].any()


@pytest.mark.parametrize(
    ("clips", "reason"),
    [
        ([("s01_00", 0, 0), ("s02_00", 0, 0)], "predicts 1 of the fold's 1 clips, and 1 that are not the fold's"),
        ([("s01_01", 1, 1), ("nobody", 0, 0)], "predicts 1 of the fold's 1 clips, and 1 that are not the fold's"),
        ([("s01_01", 0, 1), ("s02_00", 0, 0)], "its true classes are not the data set's"),
    ],
)
def test_random_folds_predict_each_clip_once(mixed: Study, clips: list[tuple[str, int, int]], reason: str) -> None:
    cells = {**mixed.cells, ("clips", 0, "s02"): make_cell("clips", 0, "s02", clips)}
    assert [failure.reason for failure in collect(replace(mixed, cells=cells)).failures] == [reason]


def test_what_knowing_the_subject_is_worth() -> None:
    # s1 shows class 0 three times and 1 once: three of four are guessed. s2 shows 0 and 1 once: neither is.
    labels = {"a": (0, "s1"), "b": (0, "s1"), "c": (0, "s1"), "d": (1, "s1"), "e": (0, "s2"), "f": (1, "s2")}
    assert identity_guess(labels) == (3 / 6, 4 / 6)
    # A subject's only clip is guessed to be of the largest class. Of three equally frequent classes each is guessed a
    # third of the time: clips a and b below, while c and d are taken for 0.
    assert identity_guess({"a": (0, "s1"), "b": (0, "s2"), "c": (1, "s3")}) == (2 / 3, 2 / 3)
    assert identity_guess({"a": (0, "s"), "b": (0, "s"), "c": (1, "s"), "d": (2, "s")})[0] == pytest.approx(1 / 6)
    note = identity_note(labels)
    assert "guesses 50.0% of the clips; the largest class has 66.7%" in note and "punishes" in note


def test_an_optimistic_study_says_so_first_and_in_red(mixed: Study, tmp_path: Path) -> None:
    report = write_report(mixed, tmp_path / "optimistic")
    page = report.path_html.read_text(encoding="utf-8")
    assert report.warnings == (text.OPTIMISTIC,)
    assert 'class="notice alarm"' in page and page.index(text.OPTIMISTIC) < page.index('class="verdict"')
    written = report.path_md.read_text(encoding="utf-8")
    assert text.OPTIMISTIC in written and "each clip predicted once" in written
    report = write_report(replace(mixed, optimistic=False), tmp_path / "strict")
    assert report.warnings == () and text.OPTIMISTIC not in report.path_html.read_text(encoding="utf-8")
    assert "each subject held out once" in report.path_md.read_text(encoding="utf-8")
    assert identity_note(mixed.sample_labels) in analyse(mixed).notes
