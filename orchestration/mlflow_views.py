"""Saved views of a sweep's runs in MLflow, one for each question that people ask first.

MLflow 3 keeps the views that its page saves as tags of the experiment; what is in one is its page's state
(ExperimentPageUIState and savedViewEnvelope in mlflow/server/js). A version that reads it otherwise shows its own
charts, and the README's click path leads to the same comparisons.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

TAG = "mlflow.sharedViewState."
"""Before a view's id in the key of its tag."""
MATTERS, NOISE, COST = "madv-matters", "madv-noise", "madv-cost"
QUESTIONS = {MATTERS: "Which component matters most?", NOISE: "Is it noise?", COST: "What did it cost?"}
BY_VARIANT = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "variant"}]}
MOST_FACTORS = 12
"""Axes of the parallel coordinates; more cannot be read."""
MOST_RUNS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What a view shows."""

    id: str
    charts: tuple[Json, ...]
    columns: tuple[str, ...]
    """Of the table of runs."""
    group_by: Json | None = None


def views(metric: str, factors: Sequence[str]) -> list[View]:
    """The three views.

    Args:
        metric: that ranks the variants.
        factors: parameters in which the variants differ.
    """
    shown = list(factors[:MOST_FACTORS])
    levels = tuple(_param(name) for name in shown)
    found = ("difference_low", "difference", "difference_high", "p_holm")
    return [
        View(
            id=MATTERS,
            charts=(
                _chart("PARALLEL", selectedParams=shown, selectedMetrics=[metric], showAllRuns=True),
                _bar(metric),
                _scatter(("variant", "PARAM"), (metric, "METRIC"), f"{metric} of each seed"),
            ),
            columns=(*levels, _metric(metric)),
        ),
        View(
            id=NOISE,
            charts=tuple(_bar(name) for name in found),
            columns=(_metric(metric), *(_metric(name) for name in found)),
            group_by=BY_VARIANT,
        ),
        View(
            id=COST,
            charts=(
                _scatter(("seconds", "METRIC"), (metric, "METRIC"), f"{metric} against training seconds"),
                _bar("seconds"),
                _bar("parameters"),
            ),
            columns=(_metric(metric), _metric("seconds"), _metric("parameters")),
            group_by=BY_VARIANT,
        ),
    ]


def tag(view: View, metric: str, parent: str, created: int) -> tuple[str, str]:
    """Key and value of the experiment's tag that holds the view of the children of one run.

    Args:
        view: what it shows.
        metric: by which the runs are sorted, the best first.
        parent: id of the run.
        created: milliseconds.
    """
    sections = [
        ("madv", QUESTIONS[view.id], True),
        ("model", "Model metrics", False),
        ("system", "System metrics", False),
    ]
    state = {
        "searchFilter": f"tags.`mlflow.parentRunId` = '{parent}'",
        "orderByKey": _metric(metric),
        "orderByAsc": False,
        "selectedColumns": list(view.columns),
        "runsHiddenMode": "SHOW_ALL",
        "groupBy": view.group_by,
        "compareRunCharts": [chart | {"uuid": f"{view.id}-{n}"} for n, chart in enumerate(view.charts)],
        "compareRunSections": [
            {"uuid": uuid, "name": name, "display": shown, "isReordered": False, "columns": 2}
            for uuid, name, shown in sections
        ],
        "isAccordionReordered": True,
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    times = {"createdAt": created, "updatedAt": created}
    return TAG + view.id, json.dumps({"name": QUESTIONS[view.id], **times, "state": f"deflate;{packed}"})


def differing(params: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the parameters in which runs differ, in their order."""
    values: dict[str, set[str]] = {}
    runs = list(params)
    for run in runs:
        for name, value in run.items():
            values.setdefault(name, set()).add(str(value))
    return [name for name, found in values.items() if len(found) > 1 or any(name not in run for run in runs)]


def _chart(kind: str, **content: Any) -> Json:
    shared = {"type": kind, "metricSectionId": "madv", "deleted": False, "isGenerated": False}
    return shared | {"runsCountToCompare": MOST_RUNS} | content


def _bar(metric: str) -> Json:
    return _chart("BAR", metricKey=metric)


def _scatter(x: tuple[str, str], y: tuple[str, str], name: str) -> Json:
    axes = {axis: {"key": key, "type": kind} for axis, (key, kind) in (("xaxis", x), ("yaxis", y))}
    return _chart("SCATTER", displayName=name, **axes)


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _param(name: str) -> str:
    return f"params.`{name}`"
