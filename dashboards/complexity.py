"""How the cost of a network grows with its clips: the data of the curves, then their drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dashboards import text
from dashboards.drawing import Figure, Json, numbers, or_none

if TYPE_CHECKING:
    import pandas as pd

AXES = {"frames": "frames T", "height": "height and width, pixels", "tokens": "tokens L of the largest grid"}
QUANTITIES = {"macs": ("multiply-accumulates", "G"), "latency_s": ("latency of a clip", "ms")}
# Name in the legend, colour, dash; the first two are measured.
LINES = {
    "macs": ("whole network, measured", "@line0", "solid"),
    "encoders": ("encoders, measured", "@line1", "solid"),
    "paper": ("encoders, Eq. 24 and 25", "@line2", "dash"),
    "linear": ("encoders, joint attention counted exactly", "@line3", "dot"),
    "latency_s": ("measured", "@line0", "solid"),
    "latency_paper": ("as Eq. 24 and 25 grow, from the configured clip", "@line2", "dash"),
}
OF_QUANTITY = {"macs": ("macs", "encoders", "paper", "linear"), "latency_s": ("latency_s", "latency_paper")}
SCALE = {"macs": 1e-9, "latency_s": 1e3}
"""From MACs to GMACs, from seconds to milliseconds."""


def growth_curves(points: Sequence[Mapping[str, Any]], axis: str, quantity: str) -> pd.DataFrame:
    """One quantity along one axis: x, line (a key of LINES), value (GMACs or ms); no rows where there is no curve.

    Args:
        points: growth points as plain values: varied, ratio, frames, height, tokens, encoders, paper, linear, macs,
            latency_s.
        axis: frames or height, each along its own points; tokens along all of them.
        quantity: macs or latency_s.
    """
    import pandas as pd

    varied = {"frames": ("frames",), "height": ("size",), "tokens": ("frames", "size")}[axis]
    chosen = {point[axis]: point for point in points if point["varied"] in varied and point[axis] is not None}
    base = next((point for point in points if point["ratio"] == 1), None)
    rows = [
        {"x": x, "line": line, "value": value * SCALE[quantity]}
        for line in OF_QUANTITY[quantity]
        for x, point in sorted(chosen.items())
        if (value := _value(point, line, base)) is not None
    ]
    return pd.DataFrame(rows if len(chosen) > 1 else [], columns=["x", "line", "value"])


def draw_growth(rows: pd.DataFrame, axis: str, quantity: str) -> Figure:
    """The curves of growth_curves, measured ones solid."""
    name, unit = QUANTITIES[quantity]
    traces: list[Json] = []
    said = []
    for line, part in rows.groupby("line", sort=False):
        legend, colour, dash = LINES[str(line)]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": legend,
                "x": [int(x) for x in part["x"]],
                "y": numbers(part["value"]),
                "line": {"width": 2, "color": colour, "dash": dash},
                "marker": {"size": 7, "color": colour},
                "hovertemplate": f"{legend}<br>%{{x}}: %{{y:.3g}} {unit}<extra></extra>",
            }
        )
        ends = [f"{part['value'].iloc[end]:.3g} {unit} at {part['x'].iloc[end]}" for end in (0, -1)]
        said.append(f"{legend}: {' to '.join(ends)}")
    return Figure(
        name=f"{quantity.removesuffix('_s')}-{axis}",
        caption=f"{name.capitalize()} against {AXES[axis]}.",
        alternative=f"{name.capitalize()} against {AXES[axis]}. {'; '.join(said)}.",
        traces=traces,
        layout={
            "height": 340,
            "xaxis": {"title": {"text": AXES[axis]}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": f"{name}, {unit}"}, "rangemode": "tozero"},
            "showlegend": True,
            "legend": {"orientation": "h", "y": -0.3},
            "meta": {"legendRows": len(traces)},
        },
        data=rows,
    )


def figures(points: Sequence[Mapping[str, Any]]) -> dict[str, list[Figure]]:
    """By axis, the figures that there are points for."""
    drawn = {}
    for axis in AXES:
        curves = {quantity: growth_curves(points, axis, quantity) for quantity in QUANTITIES}
        drawn[axis] = [draw_growth(rows, axis, quantity) for quantity, rows in curves.items() if len(rows)]
    return {axis: group for axis, group in drawn.items() if group}


def ratio(measured: int, formula: int) -> str:
    """How many times the formula the measured count is: 1.35."""
    return f"{measured / formula:.2f}" if formula else text.NOTHING


def _value(point: Mapping[str, Any], line: str, base: Mapping[str, Any] | None) -> float | None:
    """A point's value of a line; seconds of the formula are its growth over the configured clip's."""
    if line != "latency_paper":
        return or_none(point[line])
    if base is None or not base["paper"] or base["latency_s"] is None:
        return None
    return float(base["latency_s"] * point["paper"] / base["paper"])
