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


def draw_learning(rows: pd.DataFrame, quantity: str, reference: str | None) -> Figure:
    """Training loss or accuracy against epoch: mean over cells, with a band for few variants."""
    names = list(dict.fromkeys(rows["variant"]))
    shown = set(names[:SHOWN_AT_FIRST]) | {reference}
    traces: list[Json] = []
    for place, (name, part) in enumerate(rows.groupby("variant", sort=False)):
        colour, dash = f"@line{place % HUES}", LINES[place // HUES % len(LINES)]
        visible: bool | str = True if name in shown else "legendonly"
        epochs = [int(epoch) for epoch in part["epoch"]]
        common = {"type": "scatter", "mode": "lines", "legendgroup": str(place), "visible": visible}
        band = {
            "x": [*epochs, *epochs[::-1]],
            "y": [*numbers(part["low"]), *numbers(part["high"])[::-1]],
            "fill": "toself",
            "fillcolor": f"{colour}/0.10",
            "line": {"width": 0},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        line = {
            "x": epochs,
            "y": numbers(part["mean"]),
            "name": label(str(name)),
            "line": {"width": 2, "color": colour, "dash": dash},
            "hovertemplate": f"{label(str(name))}<br>epoch %{{x}}: %{{y:.3f}}<extra></extra>",
        }
        traces += [common | band, common | line]
    ends = rows.groupby("variant", sort=False).tail(1)
    said = "; ".join(f"{row.variant} {row.mean:.3f}" for row in ends.itertuples())
    return Figure(
        name=f"training-{quantity}",
        caption=f"Training {quantity} by epoch: mean over folds and seeds; the band holds the middle "
        f"{BAND[1] - BAND[0]} % of them. These are the clips trained on, not those that are scored."
        + (" More variants appear when their names are clicked." if len(names) > len(shown) else ""),
        alternative=f"Training {quantity} at the last epoch: {said}.",
        traces=traces,
        layout={
            "height": 340,
            "xaxis": {"title": {"text": "epoch"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": f"training {quantity}"}, "rangemode": "tozero"},
            "legend": {"orientation": "h", "y": -0.25},
            "meta": {"legendRows": len(names)},
        },
        data=rows,
    )


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
