"""The figures of a search's trials: how it went, who was stopped where, what mattered, and what choosing flatters."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from dashboards import search_figures, text
from dashboards.drawing import Figure, Json, label, numbers, or_none, rows_layout
from dashboards.drawing_cells import HUES, LINES
from dashboards.search_study import LESS_IS_BETTER, StudyOfTrials

AXES = {"seconds": "training seconds of a fold", "parameters": "parameters"}


def draw_history(studies: Sequence[StudyOfTrials], metric: str) -> Figure:
    """Scores of finished trials in the order in which they were asked for, and the best so far of each study."""
    import pandas as pd

    tables = {study.name: search_figures.history(study, metric) for study in studies}
    tables = {name: table.assign(study=name) for name, table in tables.items() if len(table)}
    data = pd.concat(tables.values(), ignore_index=True)
    name = text.METRIC_NAMES.get(metric, metric)
    traces: list[Json] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "finished",
            "x": [int(number) for number in data["trial"]],
            "y": numbers(data[metric]),
            "marker": {"size": 8, "color": "@faint"},
            "hovertemplate": "trial %{x}: %{y:.3f}<extra></extra>",
        }
    ]
    for place, (study, table) in enumerate(tables.items()):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "best so far" if len(studies) == 1 else f"best so far, {label(study)}",
                "x": [int(number) for number in table["trial"]],
                "y": numbers(table["best"]),
                "line": {"shape": "hv", "width": 2, "color": f"@line{place % HUES}", "dash": LINES[place % len(LINES)]},
                "hoverinfo": "skip",
            }
        )
    return Figure(
        name="history",
        caption=f"{name} of each finished configuration by its number, and the best so far. Those that were stopped "
        "have no score and are not drawn.",
        alternative=f"{name} of {text.count(len(data), 'finished configuration')}, "
        f"from {text.score(data[metric].min())} to {text.score(data[metric].max())}.",
        traces=traces,
        layout=_plane("trial", name),
        data=data,
    )


def draw_front(studies: Sequence[StudyOfTrials], objectives: Sequence[str]) -> Figure:
    """The first objective against the second, or against seconds, with the configurations that no other beats."""
    data = search_figures.front(studies, objectives)
    up, across = data.columns[2:4]
    traces: list[Json] = []
    names = {False: "beaten", True: "beaten by none in both"}
    for unbeaten, colour in ((False, "@faint"), (True, "@better")):
        part = data[data["front"] == unbeaten]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": names[unbeaten],
                "x": numbers(part[across]),
                "y": numbers(part[up]),
                "text": [_who(row, len(studies) > 1) for row in part.to_dict("records")],
                "marker": {"size": 9, "color": colour, "symbol": "diamond" if unbeaten else "circle"},
                "hovertemplate": "%{text}: %{y:.3f}, %{x:.3g}<extra></extra>",
            }
        )
    first, second = (AXES.get(name, text.METRIC_NAMES.get(name, name)) for name in (up, across))
    better = "less" if across in LESS_IS_BETTER else "more"
    best = text.count(int(data["front"].sum()), "configuration")
    return Figure(
        name="front",
        caption=f"{first} against {second}, of which {better} is better. Those that were stopped have no score and are "
        "not drawn.",
        alternative=f"{first} against {second}: {best} of {len(data)} are beaten by none of their study in both.",
        traces=traces,
        layout=_plane(second, first),
        data=data,
    )


def draw_stops(studies: Sequence[StudyOfTrials]) -> Figure:
    """How many folds each configuration was given."""
    data = search_figures.stops(studies)
    styles = {"finished": ("@better", "circle"), "stopped": ("@unclear", "x"), "failed": ("@worse", "triangle-down")}
    traces: list[Json] = []
    for state, (colour, symbol) in styles.items():
        part = data[data["state"] == state]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": state,
                "x": [int(number) for number in part["trial"]],
                "y": [int(folds) for folds in part["folds"]],
                "text": [_who(row, len(studies) > 1) for row in part.to_dict("records")],
                "marker": {"size": 8, "color": colour, "symbol": symbol},
                "hovertemplate": "%{text}: %{y} folds<extra></extra>",
            }
        )
    counts = data["state"].value_counts()
    stopped = data[data["state"] == "stopped"].to_dict("records")
    said = [", ".join(f"{counts.get(state, 0)} {state}" for state in styles)]
    said += [f"{_who(row, len(studies) > 1)} stopped after {row['folds']} of {row['of']}" for row in stopped]
    return Figure(
        name="stops",
        caption="Folds that each configuration was given before it was finished, stopped or failed, by its number. All "
        "meet the subjects in one order.",
        alternative=f"Folds of each configuration: {'; '.join(said)}.",
        traces=traces,
        layout=_plane("trial", "folds"),
        data=data,
    )


def draw_importance(studies: Sequence[StudyOfTrials], objective: str, conditions: Mapping[str, str]) -> Figure:
    """Share of each parameter in what tells the better trials from the others: of each study, and the mean.

    Args:
        studies: with trials enough.
        objective: by which trials are better.
        conditions: of parameters that are not always there.
    """
    data = search_figures.importance(studies, objective)
    means = data.drop_duplicates("parameter")[["parameter", "mean"]].reset_index(drop=True)
    rows = {name: place for place, name in enumerate(means["parameter"])}
    said = "; ".join(f"{row['parameter']} {text.score(row['mean'])}" for row in means.to_dict("records"))
    several = data["study"].nunique() > 1
    name = text.METRIC_NAMES.get(objective, objective)
    better = "less" if objective in LESS_IS_BETTER else "more"
    there = [f"{one} (with {conditions[one]})" for one in rows if one in conditions]
    some = f" Not always there, and judged by the trials that have it: {', '.join(there)}." if there else ""
    bars: Json = {
        "type": "scatter",
        "mode": "markers",
        "name": "mean",
        "x": numbers(means["mean"]),
        "y": list(rows.values()),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [0] * len(means),
            "arrayminus": numbers(means["mean"]),
            "thickness": 3,
            "width": 0,
            "color": "@reference",
        },
        "marker": {"size": 10, "color": "@reference"},
        "hovertemplate": "%{x:.3f}<extra></extra>",
    }
    each: Json = {
        "type": "scatter",
        "mode": "markers",
        "name": "one study",
        "x": numbers(data["importance"]),
        "y": [rows[name] for name in data["parameter"]],
        "text": [label(str(name)) for name in data["study"]],
        "marker": {"size": 7, "color": "@faint", "symbol": "circle-open"},
        "hovertemplate": "%{text}: %{x:.3f}<extra></extra>",
    }
    return Figure(
        name=f"importance-{objective}",
        caption=f"Importance for {name} ({better} is better) by PED-ANOVA: how differently the best tenth of the trials"
        f" is spread along a parameter, as a share of all{', in each study and in the mean' if several else ''}. It "
        f"speaks of this space and this sampler, and rests on finished trials alone.{some}",
        alternative=f"Importance for {name}: {said}.",
        traces=[bars, each] if several else [bars],
        layout=rows_layout(means["parameter"], "share", [0, 1.02], legend=several),
        data=data,
    )


def draw_honest(studies: Sequence[StudyOfTrials], metric: str) -> Figure:
    """Each group's score on the subjects that chose its configuration, and on those that did not."""
    data = search_figures.tuned_and_held_out(studies)
    name = text.METRIC_NAMES.get(metric, metric)
    styles = {"tuned_on": ("tuned on", "@unclear", "circle-open"), "held_out": ("held out", "@reference", "diamond")}
    rows = data.to_dict("records")
    traces: list[Json] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [end for row in rows for end in (*numbers([row["tuned_on"], row["held_out"]]), None)],
            "y": [end for place in range(len(rows)) for end in (place, place, None)],
            "line": {"width": 2, "color": "@faint"},
            "hoverinfo": "skip",
            "showlegend": False,
        }
    ]
    for column, (title, colour, symbol) in styles.items():
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": title,
                "x": numbers(data[column]),
                "y": list(range(len(rows))),
                "marker": {"size": 11, "color": colour, "symbol": symbol},
                "hovertemplate": f"{title} %{{x:.3f}}<extra></extra>",
            }
        )
    said = [
        f"{row['group']} {text.score(row['tuned_on'])} tuned on, {text.score(or_none(row['held_out']))} held out"
        for row in rows
    ]
    return Figure(
        name="honest",
        caption=f"{name} of what each group chose: on the subjects that chose it, and on the group’s own, which did "
        "not.",
        alternative=f"{name}: {'; '.join(said)}.",
        traces=traces,
        layout=rows_layout(data["group"], name, [0, 1.02]),
        data=data,
    )


def _who(row: Mapping[Hashable, Any], several: bool) -> str:
    return f"{label(str(row['study']))}, trial {row['trial']}" if several else f"trial {row['trial']}"


def _plane(across: str, up: str) -> Json:
    return {
        "height": 360,
        "xaxis": {"title": {"text": across}},
        "yaxis": {"title": {"text": up}},
        "legend": {"orientation": "h", "y": -0.25},
    }
