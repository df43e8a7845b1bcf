"""Figures below the level of a variant: how its cells learned, and how each subject fared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards import text
from dashboards.drawing import Figure, Json, label, numbers, rows_layout
from dashboards.figures import BAND

if TYPE_CHECKING:
    import pandas as pd

LINES = ("solid", "dash", "dot", "dashdot")
HUES = 7
"""Number of the page's colours for lines: @line0 ... @line6."""
SHOWN_AT_FIRST = 7
"""Variants whose learning curves are drawn before the reader asks for more."""


def draw_learning(rows: pd.DataFrame, quantity: str, reference: str | None, *, enlarged: bool) -> Figure:
    """Training loss or accuracy against epoch, whole or enlarged: mean over cells, with a band for few variants."""
    names = list(dict.fromkeys(rows["variant"]))
    shown = set(names[:SHOWN_AT_FIRST]) | {reference}
    traces: list[Json] = []
    for place, (name, part) in enumerate(rows.groupby("variant", sort=False)):
        line = _curve(place, str(name), part) | {"visible": True if name in shown else "legendonly"}
        band = {key: line[key] for key in ("type", "mode", "legendgroup", "visible")} | {
            "x": [*line["x"], *line["x"][::-1]],
            "y": [*numbers(part["low"]), *numbers(part["high"])[::-1]],
            "fill": "toself",
            "fillcolor": f"{line['line']['color']}/0.10",
            "line": {"width": 0},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        traces += [band, line]
    return Figure(
        name=f"training-{quantity}{'-enlarged' if enlarged else ''}",
        caption=f"Training {quantity} {_view(rows, enlarged)}: mean over folds and seeds; the band holds the middle "
        f"{BAND[1] - BAND[0]} % of them. These are the clips trained on, not those that are scored."
        + (" More variants appear when their names are clicked." if len(names) > len(shown) else ""),
        alternative=_at_the_end(rows, quantity),
        traces=traces,
        layout=_curves_layout(quantity, len(names), "normal" if enlarged else "tozero"),
        data=rows,
    )


def draw_methods_learning(rows: pd.DataFrame, quantity: str, *, enlarged: bool) -> Figure:
    """Training loss or accuracy of every method against epoch, whole or enlarged, as the paper's Figures 3 to 18."""
    groups = [(str(name), part) for name, part in rows.groupby("variant", sort=False)]
    own = " Each method lowers its own loss, so that levels cannot be compared." if quantity == "loss" else ""
    return Figure(
        name=f"training-{quantity}{'-enlarged' if enlarged else ''}",
        caption=f"Training {quantity} of each method {_view(rows, enlarged)}: mean over folds and seeds, on the clips "
        f"trained on.{own}",
        alternative=_at_the_end(rows, quantity),
        traces=[_curve(place, name, part) for place, (name, part) in enumerate(groups)],
        layout=_curves_layout(quantity, len(groups), "normal" if enlarged else "tozero"),
        data=rows,
    )


def _view(rows: pd.DataFrame, enlarged: bool) -> str:
    return f"from epoch {rows['epoch'].min()} on, enlarged" if enlarged else "by epoch"


def _curve(place: int, name: str, part: pd.DataFrame) -> Json:
    """One variant's mean."""
    return {
        "type": "scatter",
        "mode": "lines",
        "legendgroup": str(place),
        "x": [int(epoch) for epoch in part["epoch"]],
        "y": numbers(part["mean"]),
        "name": label(name),
        "line": {"width": 2, "color": f"@line{place % HUES}", "dash": LINES[place // HUES % len(LINES)]},
        # Not the name itself, which may look like a placeholder.
        "hovertemplate": "%{fullData.name}<br>epoch %{x}: %{y:.3f}<extra></extra>",
    }


def _curves_layout(quantity: str, names: int, start: str) -> Json:
    return {
        "height": 340,
        "xaxis": {"title": {"text": "epoch"}, "rangemode": start},
        "yaxis": {"title": {"text": f"training {quantity}"}, "rangemode": start},
        "legend": {"orientation": "h", "y": -0.25},
        "meta": {"legendRows": names},
    }


def _at_the_end(rows: pd.DataFrame, quantity: str) -> str:
    ends = rows.groupby("variant", sort=False).tail(1)
    said = "; ".join(f"{row.variant} {row.mean:.3f}" for row in ends.itertuples())
    return f"Training {quantity} at the last epoch: {said}."


def draw_subjects(rows: pd.DataFrame) -> Figure:
    """Strip of subjects: one point for each subject in each variant."""
    names = list(dict.fromkeys(rows["variant"]))
    rank = {name: place for place, name in enumerate(names)}
    order = {subject: place for place, subject in enumerate(sorted(set(rows["subject"])))}
    # A subject keeps its height in every row, so that it can be followed from variant to variant.
    spread = max(1, len(order) - 1)
    hardest = rows.groupby("subject")["accuracy"].mean().sort_values(kind="stable")
    said = ", ".join(f"{subject} ({text.score(value)})" for subject, value in hardest.head(3).items())
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(rows["accuracy"]),
        "y": [
            round(rank[variant] + 0.56 * (order[subject] / spread - 0.5), 3)
            for variant, subject in zip(rows["variant"], rows["subject"], strict=True)
        ],
        "text": [
            f"{label(row['variant'])}<br>{label(row['subject'])}: {text.score(row['accuracy'])} of "
            + text.count(row["clips"], "clip")
            for row in rows.to_dict("records")
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "color": "@line0/0.55",
            "size": [round(min(18.0, 4 + 1.6 * clips**0.5), 1) for clips in rows["clips"]],
            "line": {"width": 0.5, "color": "@paper"},
        },
        "showlegend": False,
    }
    return Figure(
        name="subjects",
        caption="Share of each held-out subject’s clips that are classified correctly, mean over seeds. One point a "
        "subject, larger with more clips; a subject has the same height in every row.",
        alternative=f"Accuracy by subject and variant. Hardest subjects over all variants: {said}."
        if said
        else "No subject has been scored.",
        traces=[trace],
        layout=rows_layout(names, "share of the subject’s clips that are right", [-0.03, 1.03], legend=False),
        data=rows,
    )
