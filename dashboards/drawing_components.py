"""Figures of what the parts are worth and of what the study can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboards import text
from dashboards.drawing import Figure, Json, label, numbers, rows_layout

if TYPE_CHECKING:
    import pandas as pd

    from dashboards.analysis import Analysis

MOST_INTERACTIONS = 20
PARTS = {"subject": "@reference", "seed": "@worse", "residual": "@faint"}
"""Shares of the variance and their colours."""


def draw_estimates(rows: pd.DataFrame, name: str, title: str, caption: str) -> Figure:
    """Points with intervals around zero, one row each.

    Args:
        rows: name, value, low, high, comparisons.
        name: of the figure.
        title: of the axis.
        caption: what is drawn.
    """
    layout = rows_layout(rows["name"], title, None, legend=False)
    layout["xaxis"] |= {"rangemode": "tozero", "zeroline": True, "zerolinecolor": "@reference", "zerolinewidth": 2}
    clear = (rows["low"] > 0) | (rows["high"] < 0)
    said = [
        f"{row['name']} {text.signed(row['value'])} {text.interval(row['low'], row['high'], sign=True)}"
        for row in rows.to_dict("records")
    ]
    trace: Json = {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(rows["value"]),
        "y": list(range(len(rows))),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": numbers(rows["high"] - rows["value"]),
            "arrayminus": numbers(rows["value"] - rows["low"]),
            "thickness": 2,
            "width": 0,
            "color": "@unclear",
        },
        "marker": {
            "size": 11,
            "symbol": ["diamond" if one else "circle" for one in clear],
            "color": ["@reference" if one else "@unclear" for one in clear],
        },
        "hovertext": [label(one) for one in said],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    return Figure(
        name=name,
        caption=f"{caption} A diamond’s interval leaves out zero.",
        alternative=f"{title[0].upper()}{title[1:]}: {'; '.join(said)}.",
        traces=[trace],
        layout=layout,
        data=rows,
    )


def draw_variance(rows: pd.DataFrame) -> Figure:
    """Stacked bars: rows of variant, subject, seed, residual (variances of a single accuracy)."""
    traces: list[Json] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": {"subject": "subjects", "seed": "seeds", "residual": "single trainings and clips"}[part],
            "x": numbers(rows[part]),
            "y": list(range(len(rows))),
            "marker": {"color": colour},
        }
        for part, colour in PARTS.items()
    ]
    said = [
        f"{row['variant']}: subjects {row['subject']:.4f}, seeds {row['seed']:.4f}, rest {row['residual']:.4f}"
        for row in rows.to_dict("records")
    ]
    return Figure(
        name="variance",
        caption="Variance of the accuracy of one subject under one seed, by what makes it. What lies between subjects "
        "shrinks with more subjects alone; the rest shrinks with more seeds too.",
        alternative=f"Variance by source. {'; '.join(said)}.",
        traces=traces,
        layout=rows_layout(rows["variant"], "variance", None) | {"barmode": "stack"},
        data=rows,
    )


def draw_ranks(rows: pd.DataFrame, critical: float, p: float, level: str) -> Figure:
    """Mean ranks with half the critical difference to each side: rows of variant, mean_rank, best first."""
    layout = rows_layout(rows["variant"], "mean rank over subjects", None, legend=False)
    said = [f"{row['variant']} {row['mean_rank']:.2f}" for row in rows.to_dict("records")]
    half: dict[str, Any] = {"type": "constant", "value": critical / 2, "thickness": 2, "width": 0, "color": "@unclear"}
    return Figure(
        name="ranks",
        caption=f"Mean rank by accuracy on each subject, 1 is best. Two variants are told apart at {level} where their "
        f"bars do not touch (Nemenyi; critical difference {critical:.2f}). That all are alike: p {text.p_value(p)} "
        "(Friedman).",
        alternative=f"Mean ranks: {'; '.join(said)}. Critical difference {critical:.2f}.",
        traces=[
            {
                "type": "scatter",
                "mode": "markers",
                "x": numbers(rows["mean_rank"]),
                "y": list(range(len(rows))),
                "error_x": half,
                "marker": {"size": 11, "color": "@reference"},
                "hovertext": [label(one) for one in said],
                "hovertemplate": "%{hovertext}<extra></extra>",
            }
        ],
        layout=layout,
        data=rows,
    )


def draw_parts(analysis: Analysis, level: str) -> list[Figure]:
    """Shapley values, main effects and interactions, where the design has them."""
    from dashboards import figures

    name, found = text.METRIC_NAMES[analysis.study.metric], analysis.components
    shared = f"{text.count(found.seeds, 'seed')} and {text.count(found.subjects, 'subject')}"
    based = f"with its {level} interval, on the {shared} that all variants have."
    drawn = []
    if found.shapley:
        start = "the variant with none of them" if found.trained_nothing else "always saying the most frequent class"
        caption = (
            f"Shapley values: each part’s share of what the whole network’s {name} has over {start} "
            f"({text.score(found.nothing)}), {based}"
        )
        drawn.append(draw_estimates(figures.estimates(found.shapley), "shapley", f"share of {name}", caption))
    if found.effects:
        caption = f"Main effects: a level less the reference’s, averaged over the levels of all other factors, {based}"
        title = f"change of {name}"
        drawn.append(draw_estimates(figures.estimates(found.effects), "effects", title, caption))
    if found.interactions:
        shown = found.interactions[:MOST_INTERACTIONS]
        caption = (
            f"Interactions: what two changes do together beyond the sum of what each does alone, {based} "
            f"{'All' if len(shown) == len(found.interactions) else f'The {len(shown)} largest'} of "
            f"{len(found.interactions)}."
        )
        title = f"change of {name} beyond the sum"
        drawn.append(draw_estimates(figures.estimates(shown), "interactions", title, caption))
    return drawn


def draw_spread(analysis: Analysis, level: str) -> list[Figure]:
    """Where the variance comes from, and mean ranks."""
    from dashboards import figures

    drawn, spread = [], analysis.spread
    if spread.ranking is not None:
        drawn.append(draw_ranks(figures.ranks(analysis), spread.ranking.critical, spread.ranking.p, level))
    if spread.splits:
        drawn.append(draw_variance(figures.variances(analysis)))
    return drawn
