"""The figures of a search: how it went, who was stopped where, and what mattered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboards import text
from dashboards.drawing import Figure, Json, label, numbers, rows_layout
from dashboards.search_study import LESS_IS_BETTER, StudyOfTrials

if TYPE_CHECKING:
    import pandas as pd

AXES = {"seconds": "training seconds of a fold", "parameters": "parameters"}


def history(study: StudyOfTrials, metric: str) -> pd.DataFrame:
    """One row a finished trial: number, score, and the best so far. Stopped ones have no score and are not in it."""
    import pandas as pd

    rows = [(trial.number, trial.values[0]) for trial in study.trials if trial.state == "finished"]
    table = pd.DataFrame(rows, columns=["trial", metric])
    table["best"] = table[metric].cummax()
    return table


def draw_history(studies: Sequence[StudyOfTrials], metric: str) -> Figure:
    """Scores of finished trials in the order in which they were asked for, and the best so far of each study."""
    import pandas as pd

    tables = [history(study, metric).assign(study=study.name) for study in studies]
    data = pd.concat(tables, ignore_index=True)
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
    for table in tables:
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "best so far" if len(tables) == 1 else f"best so far, {label(str(table['study'].iloc[0]))}",
                "x": [int(number) for number in table["trial"]],
                "y": numbers(table["best"]),
                "line": {"shape": "hv", "width": 2, "color": "@better" if len(tables) == 1 else "@reference"},
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


def draw_front(study: StudyOfTrials, objectives: Sequence[str]) -> Figure:
    """The first objective against the second, with the configurations that no other beats."""
    import pandas as pd

    front = {trial.number for trial in study.front}
    rows = [(t.number, *t.values, t.number in front) for t in study.trials if t.state == "finished"]
    data = pd.DataFrame(rows, columns=["trial", *objectives, "front"])
    traces: list[Json] = []
    for chosen, name, colour in ((False, "beaten in every objective", "@faint"), (True, "beaten by none", "@better")):
        part = data[data["front"] == chosen]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": numbers(part[objectives[1]]),
                "y": numbers(part[objectives[0]]),
                "text": [f"trial {number}" for number in part["trial"]],
                "marker": {"size": 9, "color": colour, "symbol": "diamond" if chosen else "circle"},
                "hovertemplate": "%{text}: %{y:.3f}, %{x:.3g}<extra></extra>",
            }
        )
    first, second = (AXES.get(name, text.METRIC_NAMES.get(name, name)) for name in objectives[:2])
    better = "less" if objectives[1] in LESS_IS_BETTER else "more"
    return Figure(
        name="front",
        caption=f"{first} against {second}, of which {better} is better.",
        alternative=f"{first} against {second}: {text.count(len(front), 'configuration')} of {len(data)} are beaten "
        "by none.",
        traces=traces,
        layout=_plane(second, first),
        data=data,
    )


def draw_stops(studies: Sequence[StudyOfTrials]) -> Figure:
    """How many folds each configuration was given."""
    import pandas as pd

    rows = [
        (study.name, trial.number, trial.state, trial.folds)
        for study in studies
        for trial in study.trials
        if trial.state in ("finished", "stopped", "failed")
    ]
    data = pd.DataFrame(rows, columns=["study", "trial", "state", "folds"])
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
                "marker": {"size": 8, "color": colour, "symbol": symbol},
                "hovertemplate": "trial %{x}: %{y} folds<extra></extra>",
            }
        )
    counts = data["state"].value_counts()
    said = ", ".join(f"{counts.get(state, 0)} {state}" for state in styles)
    return Figure(
        name="stops",
        caption="Folds that each configuration was given before it was finished, stopped or failed.",
        alternative=f"Folds of each configuration: {said}.",
        traces=traces,
        layout=_plane("trial", "folds"),
        data=data,
    )


def draw_importance(study: StudyOfTrials) -> Figure:
    """Share of each parameter in what tells the better trials from the others."""
    import pandas as pd

    shares = sorted(study.importance.items(), key=lambda item: -item[1])
    data = pd.DataFrame(shares, columns=["parameter", "importance"])
    said = "; ".join(f"{name} {text.score(share)}" for name, share in shares)
    return Figure(
        name="importance",
        caption="Importance by PED-ANOVA: how differently the better trials are spread along a parameter, as a share "
        "of all. It speaks of this space and this sampler, and rests on finished trials alone.",
        alternative=f"Importance: {said}.",
        traces=[
            {
                "type": "scatter",
                "mode": "markers",
                "x": numbers(data["importance"]),
                "y": list(range(len(data))),
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [0] * len(data),
                    "arrayminus": numbers(data["importance"]),
                    "thickness": 3,
                    "width": 0,
                    "color": "@reference",
                },
                "marker": {"size": 10, "color": "@reference"},
                "hovertemplate": "%{x:.3f}<extra></extra>",
            }
        ],
        layout=rows_layout(data["parameter"], "share", [0, 1.02], legend=False),
        data=data,
    )


def _plane(across: str, up: str) -> Json:
    return {
        "height": 360,
        "xaxis": {"title": {"text": across}},
        "yaxis": {"title": {"text": up}},
        "legend": {"orientation": "h", "y": -0.25},
    }
