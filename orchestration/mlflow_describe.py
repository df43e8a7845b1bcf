"""What a sweep's runs say of themselves in MLflow: the parent's description, views, and each variant's finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestration.mlflow_note import NOTE, note
from orchestration.mlflow_values import factors, finding_metrics
from orchestration.mlflow_views import tag, views

if TYPE_CHECKING:
    from orchestration.plan import Plan
    from orchestration.verdict import Verdict


def describe(
    client: Any,
    plan: Plan,
    experiment: str,
    parent: str,
    children: Mapping[tuple[str, int], str],
    verdict: Verdict | None,
    end: int,
) -> None:
    """Write it all; again, it is the same.

    Args:
        client: an MlflowClient.
        plan: of the sweep.
        experiment, parent: ids.
        children: (variant name, seed) -> id of the run, in the order of the plan.
        verdict: of the report; None if there is none.
        end: of the last cell, milliseconds: a finding that rests on more cells is of a later time.
    """
    from mlflow.entities import Metric, RunTag

    metric = plan.spec.report.metric
    said = note(plan.spec.question, verdict, experiment, parent, list(children.values()))
    client.set_tag(parent, NOTE, said)
    for view in views(metric, factors(plan.variants)):
        client.set_experiment_tag(experiment, *tag(view, metric, parent, end))
    for (variant, _), run in children.items():
        found = verdict.findings.get(variant) if verdict else None
        if found is not None:
            rows = [Metric(name, value, end, 0) for name, value in finding_metrics(found)]
            client.log_batch(run, metrics=rows, tags=[RunTag("madv.verdict", found.verdict)])
