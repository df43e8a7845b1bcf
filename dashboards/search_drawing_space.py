"""The figures of a search's space: each setting alone, the important ones by two, and all of them at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dashboards import search_figures, text
from dashboards.drawing import Figure, Json, label, numbers
from dashboards.drawing_cells import HUES
from dashboards.search_axes import Axis

if TYPE_CHECKING:
    import pandas as pd

LEVELS = 6
"""Lines of a contour plot."""
TOP = ("best quarter", "@better", "diamond")
OTHERS = ("the others", "@faint", "circle")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "triangle-down", "cross", "x")
NO_SCORE = "Those that were stopped have no score and are not drawn."


def draw_slice(trials: pd.DataFrame, axis: Axis, name: str) -> Figure:
    """Scores along one setting, of every finished trial that has it."""
    data = search_figures.slices(trials, axis)
    studies = list(dict.fromkeys(data["study"]))
    traces: list[Json] = []
    for place, study in enumerate(studies):
        part = data[data["study"] == study]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label(str(study)),
                "x": numbers(part["place"]) if axis.choices else numbers(part[axis.setting].astype(float)),
                "y": numbers(part["score"]),
                "text": [f"trial {row['trial']}, {label(row[axis.setting])}" for row in part.to_dict("records")],
                "marker": {"size": 7, "color": f"@line{place % HUES}", "symbol": SYMBOLS[place % len(SYMBOLS)]},
                "hovertemplate": "%{text}: %{y:.3f}<extra></extra>",
            }
        )
    best = data.iloc[int(data["score"].argmax())]
    return Figure(
        name=_name("slice", axis),
        caption=f"{name} of each finished configuration along {axis.setting}. {NO_SCORE}",
        alternative=f"{name} along {axis.setting}, {' to '.join(axis.ends)}: highest, {text.score(best['score'])}, at "
        f"{best[axis.setting]}.",
        traces=traces,
        layout={
            "height": 280,
            "xaxis": _scale(axis),
            "yaxis": {"title": {"text": name}},
            "showlegend": len(studies) > 1,
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        },
        data=data,
    )


def draw_contour(trials: pd.DataFrame, across: Axis, up: Axis, name: str, column: str) -> Figure:
    """Lines of equal expected score over two settings, with the trials that they rest on."""
    data = search_figures.surface(trials, across, up, column)
    known = trials[trials[across.setting].notna() & trials[up.setting].notna()]
    write = text.score if column == "score" else text.signed
    traces = _lines(data, across, up, write)
    for chosen, (title, colour, symbol) in ((False, OTHERS), (True, TOP)):
        part = known[known["top"] == chosen]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": title,
                "x": numbers(part[across.setting].astype(float)),
                "y": numbers(part[up.setting].astype(float)),
                "text": [f"trial {row['trial']}: {text.score(row['score'])}" for row in part.to_dict("records")],
                "marker": {"size": 8, "color": colour, "symbol": symbol},
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    best = data.iloc[int(data["score"].argmax())]
    place = f"{across.setting} {best[across.setting]:.3g} and {up.setting} {best[up.setting]:.3g}"
    return Figure(
        name=f"{_name('contour', across)}-{_name('by', up)}",
        caption=f"{name} expected at two settings: the mean of all finished configurations, weighted by nearness. It "
        "is a guess between them, and left out where there are none.",
        alternative=f"{name} expected over {across.setting} and {up.setting}: highest, {write(best['score'])}, at "
        f"{place}.",
        traces=traces,
        layout={
            "height": 360,
            "xaxis": _scale(across),
            "yaxis": _scale(up),
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        },
        data=data,
    )


def draw_parallel(trials: pd.DataFrame, axes: Sequence[Axis], name: str) -> Figure:
    """All settings and the score side by side, a line for each finished trial."""
    scores = trials["score"].map(lambda score: f"{score:.6g}")
    score = Axis(setting=name, low=float(trials["score"].min()), high=float(trials["score"].max()) or 1.0)
    score_axis = [score] if score.low < score.high else []
    data = search_figures.parallel(trials.assign(**{name: scores}), [*axes, *score_axis])
    columns = [axis.setting for axis in [*axes, *score_axis]]
    traces: list[Json] = []
    for chosen, (title, colour, _) in ((False, OTHERS), (True, TOP)):
        xs: list[int | None] = []
        ys: list[float | None] = []
        for _, line in data[data["top"] == chosen].groupby(["study", "trial"], sort=False):
            xs += [*(columns.index(setting) for setting in line["setting"]), None]
            ys += [*numbers(line["place"]), None]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": title,
                "x": xs,
                "y": ys,
                "line": {"width": 2 if chosen else 1, "color": colour},
                "marker": {"size": 4, "color": colour},
                "hoverinfo": "skip",
            }
        )
    traces.append(_ends([*axes, *score_axis]))
    said = [f"{axis.setting} {_range(data, axis)}" for axis in axes]
    return Figure(
        name="parallel",
        caption="Every finished configuration as a line through its settings and, on the right, its score; the best "
        f"quarter stands out. Where a line breaks, the setting does not exist. {NO_SCORE}",
        alternative=f"Settings of the best quarter: {'; '.join(said)}.",
        traces=traces,
        layout={
            "height": 420,
            "xaxis": {
                "tickvals": list(range(len(columns))),
                "ticktext": [label(name) for name in columns],
                "range": [-0.4, len(columns) - 0.6],
                "zeroline": False,
            },
            "yaxis": {"visible": False, "range": [-0.12, 1.12]},
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        },
        data=data,
    )


def _lines(data: pd.DataFrame, across: Axis, up: Axis, write: Callable[[float], str]) -> list[Json]:
    """Contour lines of a surface; the higher the score, the darker."""
    from contourpy import contour_generator

    z = data["score"].to_numpy(float).reshape(search_figures.GRID, -1)
    line = np.linspace(0, 1, search_figures.GRID)
    contours = contour_generator(line, line, np.ma.masked_invalid(z))
    levels = np.linspace(np.nanmin(z), np.nanmax(z), LEVELS + 2)[1:-1]
    traces: list[Json] = []
    for rank, level in enumerate(levels.tolist()):
        xs: list[float | None] = []
        ys: list[float | None] = []
        paths = sorted((np.asarray(path) for path in contours.lines(level)), key=len, reverse=True)
        for path in paths:
            xs += [*numbers(across.value(place) for place in path[:, 0]), None]
            ys += [*numbers(up.value(place) for place in path[:, 1]), None]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+text",
                "x": xs,
                "y": ys,
                # The level stands once, in the middle of the longest line.
                "text": ["" if place != len(paths[0]) // 2 else write(level) for place in range(len(xs))],
                "textfont": {"size": 10},
                "line": {"width": 1.5, "color": f"@line0/{0.25 + 0.75 * rank / (LEVELS - 1):.2f}"},
                "hovertemplate": f"{write(level)}<extra></extra>",
                "showlegend": False,
            }
        )
    return traces


def _ends(axes: Sequence[Axis]) -> Json:
    """What the lowest and the highest place of each axis stand for; of choices, those between, too."""
    marks: list[tuple[int, float, str]] = []
    for column, axis in enumerate(axes):
        marks += [(column, -0.06, axis.ends[0]), (column, 1.06, axis.ends[1])]
        marks += [(column, axis.place(choice) or 0.0, choice) for choice in axis.choices[1:-1]]
    return {
        "type": "scatter",
        "mode": "text",
        "x": [mark[0] for mark in marks],
        "y": [mark[1] for mark in marks],
        "text": [label(mark[2]) for mark in marks],
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _range(data: pd.DataFrame, axis: Axis) -> str:
    """Between what the best quarter's values of a setting lie."""
    part = data[data["top"] & (data["setting"] == axis.setting) & data["place"].notna()]
    if part.empty:
        return text.NOTHING
    if axis.choices:
        return " or ".join(dict.fromkeys(part["value"]))
    ends = [axis.value(place) for place in (part["place"].min(), part["place"].max())]
    return f"{ends[0]:.3g} to {ends[1]:.3g}"


def _scale(axis: Axis) -> Json:
    title = {"title": {"text": label(axis.setting)}}
    if axis.choices:
        places = [axis.place(choice) for choice in axis.choices]
        return title | {"tickvals": places, "ticktext": [label(one) for one in axis.choices], "range": [-0.2, 1.2]}
    decades = 1 if axis.high >= 100 * axis.low else "D2"  # "D2": 1, 2 and 5 of each
    return title | ({"type": "log", "dtick": decades, "tickformat": "~g"} if axis.log else {})


def _name(kind: str, axis: Axis) -> str:
    """An identifier; the setting stands in the data as it is."""
    return f"{kind}-{re.sub(r'[^A-Za-z0-9_-]', '-', axis.setting)}"
