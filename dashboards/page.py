"""The report as one HTML page that opens from disk and asks the network for nothing."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from dashboards import (
    comparison_text,
    complexity,
    drawing,
    drawing_cells,
    drawing_components,
    figures,
    html,
    page_tables,
    statistics,
    tables,
    text,
)
from dashboards.analysis import Analysis
from dashboards.comparison import MethodComparison
from dashboards.components import FACTORIAL
from dashboards.drawing import Figure
from dashboards.outcomes import Failure
from dashboards.spread import sentences

if TYPE_CHECKING:
    import pandas as pd

FIRST_MATRICES = 14
"""Confusion matrices shown before the reader opens the rest."""

SECTIONS = {
    "table": "Ranked table",
    "methods": "Methods, as in the paper’s tables",
    "scores": "Scores",
    "differences": "Differences to the reference",
    "parts": "What each part is worth",
    "confusion": "Confusion matrices",
    "learning": "Learning curves",
    "subjects": "Subjects",
    "spread": "What this study can show",
    "cost": "Cost",
    "growth": "Growth of the reference's cost",
    "ran": "What was run",
    "reading": "How to read it",
    "rerun": "How to run it again",
}
DRAWN = ("scores", "differences", "parts", "learning", "subjects", "spread", "cost", "growth")
MISSING = {
    "scores": "No variant has a score yet.",
    "differences": "There is nothing to compare: no reference, or no cells in common with it.",
    "parts": "No two combinations that belong together have cells for two common subjects yet.",
    "spread": "",
    "learning": "No cell that is done holds a training history.",
    "subjects": "No subject has been scored.",
    "cost": "No cell is done, so no cost is known.",
    "growth": "The reference's clips cannot be stretched or shrunk.",
}


def page(analysis: Analysis, table: pd.DataFrame, methods: MethodComparison | None = None) -> str:
    """The whole page.

    Args:
        analysis: of the study.
        table: tables.ablation_table of it, offered for download.
        methods: the study as a comparison of methods, if it is one.
    """
    study = analysis.study
    drawn = draw(analysis) | (draw_methods(analysis, methods) if methods else {})
    flat = [figure for group in drawn.values() for figure in group]
    confusion = figures.confusions(analysis)
    left_out = {"methods"} if methods is None else set()
    left_out |= {"parts"} if study.design not in FACTORIAL else set()
    downloads = {figure.name: html.download(figure.data) for figure in flat}
    downloads |= {"ablation": html.download(table), "confusion": html.download(confusion)}
    names = {variant.name: place for place, variant in enumerate(study.variants)}
    comparisons = sum(1 for result in analysis.results if result.comparison and result.comparison.p is not None)
    return html.render(
        "page.html.j2",
        study=study,
        analysis=analysis,
        headline=tables.headline(analysis),
        design=f"{study.design.replace('_', ' ').capitalize()} ablation",
        facts=_facts(analysis),
        progress=_progress(analysis),
        failures=_failures(analysis),
        sections=[(anchor, title) for anchor, title in SECTIONS.items() if anchor not in left_out],
        methods=comparison_text.section(methods) if methods else "",
        groups=[(anchor, SECTIONS[anchor], drawn[anchor]) for anchor in DRAWN if anchor not in left_out],
        said={"spread": sentences(analysis.spread, study), "parts": _left_out(analysis)},
        missing=MISSING,
        heads=page_tables.column_heads(analysis),
        rows=[
            {
                "cells": page_tables.row_fields(rank, result, analysis),
                "is_reference": result.variant.is_reference,
                "notes": result.notes,
            }
            for rank, result in enumerate(analysis.results, start=1)
        ],
        matrices=page_tables.matrix_tables(confusion.replace({"variant": methods.labels}) if methods else confusion),
        first_matrices=FIRST_MATRICES,
        factors=_factors(analysis),
        reference_levels=analysis.reference.variant.levels if analysis.reference else {},
        shared=analysis.reference.variant.overrides if analysis.reference else (),
        in_order=sorted(analysis.results, key=lambda result: names[result.variant.name]),
        provenance=study.provenance.items(),
        resamples=f"{statistics.RESAMPLES:,}",
        level=page_tables.confidence(analysis),
        comparisons=text.count(comparisons, "comparison"),
        downloads=downloads,
        figures_json=html.figures_json(flat),
        style=html.asset("page.css"),
        script=html.asset("page.js"),
        plotly=html.asset("plotly-basic.min.js"),
    )


def draw(analysis: Analysis) -> dict[str, list[Figure]]:
    """The figures of each section; a section without data has none."""
    study, level = analysis.study, page_tables.confidence(analysis)
    metric = study.metric
    scored = figures.scores(analysis)
    compared = figures.differences(analysis)
    reference = analysis.reference.variant.name if analysis.reference else None
    curves = {quantity: figures.learning_curves(analysis, quantity) for quantity in ("loss", "accuracy")}
    costs = figures.costs(analysis)
    return {
        "scores": [drawing.draw_scores(scored, metric, level)] if len(scored) else [],
        "differences": [drawing.draw_differences(compared, metric, level)] if len(compared) else [],
        "parts": drawing_components.draw_parts(analysis, level),
        "spread": drawing_components.draw_spread(analysis, level),
        "learning": [
            drawing_cells.draw_learning(part, name, reference, enlarged=enlarged)
            for name, rows in curves.items()
            for enlarged, part in ((False, rows), (True, figures.enlarged(rows)))
            if len(part)
        ],
        "subjects": [drawing_cells.draw_subjects(figures.subjects(analysis))] if len(scored) else [],
        "cost": [
            drawing.draw_cost(costs, cost, metric) for cost in ("seconds", "parameters") if costs[cost].notna().any()
        ],
        "growth": [figure for group in complexity.figures(study.growth).values() for figure in group],
    }


def draw_methods(analysis: Analysis, methods: MethodComparison) -> dict[str, list[Figure]]:
    """The learning curves of all methods, each whole and enlarged, in the place of those of a few variants."""
    drawn = []
    for quantity in ("accuracy", "loss"):
        rows = figures.learning_curves(analysis, quantity).replace({"variant": methods.labels})
        if len(rows):
            drawn.append(drawing_cells.draw_methods_learning(rows, quantity, enlarged=False))
            later = figures.enlarged(rows)
            drawn.append(drawing_cells.draw_methods_learning(later, quantity, enlarged=True))
    return {"learning": drawn}


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
    ] + [(f"{int(analysis.outcomes.trained.sum()):,}", f"of {analysis.outcomes.planned:,} cells done")]


def _progress(analysis: Analysis) -> str:
    outcomes = analysis.outcomes
    done, failed = int(outcomes.trained.sum()), int(outcomes.failed.sum())
    return (
        f"{done:,} of {text.count(outcomes.planned, 'cell')} done, {failed:,} failed, "
        f"{outcomes.planned - done - failed:,} not run. Each variant is scored on the seeds and subjects that it has "
        "complete, so scores may rest on different clips; differences are taken on what both variants have."
    )


def _left_out(analysis: Analysis) -> list[str]:
    names, found = list(analysis.components.left_out), analysis.components
    if found.effects and not found.shapley:
        why = "that takes every combination of them, on two subjects at least, and 12 parts at most"
        return [f"What each part is worth by its Shapley value is not known: {why}.", *_without(names, analysis)]
    return _without(names, analysis)


def _without(names: list[str], analysis: Analysis) -> list[str]:
    if not names or len(names) == len(analysis.study.variants):
        return []
    return [f"Left out with all that needs them, for they have no two subjects complete: {text.several(names)}."]


def _failures(analysis: Analysis) -> list[tuple[str, list[Failure]]]:
    """Failed cells by the last line of their reason, the most frequent first."""
    by_reason = sorted(analysis.outcomes.failures, key=lambda failure: failure.headline)
    groups = [(headline, list(cells)) for headline, cells in groupby(by_reason, key=lambda failure: failure.headline)]
    return sorted(groups, key=lambda group: -len(group[1]))


def _factors(analysis: Analysis) -> list[str]:
    return list(dict.fromkeys(factor for variant in analysis.study.variants for factor in variant.levels))
