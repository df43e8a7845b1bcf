"""Figures for Plotly's basic bundle, as the JSON that it takes; colours are names that the page resolves.

Plotly is not imported: these dictionaries are all that its Python package would make, and the page carries the
JavaScript. A colour such as "@worse" is looked up in the page's style, so that one figure serves light, dark and print.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards import text
from dashboards.figures import BAND

if TYPE_CHECKING:
    import pandas as pd

Json = dict[str, Any]

# What a verdict looks like: colour and shape, so that neither is needed alone.
STYLES: dict[str, tuple[str, str, str]] = {
    "reference": ("reference", "@reference", "diamond"),
    "helps": ("better than the reference", "@better", "triangle-up"),
    "hurts": ("worse than the reference", "@worse", "triangle-down"),
    "inconclusive": ("inconclusive", "@unclear", "circle"),
    "not compared": ("not compared", "@unclear", "circle-open"),
}
LINES = ("solid", "dash", "dot", "dashdot")
HUES = 7
"""Number of the page's colours for lines: @line0 ... @line6."""
SHOWN_AT_FIRST = 7
"""Variants whose learning curves are drawn before the reader asks for more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One drawing with its words and its data."""

    name: str
    """Identifier on the page and name of the CSV."""
    caption: str
    """What is drawn, with the marks explained."""
    alternative: str
    """For those who do not see it: what it shows."""
    traces: list[Json]
    layout: Json
    data: pd.DataFrame


def label(name: str) -> str:
    """A name as Plotly shows it: its labels are a little HTML, so a name's own signs are escaped."""
    return html.escape(name, quote=False)


def draw_scores(rows: pd.DataFrame, metric: str, level: str) -> Figure:
    """Forest plot: score and interval of each variant, each seed's score, and the ceiling where it is known."""
    name = text.METRIC_NAMES[metric]
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "one seed",
            "x": [_round(value) for by_seed in rows["by_seed"] for value in by_seed],
            "y": [place for place, by_seed in enumerate(rows["by_seed"]) for _ in by_seed],
            "marker": {"size": 9, "symbol": "line-ns-open", "color": "@faint", "line": {"width": 1.5}},
            "hoverinfo": "skip",
        }
    ]
    if rows["ceiling"].notna().any():
        known = rows[rows["ceiling"].notna()]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "ceiling of the data",
                "x": _numbers(known["ceiling"]),
                "y": [int(place) for place in known.index],
                "marker": {"size": 20, "symbol": "line-ns-open", "color": "@ink", "line": {"width": 2}},
                "hovertemplate": "ceiling %{x:.3f}<extra></extra>",
            }
        )
    traces += _by_verdict(rows, "score")
    best = rows.iloc[0] if len(rows) else None
    alternative = f"{name} of {text.count(len(rows), 'variant')} with {level} intervals." + (
        f" Highest: {best['variant']} with {text.score(best['score'])}; lowest: {rows.iloc[-1]['variant']} with "
        f"{text.score(rows.iloc[-1]['score'])}."
        if best is not None
        else ""
    )
    return Figure(
        name="scores",
        caption=f"{name} of each variant: mean over seeds of the score pooled over all subjects, with its {level} "
        "interval from resampled subjects. Short grey ticks are single seeds."
        + (" Tall ticks mark the best score that these data allow." if rows["ceiling"].notna().any() else ""),
        alternative=alternative,
        traces=traces,
        layout=_rows_layout(rows["variant"], name, [0, 1.02]),
        data=rows,
    )


