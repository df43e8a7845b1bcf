"""Growth curves: their data, their drawing, and the page around them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dashboards.complexity import draw_growth, figures, growth_curves
from dashboards.complexity_page import complexity_page


def point(varied: str, ratio: float, frames: int, height: int, paper: int | None) -> dict[str, Any]:
    """A growth point of a network that computes 3 GMAC more than its encoders, at 1 ms a GMAC of the formula."""
    known = paper is not None
    return {
        "varied": varied,
        "ratio": ratio,
        "frames": frames,
        "height": height,
        "width": height,
        "tokens": frames * height if known else None,
        "encoders": 2 * paper if paper is not None else None,
        "paper": paper,
        "linear": 2 * paper if paper is not None else None,
        "macs": 3_000_000_000 + 2 * (paper or 0),
        "latency_s": 0.010 * ratio,
        "peak_memory": 1 << 20,
    }


BASE = point("size", 1, 16, 112, 2_000_000_000)
POINTS = [
    point("frames", 0.5, 8, 112, 1_000_000_000),
    BASE | {"varied": "frames"},
    BASE,
    point("size", 1.5, 16, 168, 6_000_000_000),
]


def curve(axis: str, quantity: str, line: str) -> list[tuple[int, Any]]:
    rows = growth_curves(POINTS, axis, quantity)
    rows = rows[rows["line"] == line]
    return [(x, pytest.approx(value)) for x, value in zip(rows["x"], rows["value"], strict=True)]


def test_each_axis_has_its_own_points() -> None:
    assert curve("frames", "macs", "macs") == [(8, 5), (16, 7)]
    assert curve("height", "macs", "macs") == [(112, 7), (168, 15)]
    assert curve("tokens", "macs", "paper") == [(8 * 112, 1), (16 * 112, 2), (16 * 168, 6)]


def test_the_formula_is_drawn_over_latency_from_the_configured_clip() -> None:
    assert curve("frames", "latency_s", "latency_s") == [(8, 5), (16, 10)]
    assert curve("height", "latency_s", "latency_paper") == [(112, 10), (168, 30)]


def test_a_method_without_formula_has_measured_curves_alone() -> None:
    points = [point("frames", 0.5, 8, 112, None), point("frames", 1, 16, 112, None)]
    assert set(growth_curves(points, "frames", "macs")["line"]) == {"macs"}
    assert set(growth_curves(points, "frames", "latency_s")["line"]) == {"latency_s"}
    assert set(figures(points)) == {"frames"}


def test_one_point_is_no_curve() -> None:
    assert growth_curves(POINTS[:1], "frames", "macs").empty
    assert figures([]) == {}


def test_drawing_keeps_measured_lines_solid() -> None:
    figure = draw_growth(growth_curves(POINTS, "frames", "macs"), "frames", "macs")
    dashes = {trace["name"]: trace["line"]["dash"] for trace in figure.traces}
    assert [name for name, dash in dashes.items() if dash == "solid"] == [
        "whole network, measured",
        "encoders, measured",
    ]
    assert "whole network, measured: 5 G at 8 to 7 G at 16" in figure.alternative


def test_the_page_needs_no_network_and_escapes_names() -> None:
    page = complexity_page(
        {
            "title": "MADV-Net <b>at</b> texture 3x16x112x112",
            "overrides": ["model=madv_base"],
            "shapes": {"texture": (3, 16, 112, 112)},
            "parameters": 11_000_000,
            "macs": 7_000_000_000,
            "modules": [{"name": "streams.texture", "parameters": 5, "macs": 7_000_000_000}],
            "formula": [],
            "latency_s": 0.01,
            "peak_memory": 1 << 20,
            "batch": 1,
            "device": "cpu",
            "threads": 1,
            "growth": POINTS,
        }
    )
    assert "MADV-Net &lt;b&gt;at&lt;/b&gt;" in page
    assert "11 M</b> parameters" in page
    assert "measured on cpu, 1 thread, with 1 clip at a time" in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.?https?:", page)
    for name in ("macs-frames", "latency-height", "macs-tokens"):
        assert f'id="plot-{name}"' in page
