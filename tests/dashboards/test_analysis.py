"""A study's numbers against scikit-learn, and what is said where numbers cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_up import failed_cell, make_cell
from sklearn import metrics as sk

from dashboards.analysis import Analysis, VariantResult, analyse
from dashboards.outcomes import collect, rectangle
from dashboards.study import Study

StudyOf = Callable[..., Study]


def result_of(analysis: Analysis, name: str) -> VariantResult:
    return next(result for result in analysis.results if result.variant.name == name)


def without(study: Study, keys: list[tuple[str, int, str]]) -> Study:
    return replace(study, cells={key: cell for key, cell in study.cells.items() if key not in keys})


def test_scores_equal_a_recomputation_with_sklearn(study_of: StudyOf) -> None:
    study = study_of()
    for result in analyse(study).results:
        uf1, uar, recall = [], [], []
        for seed in study.seeds:
            cells = [study.cells[result.variant.name, seed, subject] for subject in study.subjects]
            true = np.concatenate([cell.y_true for cell in cells])
            predicted = np.concatenate([cell.y_pred for cell in cells])
            uf1.append(sk.f1_score(true, predicted, average="macro"))
            uar.append(sk.balanced_accuracy_score(true, predicted))
            recall.append(sk.recall_score(true, predicted, average=None))
        assert result.scores["uf1"] == pytest.approx(np.mean(uf1))
        assert result.scores["uar"] == pytest.approx(np.mean(uar))
        assert result.by_seed == pytest.approx(uf1)
        assert result.recall == pytest.approx(np.mean(recall, axis=0))


def test_planted_order_is_recovered(study_of: StudyOf) -> None:
    analysis = analyse(study_of())
    assert analysis.results[0].variant.is_reference
    assert {result.comparison.verdict for result in analysis.results[1:] if result.comparison} == {"hurts"}
    assert not analysis.partial
    assert analysis.notes == ()


def test_numbers_of_a_variant_do_not_depend_on_the_others(study_of: StudyOf) -> None:
    study = study_of()
    few = replace(study, variants=(study.variants[0], study.variants[3]))
    name = study.variants[3].name
    assert result_of(analyse(few), name).intervals == result_of(analyse(study), name).intervals


def test_rectangle_keeps_most_cells() -> None:
    done = np.ones((3, 5), dtype=np.bool_)
    done[1, 2] = False
    assert [list(part) for part in rectangle(done)] == [[0, 1, 2], [0, 1, 3, 4]]
    done[1, 1:] = False
    assert [list(part) for part in rectangle(done)] == [[0, 2], [0, 1, 2, 3, 4]]
    assert [list(part) for part in rectangle(np.zeros((2, 3), dtype=np.bool_))] == [[], []]


def test_missing_and_failed_cells_cost_their_subjects(study_of: StudyOf) -> None:
    study = without(study_of(), [("au=off", 0, "s03")])
    study = replace(
        study,
        cells={**study.cells, ("depth=off", 1, "s07"): failed_cell("depth=off", 1, "s07", "Traceback\nValueError: no")},
    )
    analysis = analyse(study)
    missing, failed = result_of(analysis, "au=off"), result_of(analysis, "depth=off")
    assert (missing.missing, missing.failed, failed.missing, failed.failed) == (1, 0, 0, 1)
    assert "s03" not in missing.subjects and "s07" not in failed.subjects
    assert missing.notes == ("scored on 2 of 2 seeds and 11 of 12 subjects, which are complete",)
    assert missing.comparison and missing.comparison.subjects == 11
    assert analysis.partial
    assert [failure.headline for failure in analysis.outcomes.failures] == ["ValueError: no"]


def test_reference_with_a_hole_is_compared_on_common_cells(study_of: StudyOf) -> None:
    analysis = analyse(without(study_of(), [("reference", 0, "s03")]))
    result = result_of(analysis, "au=off")
    assert len(result.subjects) == 12
    assert result.comparison and result.comparison.subjects == 11
    assert result.notes == ("compared on 2 seeds and 11 subjects in common",)


def test_all_cells_failed(study_of: StudyOf) -> None:
    study = study_of()
    study = replace(study, cells={key: failed_cell(*key, "MemoryError") for key in study.cells})
    analysis = analyse(study)
    assert all(result.scores == {} and result.comparison is None for result in analysis.results)
    assert analysis.results[0].notes == ("no score: none of its 24 cells is done",)
    assert analysis.notes == ("The reference has no finished cells, so nothing is compared.",)


def test_one_seed_and_few_subjects_are_said(study_of: StudyOf) -> None:
    analysis = analyse(study_of(seeds=1, subjects=5))
    assert "smallest p value that the exchange can reach is 0.062" in analysis.notes[0]
    assert analysis.notes[1].startswith("One seed")
    assert {result.comparison.verdict for result in analysis.results if result.comparison} == {"inconclusive"}


def test_significance_is_out_of_reach_only_if_it_is_for_the_largest_comparison(study_of: StudyOf) -> None:
    # 2 / 2^9 times 6 comparisons is .023, with one subject less .047, with two less .094.
    study = study_of(subjects=9)
    assert analyse(study).notes == ()
    holes = [("au=off", 0, subject) for subject in study.subjects[:4]]
    assert analyse(without(study, holes)).notes == ()
    assert "no difference can be significant at 0.05" in analyse(study_of(subjects=7)).notes[0]


def test_one_subject_has_scores_and_no_intervals(study_of: StudyOf) -> None:
    analysis = analyse(study_of(subjects=1))
    result = analysis.results[-1]
    assert result.scores and not result.intervals
    assert result.comparison is not None and result.comparison.low is None and result.comparison.p is None
    assert any("at least two common subjects" in note for note in result.notes)


def test_class_that_nobody_predicts_or_shows(study_of: StudyOf) -> None:
    study = study_of()
    cells = {
        key: replace(cell, y_pred=np.where(cell.y_pred == 2, 0, cell.y_pred)) if key[0] == "reference" else cell
        for key, cell in study.cells.items()
    }
    result = result_of(analyse(replace(study, cells=cells)), "reference")
    assert result.notes == ("disgust is never predicted",)
    assert result.recall[2] == 0
    labels = {sample: (label % 2, subject) for sample, (label, subject) in study.sample_labels.items()}
    cells = {key: replace(cell, y_true=cell.y_true % 2) for key, cell in study.cells.items()}
    shown = analyse(replace(study, sample_labels=labels, cells=cells)).results[0]
    assert shown.notes == ("no clip shows disgust: it counts as 0 in the mean over classes",)


@pytest.mark.parametrize(
    ("clips", "changes", "reason"),
    [
        ([("s01_00", 0, 0)], {}, "predicts 1 of the fold's 2 clips, and 0 that are not the fold's"),
        ([("s01_00", 0, 0), ("x", 1, 1)], {}, "predicts 1 of the fold's 2 clips, and 1 that are not the fold's"),
        ([("s01_00", 0, 0), ("s01_00", 0, 0)], {}, "predicts a clip more than once"),
        ([("s01_00", 1, 0), ("s01_01", 1, 1)], {}, "its true classes are not the data set's"),
        ([("s01_00", 0, 7), ("s01_01", 1, 1)], {}, "its predictions are not 2 class indices below 3"),
        (
            [("s01_00", 0, 0)],
            {"class_names": ("a",)},
            "its classes are a, the study's are happiness, surprise, disgust",
        ),
        ([], {"state": "failed"}, "failed; no reason was recorded"),
    ],
)
def test_cells_that_are_not_the_subjects_clips_are_not_counted(
    study_of: StudyOf, clips: list[tuple[str, int, int]], changes: dict[str, object], reason: str
) -> None:
    study = study_of(subjects=2, clips=2, seeds=1)
    cell = make_cell("reference", 0, "s01", clips, **changes)
    outcomes = collect(replace(study, cells={**study.cells, ("reference", 0, "s01"): cell}))
    assert [failure.reason for failure in outcomes.failures] == [reason]
    assert not outcomes.done[0, 0, 0] and outcomes.failed[0, 0, 0]
    assert outcomes.counts[0, 0, 0].sum() == 0
