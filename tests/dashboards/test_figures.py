"""What the figures are drawn from, on small literal studies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
from made_up import make_cell

from dashboards import drawing, drawing_cells, figures
from dashboards.analysis import analyse
from dashboards.study import Study, StudyVariant

StudyOf = Callable[..., Study]


@pytest.fixture
def tiny(study_of: StudyOf) -> Study:
    """Two variants, one seed, two subjects with two clips: the reference right, the other half right."""
    variants = (
        StudyVariant(name="reference", levels={"au": "on"}, is_reference=True),
        StudyVariant(name="<b>none", levels={"au": "off"}),
    )
    study = study_of(variants=variants, seeds=1, subjects=2, clips=2, ceilings={"reference": 0.9})
    cells = {}
    for subject in ("s01", "s02"):
        clips = [(f"{subject}_00", 0, 0), (f"{subject}_01", 1, 1)]
        cells["reference", 0, subject] = make_cell("reference", 0, subject, clips)
        clips[1] = (f"{subject}_01", 1, 0)
        history = {"loss": [2.0, 1.0] if subject == "s01" else [4.0]}
        cells["<b>none", 0, subject] = make_cell("<b>none", 0, subject, clips, history=history, seconds=1.0)
    return replace(study, cells=cells)


def test_scores_and_differences(tiny: Study) -> None:
    analysis = analyse(tiny)
    rows = figures.scores(analysis)
    assert list(rows["variant"]) == ["reference", "<b>none"]
    # Class 0 has F1 4/6, the two others 0; the class that no clip shows counts as 0.
    assert list(rows["score"]) == pytest.approx([2 / 3, 2 / 9])
    assert rows["ceiling"].iloc[0] == 0.9
    assert rows["by_seed"].iloc[1] == pytest.approx([2 / 9])
    compared = figures.differences(analysis)
    assert list(compared["difference"]) == pytest.approx([-4 / 9])
    assert list(compared["p_holm"]) == [0.5]


def test_confusions(tiny: Study) -> None:
    rows = figures.confusions(analyse(tiny))
    found = rows[(rows["variant"] == "<b>none") & (rows["true"] == "surprise")]
    assert list(found["clips"]) == [2, 0, 0]
    assert list(found["share"]) == [1, 0, 0]
    assert rows[rows["true"] == "disgust"]["share"].isna().all()


def test_learning_curves_of_unequal_length(tiny: Study) -> None:
    rows = figures.learning_curves(analyse(tiny), "loss")
    found = rows[rows["variant"] == "<b>none"]
    assert list(found["epoch"]) == [1, 2]
    assert list(found["mean"]) == [3.0, 1.0]
    assert list(found["low"]) == pytest.approx([2.2, 1.0])
    assert list(found["cells"]) == [2, 1]
    assert figures.learning_curves(analyse(tiny), "no such term").empty


def test_subjects_and_costs(tiny: Study) -> None:
    analysis = analyse(tiny)
    rows = figures.subjects(analysis)
    assert list(rows["accuracy"]) == [1, 1, 0.5, 0.5]
    assert list(rows["clips"]) == [2, 2, 2, 2]
    assert list(figures.costs(analysis)["seconds"]) == [2.0, 1.0]


def test_an_enlarged_curve_leaves_out_the_first_epochs() -> None:
    rows = pd.DataFrame({"variant": "a", "epoch": [1, 2, 3, 4, 5], "mean": [5.0, 4.0, 3.0, 2.0, 1.0]})
    assert figures.enlarged(rows)["mean"].tolist() == [3.0, 2.0, 1.0]


def test_estimates(tiny: Study) -> None:
    rows = figures.estimates(analyse(tiny).components.effects)
    assert rows["name"].tolist() == ["au=off"] and rows["comparisons"].tolist() == [1]
    assert rows["value"].tolist() == pytest.approx([-4 / 9])


def right_in(study: Study, shares: dict[str, list[list[int]]]) -> Study:
    """A variant's cell of a seed and a subject has so many of two clips right: shares[variant][seed][subject]."""
    cells = {}
    for name, by_seed in shares.items():
        for seed, row in enumerate(by_seed):
            for subject, right in zip(study.subjects, row, strict=True):
                clips = [(f"{subject}_{clip:02d}", clip, clip if clip < right else 2) for clip in range(2)]
                cells[name, seed, subject] = make_cell(name, seed, subject, clips)
    return replace(study, cells=cells)


def test_variances_and_ranks(study_of: StudyOf) -> None:
    variants = tuple(StudyVariant(name=name, levels={}, is_reference=name == "a") for name in "abcdef")
    study = study_of(variants=variants, skill=dict.fromkeys("abcdef", 0.5), seeds=2, subjects=2, clips=2, ceilings=None)
    alike = {name: [[0, 1], [0, 0]] for name in "cdef"}
    analysis = analyse(right_in(study, {"a": [[2, 2], [2, 2]], "b": [[2, 1], [1, 0]], **alike}))
    rows = figures.variances(analysis).set_index("variant")
    # Of b's accuracies 1, 1/2; 1/2, 0 the means of seeds and of subjects are 3/4 and 1/4: variance 1/8 each, no rest.
    assert rows.loc["b"].tolist() == pytest.approx([1 / 8, 1 / 8, 0])
    assert rows.loc["a"].tolist() == [0, 0, 0]
    # Over seeds b has 3/4 and 1/4, the last four 0 and 1/4: they share ranks 3 to 6, and with b ranks 2 to 6.
    assert figures.ranks(analysis).values.tolist() == [["a", 1.0], ["b", 3.0], *([name, 4.25] for name in "cdef")]


def test_drawings_are_json_with_escaped_names(tiny: Study) -> None:
    analysis = analyse(tiny)
    scores, costs = figures.scores(analysis), figures.costs(analysis)
    drawn = [
        drawing.draw_scores(scores, "uf1", "95 %"),
        drawing.draw_differences(figures.differences(analysis), "uf1", "95 %"),
        drawing.draw_cost(costs, "parameters", "uf1"),
        drawing_cells.draw_learning(figures.learning_curves(analysis, "loss"), "loss", "reference", enlarged=False),
        drawing_cells.draw_subjects(figures.subjects(analysis)),
    ]
    for figure in drawn:
        written = json.dumps([figure.traces, figure.layout], allow_nan=False)
        assert "<b>none" not in written
        assert figure.alternative and figure.caption
    assert drawn[0].layout["yaxis"]["ticktext"] == ["reference", "&lt;b&gt;none"]
    assert drawn[0].traces[1]["x"] == [0.9]
