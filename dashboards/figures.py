"""The data of each figure, as plain tables; drawing.py draws them and the page offers them as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboards.analysis import Analysis, VariantResult
from dashboards.components import Estimate

if TYPE_CHECKING:
    import pandas as pd

BAND = (10, 90)
"""Percentiles over cells between which the band of a learning curve lies."""

ENLARGED_FROM = 0.4
"""Share of the epochs that an enlarged view leaves out: the paper's Figure 8 shows 40 to 100 of 100."""


def scores(analysis: Analysis) -> pd.DataFrame:
    """Forest plot: variant, score, low, high, ceiling, verdict, by_seed (list); one row a scored variant, ranked."""
    metric, ceilings = analysis.study.metric, analysis.study.ceilings or {}
    return _table(
        [
            {
                "variant": result.variant.name,
                "score": result.scores[metric],
                "low": result.intervals.get(metric, (None, None))[0],
                "high": result.intervals.get(metric, (None, None))[1],
                "ceiling": ceilings.get(result.variant.name),
                "verdict": _verdict(result),
                "by_seed": list(result.by_seed),
            }
            for result in analysis.results
            if result.scores
        ],
        ["variant", "score", "low", "high", "ceiling", "verdict", "by_seed"],
    )


def differences(analysis: Analysis) -> pd.DataFrame:
    """Paired differences to the reference: variant, difference, low, high, p_holm, verdict; in the table's order."""
    return _table(
        [
            {
                "variant": result.variant.name,
                "difference": result.comparison.difference,
                "low": result.comparison.low,
                "high": result.comparison.high,
                "p_holm": result.comparison.p_holm,
                "verdict": _verdict(result),
            }
            for result in analysis.results
            if result.comparison is not None
        ],
        ["variant", "difference", "low", "high", "p_holm", "verdict"],
    )


def confusions(analysis: Analysis) -> pd.DataFrame:
    """Confusion matrices: variant, true, predicted, clips (added over seeds), share (of the true class's clips)."""
    rows = []
    names = analysis.study.class_names
    for result in analysis.results:
        if not result.scores:
            continue
        for t, true in enumerate(names):
            shown = int(result.confusion[t].sum())
            for p, predicted in enumerate(names):
                clips = int(result.confusion[t, p])
                share = clips / shown if shown else None
                rows.append(
                    {
                        "variant": result.variant.name,
                        "true": true,
                        "predicted": predicted,
                        "clips": clips,
                        "share": share,
                    }
                )
    return _table(rows, ["variant", "true", "predicted", "clips", "share"])


def learning_curves(analysis: Analysis, quantity: str) -> pd.DataFrame:
    """Training history: variant, epoch (from 1), mean, low, high over the variant's done cells, cells.

    Args:
        analysis: of the study.
        quantity: a name in the cells' history, e.g. loss or accuracy.
    """
    import pandas as pd

    study, parts = analysis.study, []
    places = {variant.name: v for v, variant in enumerate(study.variants)}
    for result in analysis.results:
        name = result.variant.name
        trained = analysis.outcomes.trained[places[name]]
        curves = [
            study.cells[name, seed, subject].history.get(quantity, [])
            for s, seed in enumerate(study.seeds)
            for n, subject in enumerate(study.subjects)
            if trained[s, n]
        ]
        values = _stack(curves)  # (cells, epochs)
        known = np.isfinite(values).any(axis=0)
        if not known.any():
            continue
        values = values[:, known]
        # Without a gap the plain percentiles are the same, in a tenth of the time.
        percentiles = np.nanpercentile if np.isnan(values).any() else np.percentile
        low, high = percentiles(values, BAND, axis=0)
        parts.append(
            pd.DataFrame(
                {
                    "variant": name,
                    "epoch": np.flatnonzero(known) + 1,
                    "mean": np.nanmean(values, axis=0),
                    "low": low,
                    "high": high,
                    "cells": (~np.isnan(values)).sum(axis=0),
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else _table([], ["variant", "epoch", "mean", "low", "high"])


def enlarged(rows: pd.DataFrame) -> pd.DataFrame:
    """The later part of learning curves, where they lie close together: all after ENLARGED_FROM of the epochs."""
    later: pd.DataFrame = rows[rows["epoch"] > ENLARGED_FROM * rows["epoch"].max()]
    return later.reset_index(drop=True)


def subjects(analysis: Analysis) -> pd.DataFrame:
    """Per-subject strip: variant, subject, clips, accuracy (share of its clips that are right, mean over seeds)."""
    clips: dict[str, int] = {}
    for _, subject in analysis.study.sample_labels.values():
        clips[subject] = clips.get(subject, 0) + 1
    return _table(
        [
            {"variant": result.variant.name, "subject": subject, "clips": clips.get(subject, 0), "accuracy": accuracy}
            for result in analysis.results
            for subject, accuracy in result.accuracy_by_subject.items()
            if result.scores
        ],
        ["variant", "subject", "clips", "accuracy"],
    )


def costs(analysis: Analysis) -> pd.DataFrame:
    """Cost against score: variant, seconds (mean of a fold), parameters, score, low, high, verdict."""
    metric = analysis.study.metric
    return _table(
        [
            {
                "variant": result.variant.name,
                "seconds": result.seconds,
                "parameters": result.parameters,
                "score": result.scores[metric],
                "low": result.intervals.get(metric, (None, None))[0],
                "high": result.intervals.get(metric, (None, None))[1],
                "verdict": _verdict(result),
            }
            for result in analysis.results
            if result.scores
        ],
        ["variant", "seconds", "parameters", "score", "low", "high", "verdict"],
    )


def estimates(found: Sequence[Estimate]) -> pd.DataFrame:
    """Effects, interactions or Shapley values: name, value, low, high, comparisons; in the order given."""
    columns = ["name", "value", "low", "high", "comparisons"]
    return _table([{column: getattr(one, column) for column in columns} for one in found], columns)


def variances(analysis: Analysis) -> pd.DataFrame:
    """Variance of a single accuracy by source: variant, subject, seed, residual; ranked as the table."""
    parts = ["subject", "seed", "residual"]
    splits = analysis.spread.splits
    names = [result.variant.name for result in analysis.results if result.variant.name in splits]
    rows = [{"variant": name} | {part: getattr(splits[name], part) for part in parts} for name in names]
    return _table(rows, ["variant", *parts])


def ranks(analysis: Analysis) -> pd.DataFrame:
    """Mean ranks: variant, mean_rank; best first."""
    found = analysis.spread
    mean = found.ranking.mean_ranks.tolist() if found.ranking else []
    rows = [{"variant": name, "mean_rank": value} for name, value in zip(found.ranked, mean, strict=True)]
    return _table(sorted(rows, key=lambda row: float(row["mean_rank"])), ["variant", "mean_rank"])


def _verdict(result: VariantResult) -> str:
    if result.variant.is_reference:
        return "reference"
    verdict = result.comparison.verdict if result.comparison else None
    return verdict or "not compared"


def _stack(curves: list[list[float]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Curves (cells, epochs) of equal length; nan after the end of the shorter ones, and where there is no number."""
    length = max(map(len, curves), default=0)
    filled = [[*curve, *[np.nan] * (length - len(curve))] for curve in curves]
    values = np.array(filled, np.float64).reshape(len(curves), length)
    return np.where(np.isfinite(values), values, np.nan)


def _table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=columns)
