"""The description of a sweep's parent run in MLflow: its question, its verdict, and where to look first."""

from __future__ import annotations

import html
import json
import urllib.parse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestration.failures import reasons
from orchestration.mlflow_values import storable
from orchestration.mlflow_views import QUESTIONS
from orchestration.verdict import Verdict

if TYPE_CHECKING:
    from orchestration.cells import Cell

NOTE = "mlflow.note.content"
"""Tag of a run that MLflow shows as its description."""
MOST_COMPARED = 60
"""Runs in the address of MLflow's page of comparison, which has to fit into a tag with the rest."""
MOST_REASON = 500
"""Characters of a reason."""
MOST_REASONS = 5


def note(question: str, verdict: Verdict | None, experiment: str, parent: str, children: Sequence[str]) -> str:
    """Markdown; links stay within the page of whichever server shows it.

    Args:
        question: of the sweep.
        verdict: of its report; None if there is no report yet.
        experiment, parent, children: ids; the children in the order of the plan.
    """
    lines = [f"**{plain(question)}**"] if question else []
    if verdict is not None:
        lines += [f"**{plain(warning)}**" for warning in verdict.warnings]
        lines.append(plain(verdict.headline))
    runs = f"#/experiments/{experiment}/runs"
    links = [f"[{name}]({runs}?viewStateShareKey={view}&compareRunsMode=CHART)" for view, name in QUESTIONS.items()]
    compared = list(children[:MOST_COMPARED])
    query = urllib.parse.urlencode({"runs": json.dumps(compared), "experiments": json.dumps([experiment])})
    which = "all runs" if len(compared) == len(children) else f"the first {len(compared)} runs"
    links.append(f"[Compare {which}](#/compare-runs?{query})")
    if verdict is not None:
        links.append(f"[The report]({runs}/{parent}/artifacts/report/index.html)")
    lines.append(" · ".join(links))
    return "\n\n".join(lines) + "\n"


def failures(cells: Sequence[Cell]) -> str | None:
    """Markdown: how many folds of a run failed, and why; None if none did."""
    why = reasons(cells)
    if not why:
        return None
    lines = [f"- {count} × {plain(reason[:MOST_REASON])}" for reason, count in why[:MOST_REASONS]]
    failed = sum(count for _, count in why)
    return "\n".join([f"{failed} of {len(cells)} folds failed, so that there is no score:", "", *lines]) + "\n"


def plain(text: str) -> str:
    """A text that Markdown and HTML both show as it is."""
    written = html.escape(" ".join(storable(text).split()), quote=False)
    return "".join(f"\\{sign}" if sign in "\\`*_[]#|~$!" else sign for sign in written)
