"""The report of a search: what was chosen, who has a score and who has none."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from made_up import make_study, stream_variants

from dashboards.search_figures import history
from dashboards.search_page import race_facts
from dashboards.search_report import write_search_report
from dashboards.search_study import SearchStudy, SearchTrial, StudyOfTrials


def trial(number: int, state: Any, *values: float, folds: int = 20, **changes: Any) -> SearchTrial:
    settings = {"loss.w_au": f"{number + 1}", "model.streams.au": "true"}
    fields = {"number": number, "state": state, "settings": settings, "values": values, "folds": folds}
    return SearchTrial(**(fields | {"seconds": 2.0 * folds} | changes))


TRIALS = (
    trial(0, "finished", 0.60),
    trial(1, "stopped", folds=8),
    trial(2, "finished", 0.70),
    trial(3, "failed", folds=3, reason="the loss is <nan>"),
    trial(4, "finished", 0.65),
)


def search(**changes: Any) -> SearchStudy:
    one = StudyOfTrials(
        name="study",
        trials=TRIALS,
        folds=20,
        races=True,
        best=TRIALS[2],
        overrides=("dataset=synthetic", "loss.w_au=3"),
        importance={"uf1": {"loss.w_au": 0.8, "model.streams.au": 0.2}},
    )
    fields: dict[str, Any] = {
        "cluster_name": "search",
        "question": "Which weights?",
        "objectives": ("uf1",),
        "optimistic": True,
        "studies": [one],
        "clips_per_subject": {f"s{place}": (4, 2, 2) for place in range(20)},
        "race": "Raced.",
        "rerun": ("madv sweep search.yaml",),
    }
    return SearchStudy(**(fields | changes))


def test_the_best_is_there_to_copy_and_what_was_stopped_has_no_score(tmp_path: Path) -> None:
    report = write_search_report(search(), tmp_path)
    page = report.path_html.read_text()
    assert report.headline == "Trial 2 comes first of 3 with UF1 .700."
    assert "dataset=synthetic\nloss.w_au=3" in page
    assert 'role="alert"' in page
    assert "the loss is &lt;nan&gt;" in page
    assert report.failed == ("the loss is <nan>",)
    with report.path_csv.open() as file:
        rows = {int(row["trial"]): row for row in csv.DictReader(file)}
    assert [rows[number]["uf1"] for number in range(5)] == ["0.600000", "", "0.700000", "", "0.650000"]
    assert rows[1]["folds"] == "8"


def test_history_leaves_out_what_has_no_score() -> None:
    found = history(search().studies[0], "uf1")
    assert found.to_dict("list") == {"trial": [0, 2, 4], "uf1": [0.6, 0.7, 0.65], "best": [0.6, 0.7, 0.7]}


def test_the_race_is_counted() -> None:
    facts = race_facts(search())
    # 20 + 8 + 20 + 3 + 20 folds were trained; the stopped one was spared 12.
    assert (facts["stopped"], facts["saved"], facts["planned"], facts["share"]) == (1, 12, 83, "14%")
    assert [gain for gain, _, _ in facts["rates"]] == [".000", "+.030", "+.050"]


def test_several_objectives_have_a_front(tmp_path: Path) -> None:
    trials = tuple(
        trial(number, "finished", *values) for number, values in enumerate([(0.6, 5), (0.7, 9), (0.5, 6), (0.7, 9.5)])
    )
    one = StudyOfTrials(name="study", trials=trials, folds=20, races=False, signs=(1, -1))
    assert [one.number for one in one.front] == [0, 1]
    report = write_search_report(search(studies=[one], objectives=("uf1", "seconds"), race=""), tmp_path)
    assert report.headline == "2 configurations of 4 are beaten by none in every objective."


def test_a_nested_search_reports_those_who_chose_nothing(tmp_path: Path) -> None:
    study = search().studies[0]
    groups = [
        StudyOfTrials(
            name=f"group {number}",
            trials=TRIALS,
            folds=20,
            races=False,
            best=TRIALS[2],
            held_out=(f"s{number:02d}",),
            held_out_score=0.5,
        )
        for number in (1, 2)
    ]
    nested = make_study(variants=stream_variants()[:1], subjects=12)
    report = write_search_report(search(studies=groups, nested=nested, optimistic=False), tmp_path)
    assert report.headline.startswith("What the other subjects chose scores UF1 .")
    assert "it scored .700 in the mean of 2 groups" in report.headline
    assert report.warnings == ()
    page = report.path_html.read_text()
    assert "Tuned on, and held out" in page
    assert study.name not in report.headline


def test_nothing_yet(tmp_path: Path) -> None:
    one = StudyOfTrials(name="study", trials=(), folds=20, races=True)
    report = write_search_report(search(studies=[one]), tmp_path)
    assert report.headline == "Nothing can be said yet: no configuration is finished."


@pytest.mark.parametrize("anchor", ["chosen", "history", "race", "importance", "trials", "rerun"])
def test_sections(tmp_path: Path, anchor: str) -> None:
    assert f'<section id="{anchor}">' in write_search_report(search(), tmp_path).path_html.read_text()
