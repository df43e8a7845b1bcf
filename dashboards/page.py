"""The report as one HTML page that opens from disk and asks the network for nothing."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dashboards import drawing, figures, statistics, tables, text
from dashboards.analysis import Analysis, VariantResult
from dashboards.drawing import Figure
from dashboards.outcomes import Failure

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Template

FIRST_MATRICES = 12
"""Confusion matrices shown before the reader opens the rest."""

SECTIONS = {
    "table": "Ranked table",
    "scores": "Scores",
    "differences": "Differences to the reference",
    "confusion": "Confusion matrices",
    "learning": "Learning curves",
    "subjects": "Subjects",
    "cost": "Cost",
    "ran": "What was run",
    "reading": "How to read it",
    "rerun": "How to run it again",
}
DRAWN = ("scores", "differences", "learning", "subjects", "cost")
MISSING = {
    "scores": "No variant has a score yet.",
    "differences": "There is nothing to compare: no reference, or no cells in common with it.",
    "learning": "The cells hold no training history.",
    "subjects": "No subject has been scored.",
    "cost": "No cell is done, so no cost is known.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Field:
    """One cell of the ranked table."""

    kind: str
    """Its CSS class: name, number, verdictcell or level."""
    text: str
    sort: str | float
    """What sorting compares; empty where there is no value."""
    aside: str = ""
    mark: str = ""


def page(analysis: Analysis, table: pd.DataFrame) -> str:
    """The whole page.

    Args:
        analysis: of the study.
        table: tables.ablation_table of it, offered for download.
    """
    from markupsafe import Markup

    study = analysis.study
    drawn = draw(analysis)
    flat = [figure for group in drawn.values() for figure in group]
    confusion = figures.confusions(analysis)
    downloads = {figure.name: _download(figure.data) for figure in flat}
    downloads |= {"ablation": _download(table), "confusion": _download(confusion)}
    names = {variant.name: place for place, variant in enumerate(study.variants)}
    comparisons = sum(1 for result in analysis.results if result.comparison and result.comparison.p is not None)
    return _template().render(
        study=study,
        analysis=analysis,
        headline=tables.headline(analysis),
        design=f"{study.design.replace('_', ' ').capitalize()} ablation",
        facts=_facts(analysis),
        progress=_progress(analysis),
        failures=_failures(analysis),
        sections=SECTIONS.items(),
        groups=[(anchor, SECTIONS[anchor], drawn[anchor]) for anchor in DRAWN],
        missing=MISSING,
        heads=_heads(analysis),
        rows=[
            {
                "cells": _fields(rank, result, analysis),
                "is_reference": result.variant.is_reference,
                "notes": result.notes,
            }
            for rank, result in enumerate(analysis.results, start=1)
        ],
        matrices=_matrices(confusion),
        first_matrices=FIRST_MATRICES,
        factors=_factors(analysis),
        reference_levels=analysis.reference.variant.levels if analysis.reference else {},
        in_order=sorted(analysis.results, key=lambda result: names[result.variant.name]),
        provenance=study.provenance.items(),
        resamples=f"{statistics.RESAMPLES:,}",
        level=_level(analysis),
        comparisons=text.count(comparisons, "comparison"),
        downloads=downloads,
        # These four are the project's own files and JSON without a single <, so they are not escaped.
        figures_json=Markup(_json(flat)),  # noqa: S704
        style=Markup(_asset("page.css")),  # noqa: S704
        script=Markup(_asset("page.js")),  # noqa: S704
        plotly=Markup(_asset("plotly-basic.min.js")),  # noqa: S704
    )


def draw(analysis: Analysis) -> dict[str, list[Figure]]:
    """The figures of each section; a section without data has none."""
    metric, level = analysis.study.metric, _level(analysis)
    scored = figures.scores(analysis)
    compared = figures.differences(analysis)
    reference = analysis.reference.variant.name if analysis.reference else None
    curves = {quantity: figures.learning_curves(analysis, quantity) for quantity in ("loss", "accuracy")}
    costs = figures.costs(analysis)
    return {
        "scores": [drawing.draw_scores(scored, metric, level)] if len(scored) else [],
        "differences": [drawing.draw_differences(compared, metric, level)] if len(compared) else [],
        "learning": [drawing.draw_learning(rows, name, reference) for name, rows in curves.items() if len(rows)],
        "subjects": [drawing.draw_subjects(figures.subjects(analysis))] if len(scored) else [],
        "cost": [
            drawing.draw_cost(costs, cost, metric) for cost in ("seconds", "parameters") if costs[cost].notna().any()
        ],
    }


def _level(analysis: Analysis) -> str:
    return f"{100 * (1 - analysis.study.alpha):g} %"


def _facts(analysis: Analysis) -> list[tuple[str, str]]:
    study = analysis.study
    counted = {
        "variant": len(study.variants),
        "seed": len(study.seeds),
        "subject": len(study.subjects),
        "clip": len(study.sample_labels),
        "class": len(study.class_names),
    }
    plural = {"class": "classes"}
    return [
        (f"{number:,}", noun if number == 1 else plural.get(noun, f"{noun}s")) for noun, number in counted.items()
    ] + [(f"{int(analysis.outcomes.done.sum()):,}", f"of {analysis.outcomes.planned:,} cells done")]


def _progress(analysis: Analysis) -> str:
    outcomes = analysis.outcomes
    done, failed = int(outcomes.done.sum()), int(outcomes.failed.sum())
    return (
        f"{done:,} of {text.count(outcomes.planned, 'cell')} done, {failed:,} failed, "
        f"{outcomes.planned - done - failed:,} not run. Each variant is scored on the seeds and subjects that it has "
        "complete, so scores may rest on different clips; differences are taken on what both variants have."
    )


def _failures(analysis: Analysis) -> list[tuple[str, list[Failure]]]:
    """Failed cells by the last line of their reason, the most frequent first."""
    by_reason = sorted(analysis.outcomes.failures, key=lambda failure: failure.headline)
    groups = [(headline, list(cells)) for headline, cells in groupby(by_reason, key=lambda failure: failure.headline)]
    return sorted(groups, key=lambda group: -len(group[1]))


def _factors(analysis: Analysis) -> list[str]:
    return list(dict.fromkeys(factor for variant in analysis.study.variants for factor in variant.levels))


def _heads(analysis: Analysis) -> list[dict[str, str]]:
    metric, level = analysis.study.metric, _level(analysis)
    heads = [
        ("#", "number", "rank"),
        ("variant", "name", ""),
        (text.METRIC_NAMES[metric], "number", f"pooled over subjects, mean over seeds, with its {level} interval"),
        ("difference", "number", f"to the reference, on common subjects and seeds, with its {level} interval"),
        ("p (Holm)", "number", "by exchange of subjects, two-sided, adjusted for all comparisons"),
        ("verdict", "verdictcell", "relative to the reference"),
    ]
    heads += [(text.METRIC_NAMES[name], "number", "pooled, mean over seeds") for name in _other_metrics(metric)]
    heads += [(name, "number", f"recall: share of the {name} clips found") for name in analysis.study.class_names]
    heads += [("s / fold", "number", "mean training seconds of a fold"), ("parameters", "number", "of the network")]
    return [{"name": name, "kind": kind, "help": about} for name, kind, about in heads]


def _other_metrics(metric: str) -> list[str]:
    return [name for name in text.METRIC_NAMES if name != metric]


def _fields(rank: int, result: VariantResult, analysis: Analysis) -> list[_Field]:
    metric, comparison = analysis.study.metric, result.comparison
    low, high = result.intervals.get(metric, (None, None))
    fields = [
        _number(rank, str(rank)),
        _Field(kind="name", text=result.variant.name, sort=result.variant.name),
        _number(result.scores.get(metric), text.score(result.scores.get(metric)), text.interval(low, high)),
    ]
    verdict: str = "reference" if result.variant.is_reference else (comparison and comparison.verdict) or ""
    if comparison is None:
        fields += [_number(None, ""), _number(None, "")]
    else:
        extent = text.interval(comparison.low, comparison.high, sign=True)
        fields += [
            _number(comparison.difference, text.signed(comparison.difference), extent),
            _number(comparison.p_holm, text.p_value(comparison.p_holm)),
        ]
    said = {"helps": "better", "hurts": "worse", "": "not compared"}.get(verdict, verdict)
    fields.append(_Field(kind="verdictcell", text=said, sort=said, mark=verdict))
    fields += [_number(result.scores.get(name), text.score(result.scores.get(name))) for name in _other_metrics(metric)]
    recall: list[float | None] = list(result.recall) or [None] * len(analysis.study.class_names)
    fields += [_number(value, text.score(value)) for value in recall]
    fields += [
        _number(result.seconds, text.NOTHING if result.seconds is None else f"{result.seconds:.3g}"),
        _number(result.parameters, text.amount(result.parameters)),
    ]
    return fields


def _number(value: float | None, shown: str, aside: str = "") -> _Field:
    return _Field(kind="number", text=shown, sort="" if value is None else value, aside=aside)


def _matrices(confusion: pd.DataFrame) -> list[dict[str, Any]]:
    matrices = []
    for name, cells in groupby(confusion.to_dict("records"), key=lambda cell: cell["variant"]):
        rows = [
            {"true": true, "cells": [_matrix_cell(cell) for cell in row]}
            for true, row in groupby(cells, key=lambda cell: cell["true"])
        ]
        matrices.append({"name": name, "rows": rows})
    return matrices


def _matrix_cell(cell: dict[Any, Any]) -> dict[str, Any]:
    known = cell["share"] == cell["share"] and cell["share"] is not None
    return {
        "share": f"{cell['share']:.3f}" if known else "0",
        "percent": f"{cell['share']:.0%}" if known else text.NOTHING,
        "clips": cell["clips"],
        "right": cell["true"] == cell["predicted"],
    }


def _json(drawn: list[Figure]) -> str:
    """The figures for the script: JSON in which no sign can end a script element."""
    records = [{"name": figure.name, "traces": figure.traces, "layout": figure.layout} for figure in drawn]
    written = json.dumps(records, allow_nan=False, separators=(",", ":"))
    return written.replace("<", "\\u003c")


def _download(data: pd.DataFrame) -> str:
    content = base64.b64encode(tables.csv(data).encode(errors="backslashreplace")).decode()
    return f"data:text/csv;charset=utf-8;base64,{content}"


@cache
def _asset(name: str) -> str:
    return (files("dashboards") / "assets" / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = (files("dashboards") / "templates" / "page.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(source)