def draw_differences(rows: pd.DataFrame, metric: str, level: str) -> Figure:
    """Paired differences to the reference with their intervals."""
    name = text.METRIC_NAMES[metric]
    layout = _rows_layout(rows["variant"], f"difference in {name}", None)
    layout["xaxis"] |= {"zeroline": True, "zerolinecolor": "@reference", "zerolinewidth": 2}
    said = [
        f"{row.variant} {text.signed(row.difference)} {text.interval(_or_none(row.low), _or_none(row.high), sign=True)}"
        for row in rows.itertuples()
    ]
    return Figure(
        name="differences",
        caption=f"Difference in {name} to the reference on the same seeds and subjects, with its {level} interval (not "
        "adjusted for the number of comparisons; colour and shape are the verdict after Holm’s adjustment).",
        alternative=f"Difference in {name} to the reference: {'; '.join(said)}.",
        traces=_by_verdict(rows, "difference"),
        layout=layout,
        data=rows,
    )


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
            "y": [*_numbers(part["low"]), *_numbers(part["high"])[::-1]],
            "fill": "toself",
            "fillcolor": f"{colour}/0.10",
            "line": {"width": 0},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        line = {
            "x": epochs,
            "y": _numbers(part["mean"]),
            "name": label(str(name)),
            "line": {"width": 2, "color": colour, "dash": dash},
            "hovertemplate": f"{label(str(name))}<br>epoch %{{x}}: %{{y:.3f}}<extra></extra>",
        }
        traces += [common | band, common | line]
    ends = rows.groupby("variant", sort=False).tail(1)
    said = "; ".join(f"{row.variant} {row.mean:.3f}" for row in ends.itertuples())
    return Figure(
        name=f"training-{quantity}",
        caption=f"Training {quantity} by epoch: mean over folds and seeds; the band holds the middle {BAND[1] - BAND[0]} % of "
        "them. These are the clips trained on, never the held-out subject’s."
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
        "x": _numbers(rows["accuracy"]),
        "y": [
            round(rank[variant] + 0.56 * (order[subject] / spread - 0.5), 3)
            for variant, subject in zip(rows["variant"], rows["subject"], strict=True)
        ],
        "text": [
            f"{label(row.variant)}<br>{label(row.subject)}: {text.score(row.accuracy)} of {text.count(row.clips, 'clip')}"
            for row in rows.itertuples()
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
        layout=_rows_layout(names, "share of the subject’s clips that are right", [-0.03, 1.03], height=40),
        data=rows,
    )


def draw_cost(rows: pd.DataFrame, cost: str, metric: str) -> Figure:
    """Score against a cost: seconds a fold, or parameters."""
    title = {"seconds": "training seconds of a fold", "parameters": "parameters"}[cost]
    known = rows[rows[cost].notna()].reset_index(drop=True)
    traces = _by_verdict(known, "score", across=cost)
    said = "; ".join(
        f"{variant} {text.duration(value) if cost == 'seconds' else text.amount(int(value))}"
        for variant, value in zip(known["variant"], known[cost], strict=True)
    )
    return Figure(
        name=f"cost-{cost}",
        caption=f"{text.METRIC_NAMES[metric]} against {title}.",
        alternative=f"{title[0].upper()}{title[1:]} of each variant: {said}.",
        traces=traces,
        layout={
            "height": 340,
            "xaxis": {"title": {"text": title}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": text.METRIC_NAMES[metric]}},
            "legend": {"orientation": "h", "y": -0.25},
        },
        data=known,
    )


def _by_verdict(rows: pd.DataFrame, value: str, across: str | None = None) -> list[Json]:
    """One trace of points with intervals for each verdict; values run along x, or along y against a cost."""
    traces = []
    for verdict, (name, colour, symbol) in STYLES.items():
        part = rows[rows["verdict"] == verdict]
        if part.empty:
            continue
        along, other = ("y", "x") if across else ("x", "y")
        places = _numbers(part[across]) if across else [int(place) for place in part.index]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                along: _numbers(part[value]),
                other: places,
                f"error_{along}": {
                    "type": "data",
                    "symmetric": False,
                    "array": _numbers(part["high"] - part[value]),
                    "arrayminus": _numbers(part[value] - part["low"]),
                    "thickness": 2,
                    "width": 0,
                    "color": colour,
                },
                "marker": {"size": 11, "symbol": symbol, "color": colour},
                "text": [_hover(row, value) for row in part.to_dict("records")],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    return traces


def _hover(row: Json, value: str) -> str:
    write = text.signed if value == "difference" else text.score
    low, high = _or_none(row["low"]), _or_none(row["high"])
    line = f"{label(str(row['variant']))}<br>{write(row[value])} {text.interval(low, high, sign=value == 'difference')}"
    p = _or_none(row.get("p_holm"))
    return line if p is None else f"{line}<br>p {text.p_value(p)} (Holm)"


def _rows_layout(names: Any, title: str, extent: list[float] | None, height: int = 30) -> Json:
    """A layout with one row for each name, the first on top."""
    labels = [label(name) for name in names]
    return {
        "height": height * max(1, len(labels)) + 120,
        "xaxis": {"title": {"text": title}, **({"range": extent} if extent else {})},
        "yaxis": {
            "tickvals": list(range(len(labels))),
            "ticktext": labels,
            "range": [len(labels) - 0.4, -0.6],
            "showgrid": False,
            "zeroline": False,
        },
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    }


def _numbers(values: Any) -> list[float | None]:
    return [_round(value) for value in values]


def _round(value: float | None) -> float | None:
    number = _or_none(value)
    return None if number is None else float(f"{number:.5g}")


def _or_none(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
