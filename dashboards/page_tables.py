"""The page's tables, as the template takes them: the ranked one and the confusion matrices."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dashboards import text
from dashboards.analysis import Analysis, VariantResult
from dashboards.drawing import or_none

if TYPE_CHECKING:
    import pandas as pd


def confidence(analysis: Analysis) -> str:
    """What intervals cover: 95 %."""
    return f"{100 * (1 - analysis.study.alpha):g} %"


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One cell of the ranked table."""

    kind: str
    """Its CSS class: name, number or verdictcell."""
    text: str
    sort: str | float
    """What sorting compares; empty where there is no value."""
    aside: str = ""
    mark: str = ""


def column_heads(analysis: Analysis) -> list[dict[str, str]]:
    """Each column of the ranked table: name, what stands over it, CSS class, and a word of help."""
    metric, level = analysis.study.metric, confidence(analysis)
    interval = f"with its {level} interval"
    heads = [
        ("#", "", "number", "rank"),
        ("variant", "", "name", ""),
        (text.METRIC_NAMES[metric], "", "number", f"pooled over subjects, mean over seeds, {interval}"),
        ("difference", "", "number", f"to the reference, on common subjects and seeds, {interval}"),
        ("p (Holm)", "", "number", "by exchange of subjects, two-sided, adjusted for all comparisons"),
        ("verdict", "", "verdictcell", "relative to the reference"),
    ]
    heads += [(text.METRIC_NAMES[name], "", "number", "pooled, mean over seeds") for name in _other_metrics(metric)]
    heads += [(name, "recall", "number", f"share of the {name} clips found") for name in analysis.study.class_names]
    heads += [
        ("s / fold", "", "number", "mean training seconds of a fold"),
        ("weights", "", "number", "parameters of the network"),
    ]
    return [{"name": name, "over": over, "kind": kind, "help": about} for name, over, kind, about in heads]


def _other_metrics(metric: str) -> list[str]:
    return [name for name in text.METRIC_NAMES if name != metric]


def row_fields(rank: int, result: VariantResult, analysis: Analysis) -> list[Field]:
    """One row of the ranked table, in the order of column_heads."""
    metric, comparison = analysis.study.metric, result.comparison
    low, high = result.intervals.get(metric, (None, None))
    fields = [
        _number(rank, str(rank)),
        Field(kind="name", text=result.variant.name, sort=result.variant.name),
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
    short = {"helps": "better", "hurts": "worse", "equivalent": "same within margin", "": "not compared"}
    said = short.get(verdict, verdict)
    fields.append(Field(kind="verdictcell", text=said, sort=said, mark=verdict))
    fields += [_number(result.scores.get(name), text.score(result.scores.get(name))) for name in _other_metrics(metric)]
    recall: list[float | None] = list(result.recall) or [None] * len(analysis.study.class_names)
    fields += [_number(value, text.score(value)) for value in recall]
    fields += [
        _number(result.seconds, text.NOTHING if result.seconds is None else f"{result.seconds:.3g}"),
        _number(result.parameters, text.amount(result.parameters)),
    ]
    return fields


def _number(value: float | None, shown: str, aside: str = "") -> Field:
    return Field(kind="number", text=shown, sort="" if value is None else value, aside=aside)


def matrix_tables(confusion: pd.DataFrame) -> list[dict[str, Any]]:
    """Confusion matrices as the template takes them: name, and rows of cells.

    Args:
        confusion: of figures.confusions.
    """
    matrices = []
    for name, cells in groupby(confusion.to_dict("records"), key=lambda cell: cell["variant"]):
        rows = [
            {"true": true, "cells": [_matrix_cell(cell) for cell in row]}
            for true, row in groupby(cells, key=lambda cell: cell["true"])
        ]
        matrices.append({"name": name, "rows": rows})
    return matrices


def _matrix_cell(cell: dict[Any, Any]) -> dict[str, Any]:
    share = or_none(cell["share"])
    return {
        "share": "0" if share is None else f"{share:.3f}",
        "percent": text.NOTHING if share is None else f"{share:.0%}",
        "clips": cell["clips"],
        "right": cell["true"] == cell["predicted"],
    }
