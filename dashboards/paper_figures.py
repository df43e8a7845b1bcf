"""The figures of a paper, as SVG and PDF: scores, differences, what each part is worth."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboards import figures, text
from dashboards.analysis import Analysis
from madv.modes import public_folder, publish

if TYPE_CHECKING:
    import pandas as pd

STYLE = {"helps": ("#00805f", "^"), "hurts": ("#c24e00", "v"), "reference": ("#1c2024", "D")}
"""Colour and mark of a verdict, as on the page; all others are grey circles."""
PLAIN = ("#6b7780", "o")
WIDTH = 6.3
"""Of a text block, inches."""
FORMATS = ("svg", "pdf")
LINE, LINES = 36, 3
"""Characters of a name's line, and its lines."""


def write_figures(analysis: Analysis, folder: Path) -> list[Path]:
    """Each figure that the study has, in every one of FORMATS; returns the files.

    The same study gives the same bytes.

    Args:
        analysis: of the study.
        folder: made if it is not there.
    """
    name, found = text.METRIC_NAMES[analysis.study.metric], analysis.components
    wanted = {
        "scores": (_points(figures.scores(analysis), "variant", "score"), name),
        "differences": (_points(figures.differences(analysis), "variant", "difference"), f"difference in {name}"),
        "shapley": (_points(figures.estimates(found.shapley), "name", "value"), f"share of {name}"),
        "effects": (_points(figures.estimates(found.effects), "name", "value"), f"change of {name}"),
    }
    public_folder(folder)
    files = []
    for title, (points, axis) in wanted.items():
        if points:
            files += _draw(points, axis, folder / title, zero=title != "scores")
    return files


Point = tuple[str, float, float | None, float | None, str]
"""Label, value, the ends of its interval, verdict."""


def _points(rows: pd.DataFrame, label: str, value: str) -> list[Point]:
    return [
        (str(row[label]), float(row[value]), _known(row["low"]), _known(row["high"]), str(row.get("verdict", "")))
        for row in rows.to_dict("records")
    ]


def _known(value: Any) -> float | None:
    return None if value is None or value != value else float(value)


def _draw(points: list[Point], axis: str, path: Path, *, zero: bool) -> list[Path]:
    import matplotlib
    from matplotlib.figure import Figure

    # Text stays text in both formats, and names of elements do not change from run to run.
    settings: Any = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "madv", "font.size": 9}
    files = []
    with matplotlib.rc_context(settings):
        labels = [_label(point[0]) for point in points]
        lines = sum(label.count("\n") for label in labels)
        figure = Figure(figsize=(WIDTH, 0.6 + 0.24 * len(points) + 0.14 * lines), layout="constrained")
        plot = figure.add_subplot()
        for place, (_, value, low, high, verdict) in enumerate(points):
            colour, mark = STYLE.get(verdict, PLAIN)
            if low is not None and high is not None:
                plot.plot([low, high], [place, place], color=colour, linewidth=1.5)
            plot.plot([value], [place], mark, color=colour, markersize=5)
        plot.set_yticks(range(len(points)), labels)
        plot.set_ylim(len(points) - 0.4, -0.6)
        plot.set_xlabel(axis)
        plot.spines[["top", "right"]].set_visible(False)
        if zero:
            plot.axvline(0, color="#1c2024", linewidth=0.8)
        for kind in FORMATS:
            files.append(path.with_suffix(f".{kind}"))
            dated = {"Date": None} if kind == "svg" else {"CreationDate": None}
            figure.savefig(files[-1], metadata=dated)
            publish(files[-1])
    return files


def _label(name: str) -> str:
    """A name beside its row: no sign that a file cannot hold, three lines at most, and no formula."""
    clean = "".join(sign if sign.isprintable() else " " for sign in name)
    lines = textwrap.wrap(clean, LINE) or [""]
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], f"{lines[LINES - 1][: LINE - 1]}…"]
    return "\n".join(lines).replace("$", r"\$")
