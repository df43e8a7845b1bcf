"""Controls: what passes, what raises the alarm, and that neither enters the comparison of variants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dashboards.analysis import analyse
from dashboards.controls import check_controls, permuted_scores
from dashboards.report import write_report
from dashboards.statistics import accuracy
from dashboards.study import Study, StudyVariant
from tests.dashboards.made_up import make_study

NAMES = {"repeat": "repeat (control)", "shuffled_labels": "shuffled labels (control)"}


def controlled(repeat: float, shuffled: float) -> Study:
    """A reference that is right in 80% of the clips, and two controls of these skills."""
    plain = StudyVariant(name="reference", levels={}, is_reference=True)
    controls = {kind: StudyVariant(name=name, levels={}) for kind, name in NAMES.items()}
    skill = {"reference": 0.8, NAMES["repeat"]: repeat, NAMES["shuffled_labels"]: shuffled}
    study = make_study(variants=(plain, *controls.values()), skill=skill, subjects=16, ceilings=None)
    return replace(study, variants=(plain,), controls=controls)


def test_controls_that_come_out_as_they_should(tmp_path: Path) -> None:
    study = controlled(repeat=0.8, shuffled=1 / 3)
    repeat, shuffled = check_controls(study)
    assert (repeat.kind, repeat.failed, shuffled.kind, shuffled.failed) == ("repeat", False, "shuffled_labels", False)
    assert shuffled.score == pytest.approx(1 / 3, abs=0.07)
    assert shuffled.expected == pytest.approx(1 / 3, abs=0.03)
    report = write_report(study, tmp_path)
    assert report.warnings == ()
    assert repeat.sentence in report.path_html.read_text(encoding="utf-8")
    assert list(report.table["variant"]) == ["reference"]


@pytest.mark.parametrize(
    ("repeat", "shuffled", "said"),
    [
        (0.5, 1 / 3, "trainings differ by more than the tests allow for"),
        (0.8, 0.55, "labels of the held-out clips leak into training"),
    ],
)
def test_a_control_that_fails_comes_first_and_in_red(tmp_path: Path, repeat: float, shuffled: float, said: str) -> None:
    study = controlled(repeat, shuffled)
    assert sum(control.failed for control in check_controls(study)) == 1
    report = write_report(study, tmp_path)
    (warning,) = report.warnings
    assert said in warning and warning.endswith("Nothing below can be trusted.")
    page = report.path_html.read_text(encoding="utf-8")
    assert page.index(said) < page.index('class="verdict"')
    assert said in report.path_md.read_text(encoding="utf-8")


def test_worse_than_chance_is_no_leak() -> None:
    shuffled = check_controls(controlled(repeat=0.8, shuffled=0.1))[1]
    assert not shuffled.failed and shuffled.p > 0.9


def test_what_is_not_done_is_not_judged() -> None:
    study = controlled(repeat=0.8, shuffled=1 / 3)
    cells = {key: cell for key, cell in study.cells.items() if key[0] != NAMES["repeat"]}
    analysis = analyse(replace(study, cells=cells))
    assert [control.kind for control in analysis.controls] == ["shuffled_labels"]


def test_permutations_stay_within_a_subject() -> None:
    # Subject 1 shows and is given class 0 alone: always 3 right. Subject 2 shows 0 and 1 and is given both: 2 right or
    # none, each half of the time.
    counts = np.array([[[[3, 0], [0, 0]], [[1, 0], [0, 1]]]])
    scores = permuted_scores(counts, accuracy, np.random.default_rng(0))
    assert set(scores.tolist()) == {3 / 5, 1.0}
    assert (scores == 1).mean() == pytest.approx(0.5, abs=0.03)
