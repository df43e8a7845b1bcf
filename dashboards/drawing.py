"""Figures for Plotly's basic bundle, as the JSON that it takes; colours are names that the page resolves.

Plotly is not imported: these dictionaries are all that its Python package would make, and the page carries the
JavaScript. A colour such as "@worse" is looked up in the page's style, so that one figure serves light, dark and print.
"""

from __future__ import annotations

import html
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards import text

if TYPE_CHECKING:
    import pandas as pd

Json = dict[str, Any]

# What a verdict looks like: colour and shape, so that neither is needed alone.
STYLES: dict[str, tuple[str, str, str]] = {
    "reference": ("reference", "@reference", "diamond"),
    "helps": ("better than the reference", "@better", "triangle-up"),
    "hurts": ("worse than the reference", "@worse", "triangle-down"),
    "equivalent": ("no measurable difference within the margin", "@unclear", "square"),
    "inconclusive": ("inconclusive", "@unclear", "circle"),
    "not compared": ("not compared", "@unclear", "circle-open"),
}


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
    """A name as Plotly shows it: its labels are a little HTML and TeX, so a name's own signs are escaped."""
    return html.escape(name, quote=False).replace("$", "&#36;")


def draw_scores(rows: pd.DataFrame, metric: str, level: str) -> Figure:
    """Forest plot: score and interval of each variant, each seed's score, and the ceiling where it is known."""
    name = text.METRIC_NAMES[metric]
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "one seed",
            "x": [rounded(value) for by_seed in rows["by_seed"] for value in by_seed],
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
                "x": numbers(known["ceiling"]),
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
        layout=rows_layout(rows["variant"], name, [0, 1.02]),
        data=rows,
    )


def draw_differences(rows: pd.DataFrame, metric: str, level: str) -> Figure:
    """Paired differences to the reference with their intervals."""
    name = text.METRIC_NAMES[metric]
    layout = rows_layout(rows["variant"], f"difference in {name}", None)
    layout["xaxis"] |= {"rangemode": "tozero", "zeroline": True, "zerolinecolor": "@reference", "zerolinewidth": 2}
    said = [
        f"{row['variant']} {text.signed(row['difference'])} "
        + text.interval(or_none(row["low"]), or_none(row["high"]), sign=True)
        for row in rows.to_dict("records")
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


def draw_cost(rows: pd.DataFrame, cost: str, metric: str) -> Figure:
    """Score against a cost: seconds a fold, or parameters."""
    title = {"seconds": "training seconds of a fold", "parameters": "parameters"}[cost]
    known = rows[rows[cost].notna()]
    traces = _by_verdict(known, "score", across=cost)
    said = "; ".join(
        f"{variant} {text.duration(value) if cost == 'seconds' else text.amount(int(value))}"
        for variant, value in zip(known["variant"], known[cost], strict=True)
    )
    return Figure(
        name=f"cost-{cost}",
        caption=f"{text.METRIC_NAMES[metric]} against {title}. A number is the variant’s place in the ranked table.",
        alternative=f"{title[0].upper()}{title[1:]} of each variant: {said}.",
        traces=traces,
        layout={
            "height": 360,
            "xaxis": {"title": {"text": title}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": text.METRIC_NAMES[metric]}},
            "legend": {"orientation": "h", "y": -0.25},
        },
        data=known,
    )


def _by_verdict(rows: pd.DataFrame, value: str, across: str | None = None) -> list[Json]:
    """One trace of points with intervals for each verdict; values run along x, or along y against a cost."""
    traces: list[Json] = []
    for verdict, (name, colour, symbol) in STYLES.items():
        part = rows[rows["verdict"] == verdict]
        if part.empty:
            continue
        along, other = ("y", "x") if across else ("x", "y")
        places = numbers(part[across]) if across else [int(place) for place in part.index]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                along: numbers(part[value]),
                other: places,
                f"error_{along}": {
                    "type": "data",
                    "symmetric": False,
                    "array": numbers(part["high"] - part[value]),
                    "arrayminus": numbers(part[value] - part["low"]),
                    "thickness": 2,
                    "width": 0,
                    "color": colour,
                },
                "marker": {"size": 11, "symbol": symbol, "color": colour},
                "hovertext": [_hover(row, value) for row in part.to_dict("records")],
                "hovertemplate": "%{hovertext}<extra></extra>",
            }
        )
        if across:
            ranks = {"text": [str(place + 1) for place in part.index], "textposition": "middle right"}
            traces[-1] |= {"mode": "markers+text", **ranks}
    return traces


def _hover(row: Mapping[Hashable, Any], value: str) -> str:
    write = text.signed if value == "difference" else text.score
    low, high = or_none(row["low"]), or_none(row["high"])
    line = f"{label(str(row['variant']))}<br>{write(row[value])} {text.interval(low, high, sign=value == 'difference')}"
    p = or_none(row.get("p_holm"))
    return line if p is None else f"{line}<br>p {text.p_value(p)} (Holm)"


def rows_layout(names: Any, title: str, extent: list[float] | None, *, legend: bool = True) -> Json:
    """A layout with one row for each name, the first on top."""
    labels = [label(name) for name in names]
    return {
        # A strip needs room for a subject's own height in its row; a legend needs room above.
        "height": (30 if legend else 40) * max(1, len(labels)) + (120 if legend else 80),
        "xaxis": {"title": {"text": title}, **({"range": extent} if extent else {})},
        "yaxis": {
            "tickvals": list(range(len(labels))),
            "ticktext": labels,
            "range": [len(labels) - 0.4, -0.6],
            "showgrid": False,
            "zeroline": False,
        },
        "showlegend": legend,
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    }


def numbers(values: Any) -> list[float | None]:
    """Numbers as JSON has them: five digits, null where there is none."""
    return [rounded(value) for value in values]


def rounded(value: Any) -> float | None:
    """A number in five digits, more than a screen can show."""
    number = or_none(value)
    return None if number is None else float(f"{number:.5g}")


def or_none(value: Any) -> float | None:
    """A number of a table, where a missing one is nan."""
    return None if value is None or value != value else float(value)
