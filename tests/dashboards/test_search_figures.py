"""The data of a search's figures on literal numbers; what was stopped is in none that shows scores."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboards import search_figures
from dashboards.search_axes import Axis, find_axes
from dashboards.search_drawing_space import draw_contour, draw_parallel, draw_slice
from dashboards.search_page import draw
from dashboards.search_study import SearchStudy, SearchTrial, StudyOfTrials


def trial(number: int, state: Any, *values: float, seconds: float = 20.0, **settings: str) -> SearchTrial:
    named = {f"loss.{name}": value for name, value in settings.items()}
    folds = 8 if state == "stopped" else 10
    return SearchTrial(number=number, state=state, settings=named, values=values, folds=folds, seconds=seconds)


TRIALS = (
    trial(0, "finished", 0.60, w="0.1", levels="true", seconds=10.0),
    trial(1, "stopped", w="5", levels="true"),
    trial(2, "finished", 0.70, w="10", levels="false", seconds=30.0),
    trial(3, "failed", w="7", levels="true"),
    trial(4, "finished", 0.65, w="1", levels="true", beta="3", seconds=40.0),
    trial(5, "finished", 0.50, w="1", levels="true", beta="2", seconds=5.0),
)
ONE = StudyOfTrials(
    name="one", trials=TRIALS, folds=10, races=True, importance={"uf1": {"w": 0.6, "au": 0.4}}, best=TRIALS[2]
)
TWO = StudyOfTrials(
    name="two",
    trials=(trial(0, "finished", 0.90, w="2"), trial(1, "stopped", w="2")),
    folds=10,
    races=True,
    importance={"uf1": {"w": 0.4}},
    held_out_score=0.5,
    best=trial(0, "finished", 0.90, w="2"),
)
NONE = StudyOfTrials(name="none", trials=(trial(0, "stopped", w="2"),), folds=10, races=True)


def test_finished_trials_with_the_best_quarter_of_each_study() -> None:
    table = search_figures.finished([ONE, TWO, NONE])
    assert list(table["trial"]) == [0, 2, 4, 5, 0]
    assert list(table["top"]) == [False, True, False, False, True]
    # The median of .60, .70, .65 and .50 is .625.
    assert list(table["relative"]) == pytest.approx([-0.025, 0.075, 0.025, -0.125, 0.0])
    assert list(table["loss.w"]) == ["0.1", "10", "1", "1", "2"]
    assert table["loss.beta"].isna().tolist() == [True, True, False, False, True]


def test_nobody_beats_the_front_in_score_and_seconds() -> None:
    table = search_figures.front([ONE, TWO], ["uf1"])
    assert list(table["seconds"]) == [1.0, 3.0, 4.0, 0.5, 2.0]
    # .65 in 4 s loses to .70 in 3 s; the other study's .90 in 2 s is not compared.
    assert list(table["front"]) == [True, True, False, True, True]
    both = tuple(
        trial(number, "finished", *values) for number, values in enumerate([(0.6, 0.5), (0.5, 0.6), (0.5, 0.5)])
    )
    several = StudyOfTrials(name="s", trials=both, folds=10, races=False, signs=(1, 1))
    assert list(search_figures.front([several], ["uf1", "uar"])["front"]) == [True, True, False]


def test_the_race_says_who_was_stopped_where() -> None:
    table = search_figures.stops([ONE, TWO])
    stopped = table[table["state"] == "stopped"]
    assert stopped.values.tolist() == [["one", 1, "stopped", 8, 10], ["two", 1, "stopped", 8, 10]]
    assert len(table) == 8


def test_importance_and_its_mean() -> None:
    table = search_figures.importance([ONE, TWO, NONE], "uf1")
    assert list(table["parameter"]) == ["w", "w", "au"]
    assert list(table["mean"]) == pytest.approx([0.5, 0.5, 0.4])


def test_tuned_on_and_held_out() -> None:
    table = search_figures.tuned_and_held_out([ONE, TWO, NONE])
    assert list(table["group"]) == ["one", "two"]
    assert list(table["tuned_on"]) == [0.70, 0.90]
    assert np.isnan(table["held_out"].iloc[0]) and table["held_out"].iloc[1] == 0.5


def test_axes() -> None:
    found = {axis.setting: axis for axis in find_axes(search_figures.finished([ONE]), {"loss.w": 0.2, "sim": 0.6})}
    # The simplex's .6 is the two parts', .3 each, more than w's.
    assert list(found) == ["loss.levels", "loss.beta", "loss.w"]
    assert found["loss.w"] == Axis(setting="loss.w", low=0.1, high=10.0, log=True)
    assert [found["loss.w"].place(value) for value in ("0.1", "1", "10", None)] == pytest.approx([0, 0.5, 1, None])
    assert found["loss.w"].value(0.5) == pytest.approx(1.0)
    assert not found["loss.beta"].log and found["loss.beta"].place("2.5") == 0.5
    assert found["loss.levels"].choices == ("true", "false") and found["loss.levels"].place("false") == 1.0


def test_an_evenly_spread_axis_is_not_logarithmic() -> None:
    table = pd.DataFrame({"top": [False] * 5, "a": ["0.04", "0.5", "1", "1.5", "2"], "b": ["1"] * 5})
    assert find_axes(table, {}) == [Axis(setting="a", low=0.04, high=2.0)]


def test_slices_and_parallel_lines() -> None:
    table = search_figures.finished([ONE])
    axes = {axis.setting: axis for axis in find_axes(table, {})}
    rows = search_figures.slices(table, axes["loss.beta"])
    assert rows.values.tolist() == [["one", 4, "3", 0.65, 1.0], ["one", 5, "2", 0.50, 0.0]]
    lines = search_figures.parallel(table, [axes["loss.w"], axes["loss.beta"]])
    assert list(lines["trial"]) == [0, 0, 2, 2, 4, 4, 5, 5]
    assert list(lines["place"].fillna(-1)) == pytest.approx([0, -1, 1, -1, 0.5, 1, 0.5, 0])


def test_a_surface_is_the_mean_of_near_trials() -> None:
    table = pd.DataFrame({"a": ["0", "1", "1"], "b": ["0", "0", "0"], "score": [0.6, 0.8, 0.9]})
    across, up = Axis(setting="a"), Axis(setting="b")
    rows = search_figures.surface(table, across, up, "score").set_index(["x", "y"])["score"]
    half = search_figures.GRID // 2
    line = np.linspace(0, 1, search_figures.GRID)
    # At a = 1 the first trial weighs exp(-1 / (2 0.12^2)), nothing.
    assert rows[line[-1], 0.0] == pytest.approx(0.85)
    assert rows[0.0, 0.0] == pytest.approx(0.6)
    # Half-way all three are half an axis away: farther than .24, so nothing is said there.
    assert np.isnan(rows[line[half], 0.0]) and np.isnan(rows[0.0, 1.0])
    near = table.assign(a=["0.4", "0.6", "0.6"])
    middle = search_figures.surface(near, across, up, "score").set_index(["x", "y"])["score"]
    assert middle[line[half], 0.0] == pytest.approx((0.6 + 0.8 + 0.9) / 3)


def study(*studies: StudyOfTrials, **changes: Any) -> SearchStudy:
    fields: dict[str, Any] = {
        "cluster_name": "search",
        "question": "Which?",
        "objectives": ("uf1",),
        "optimistic": True,
        "studies": studies,
        "clips_per_subject": {},
    }
    return SearchStudy(**fields | changes)


def many(number: int = 24) -> StudyOfTrials:
    rng = np.random.default_rng(0)
    trials = []
    for place in range(number):
        a, b = rng.random(2)
        values = () if place % 3 == 0 else (0.8 - (a - 0.5) ** 2 - b**2 / 9,)
        trials.append(trial(place, "finished" if values else "stopped", *values, a=f"{a:.6g}", b=f"{b:.6g}", c="<i>$x"))
    return StudyOfTrials(name="<b>many", trials=trials, folds=10, races=True, importance={"uf1": {"loss.a": 1.0}})


@pytest.mark.parametrize("studies", [[many()], [many(), ONE], [ONE, TWO, NONE]])
def test_every_figure_is_json_with_words_and_without_stopped_scores(studies: list[StudyOfTrials]) -> None:
    drawn = [figure for figures in draw(study(*studies)).values() for figure in figures]
    stopped = {(one.name, t.number) for one in studies for t in one.trials if t.state == "stopped"}
    assert len({figure.name for figure in drawn}) == len(drawn) > 4
    for figure in drawn:
        written = json.dumps([figure.traces, figure.layout], allow_nan=False)
        assert "<b>many" not in written and "<i>" not in written
        assert figure.alternative and figure.caption and len(figure.data)
        if figure.name != "stops" and {"study", "trial"} <= set(figure.data.columns):
            shown = set(zip(figure.data["study"], figure.data["trial"], strict=True))
            assert not shown & stopped


def test_figures_of_a_space_say_what_is_best() -> None:
    table = search_figures.finished([many()])
    axes = find_axes(table, {"loss.a": 0.9, "loss.b": 0.1})
    assert [axis.setting for axis in axes] == ["loss.a", "loss.b"]
    best = table.loc[table["score"].idxmax()]
    assert f", at {best['loss.a']}." in draw_slice(table, axes[0], "UF1").alternative
    contour = draw_contour(table, axes[0], axes[1], "UF1", "score")
    assert contour.name == "contour-loss-a-by-loss-b" and len(contour.data) == search_figures.GRID**2
    assert draw_parallel(table, axes, "UF1").layout["xaxis"]["ticktext"] == ["loss.a", "loss.b", "UF1"]
