"""Two studies beside each other as one HTML page that opens from disk, and as CSV."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dashboards import drawing, html, text
from dashboards.drawing import Figure
from dashboards.side_by_side import Placed, Row, SideBySide, headline

if TYPE_CHECKING:
    import pandas as pd

MARKS = {"better": "helps", "worse": "hurts", "same within margin": "equivalent", "inconclusive": "inconclusive"}
"""What is said of a row -> CSS class of its mark."""
MOST_NAMED = 12
"""Lines that have room for a name at their end."""
STROKES = {"better": ("@better", 2.5), "worse": ("@worse", 2.5)}
"""Colour and width of what moved."""


def page(found: SideBySide) -> str:
    """The whole page."""
    study = found.first.study
    drawn = [figure for figure in (draw_moved(found), draw_slopes(found)) if figure is not None]
    return html.render(
        "side_by_side.html.j2",
        found=found,
        headline=headline(found),
        metric=text.METRIC_NAMES[study.metric],
        level=f"{100 * (1 - study.alpha):g} %",
        alpha=study.alpha,
        rows=[_shown(row, found) for row in found.rows],
        sides=list(zip((found.first, found.second), found.analyses, strict=True)),
        only=_only(found),
        figures=drawn,
        downloads={figure.name: html.download(figure.data) for figure in drawn}
        | {"table": html.download(table(found))},
        figures_json=html.figures_json(drawn),
        style=html.asset("page.css"),
        script=html.asset("page.js"),
        plotly=html.asset("plotly-basic.min.js"),
    )


def table(found: SideBySide) -> pd.DataFrame:
    """One row a variant: rank, score and interval on both sides, the difference with its interval and p, times."""
    import pandas as pd

    metric = found.first.study.metric
    rows = []
    for row in found.rows:
        difference = row.difference
        comparison, slowdown = (difference.comparison, difference.slowdown) if difference else (None, None)
        written: dict[str, Any] = {"variant": row.name}
        for side, placed in (("first", row.first), ("second", row.second)):
            low, high = placed.result.intervals.get(metric, (None, None)) if placed else (None, None)
            written[f"{side}_rank"] = placed.rank if placed else None
            written[f"{side}_{metric}"] = placed.result.scores.get(metric) if placed else None
            written |= {f"{side}_low": low, f"{side}_high": high}
        written |= {
            name: getattr(comparison, name) if comparison else None for name in ("difference", "low", "high", "p_holm")
        }
        written |= {f"time_{name}": getattr(slowdown, name) if slowdown else None for name in ("ratio", "low", "high")}
        rows.append(written | {"says": row.says})
    return pd.DataFrame(rows).astype({f"{side}_rank": "Int64" for side in ("first", "second")} if rows else {})


def draw_moved(found: SideBySide) -> Figure | None:
    """Differences with their intervals; None if nothing was compared."""
    import pandas as pd

    rows = [
        {"variant": row.name, "difference": one.difference, "low": one.low, "high": one.high, "p_holm": one.p_holm}
        | {"verdict": one.verdict or "not compared"}
        for row in found.rows
        if row.difference is not None and (one := row.difference.comparison) is not None
    ]
    if not rows:
        return None
    study, label = found.first.study, found.first.label
    figure = drawing.draw_differences(pd.DataFrame(rows), study.metric, f"{100 * (1 - study.alpha):g} %")
    name = text.METRIC_NAMES[study.metric]
    for trace in figure.traces:
        trace["name"] = trace["name"].replace("the reference", drawing.label(label))
    return replace(
        figure,
        name="moved",
        caption=f"{name} in {found.second.label} less that in {label}, on the subjects and seeds that both have.",
        alternative=figure.alternative.replace("to the reference", f"of {found.second.label} to {label}"),
    )


def draw_slopes(found: SideBySide) -> Figure | None:
    """A line from score to score for each variant that both have; None if there is none."""
    import pandas as pd

    metric = found.first.study.metric
    rows = [
        (row.name, row.first.result.scores[metric], row.second.result.scores[metric], row.says)
        for row in found.rows
        if row.first and row.second and row.first.result.scores and row.second.result.scores
    ]
    if not rows:
        return None
    traces = []
    for variant, first, second, says in rows:
        colour, width = STROKES.get(says, ("@faint", 1.5))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers+text",
                "text": ["", drawing.label(variant)] if len(rows) <= MOST_NAMED else [],
                "textposition": "middle right",
                "x": [0, 1],
                "y": [drawing.rounded(first), drawing.rounded(second)],
                "line": {"color": colour, "width": width},
                "marker": {"color": colour, "size": 8},
                "hovertext": [drawing.label(f"{variant}: {text.score(score)}") for score in (first, second)],
                "hovertemplate": "%{hovertext}<extra></extra>",
            }
        )
    labels = [drawing.label(side.label) for side in (found.first, found.second)]
    name = text.METRIC_NAMES[metric]
    said = "; ".join(f"{variant} {text.score(first)} to {text.score(second)}" for variant, first, second, _ in rows)
    return Figure(
        name="slopes",
        caption=f"{name} of each variant on both sides, each on all of its own subjects. Grey: within noise.",
        alternative=f"{name} on both sides: {said}.",
        traces=traces,
        layout={
            "height": 420,
            "xaxis": {
                "tickvals": [0, 1],
                "ticktext": labels,
                "range": [-0.15, 1.6],
                "showgrid": False,
                "zeroline": False,
            },
            "yaxis": {"title": {"text": name}},
            "showlegend": False,
        },
        data=pd.DataFrame(rows, columns=["variant", "first", "second", "says"]),
    )


def _shown(row: Row, found: SideBySide) -> dict[str, Any]:
    metric = found.first.study.metric
    comparison = row.difference.comparison if row.difference else None
    slowdown = row.difference.slowdown if row.difference else None
    time = ""
    if slowdown is not None:
        time = f"× {slowdown.ratio:.2f}"
        if slowdown.low is not None and slowdown.high is not None:
            time += f" [{slowdown.low:.2f}, {slowdown.high:.2f}]"
    says = row.says
    if row.first is None or row.second is None:
        says = f"only in {(found.first if row.first else found.second).label}"
    return {
        "name": row.name,
        "places": [_place(row.first, metric), _place(row.second, metric)],
        "difference": comparison.difference if comparison else "",
        "shown": text.signed(comparison.difference) if comparison else "",
        "extent": text.interval(comparison.low, comparison.high, sign=True) if comparison else "",
        "p": comparison.p_holm if comparison and comparison.p_holm is not None else "",
        "p_shown": text.p_value(comparison.p_holm) if comparison else "",
        "ratio": slowdown.ratio if slowdown else "",
        "time": time,
        "says": says,
        "mark": MARKS.get(row.says, ""),
        "reference": any(one is not None and one.result.variant.is_reference for one in (row.first, row.second)),
    }


def _place(placed: Placed | None, metric: str) -> dict[str, Any]:
    if placed is None:
        return {"rank": "", "score": "", "shown": "", "interval": ""}
    score = placed.result.scores.get(metric)
    return {
        "rank": placed.rank,
        "score": "" if score is None else score,
        "shown": text.score(score),
        "interval": text.interval(*placed.result.intervals.get(metric, (None, None))),
    }


def _only(found: SideBySide) -> list[tuple[str, list[str], list[str]]]:
    """What only one side has: kind, those of the first, those of the second."""
    mine, theirs = found.first.study, found.second.study
    names = [[variant.name for variant in study.variants] for study in (mine, theirs)]
    seeds = [list(map(str, study.seeds)) for study in (mine, theirs)]
    subjects = [list(study.subjects) for study in (mine, theirs)]
    found_only = []
    for kind, (a, b) in (("variants", names), ("subjects", subjects), ("seeds", seeds)):
        found_only.append((kind, [one for one in a if one not in b], [one for one in b if one not in a]))
    return [one for one in found_only if one[1] or one[2]]
