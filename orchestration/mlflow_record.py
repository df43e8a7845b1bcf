"""A sweep as MLflow runs: one experiment, a parent run, one child a (variant, seed); cells in, runs out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.addresses import without_password
from orchestration.ids import digest
from orchestration.mlflow_describe import describe
from orchestration.mlflow_note import NOTE, failures
from orchestration.mlflow_values import (
    child_params,
    dataset_input,
    fold_metrics,
    pooled_metrics,
    predictions_csv,
    provenance,
    run_name,
    safe_name,
    storable,
)
from orchestration.verdict import read_verdict

if TYPE_CHECKING:
    from orchestration.cells import Cell, CellStore
    from orchestration.plan import Plan, PlannedCell

SWEEP_TAG = "madv.sweep"
"""On every run of a sweep: the sweep's key."""
KEY_TAG = "madv.key"
"""On every run: its own key, by which it is found again."""
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""MLflow's page is then laid out for training, not for language models."""
MAX_METRICS = 1000
MAX_PARAMS = 100
"""Of one log_batch, set by MLflow."""
MAX_PARAM = 6000
"""Characters of a parameter's value, set by MLflow."""
MAX_RUNS = 50_000

Child = tuple[str, int]
"""(variant name, seed)"""


class Recorder:
    """Writes cells into MLflow. Whatever has been written before is found by its key and not written twice.

    Timestamps come from the cells, so that a metric that is logged again is the same row of MLflow's store.
    """

    def __init__(self, plan: Plan, store: CellStore, uri: str) -> None:
        from mlflow.tracking import MlflowClient

        self._store = store
        self._client: Any = MlflowClient(tracking_uri=uri)
        self._lay_out(plan)
        self._sweep_key = self._key()
        self._experiment = self._find_experiment()
        self._runs = self._find_runs()
        self._logged: set[tuple[Child, str]] = set()
        self._complete: set[Child] = set()
        self._ends: dict[Child, int] = {}

    def finished(self) -> bool:
        """Whether every run is there and ended well."""
        parent = self._runs.get(self._sweep_key)
        return parent is not None and parent.info.status == "FINISHED" and all(map(self._finished, self._cells))

    def log(self, keys: Iterable[str]) -> None:
        """Log the cells of these keys, and close each child whose last cell is among them."""
        wanted = set(keys)
        for child, planned in self._cells.items():
            chosen = [cell.key for cell in planned if cell.key in wanted and (child, cell.key) not in self._logged]
            if chosen:
                self._log_folds(child, self._store.read_many(chosen))
            if child not in self._complete and all((child, cell.key) in self._logged for cell in planned):
                self._close_child(child)

    def catch_up(self, *, again: bool = False) -> None:
        """Log all cells that are in the store.

        Args:
            again: those of children that ended well, too.
        """
        for child, planned in self._cells.items():
            if not again and self._finished(child):
                self._logged.update((child, cell.key) for cell in planned)
                self._complete.add(child)
                self._ends[child] = self._runs[self._child_key(child)].info.end_time
        self.log(self._store.states(self._keys()))

    def close(self, report: Path | None) -> None:
        """End the runs; the report's files become artifacts of the parent.

        Args:
            report: folder of the report; None if the sweep was interrupted.
        """
        parent = self._parent()
        if report is not None:
            self._client.log_artifacts(parent, str(report), "report")
        verdict = None if report is None else read_verdict(report)
        keys = {child: self._child_key(child) for child in self._cells}
        runs = {child: self._runs[key].info.run_id for child, key in keys.items() if key in self._runs}
        end = max(self._ends.values(), default=0)
        describe(self._client, self._plan, self._experiment, parent, runs, verdict, end)
        for child in self._cells:
            if child not in self._complete and self._child_key(child) in self._runs:
                self._client.set_terminated(self._child(child, None), "KILLED")
        planned = self._keys()
        states = self._store.states(planned)
        self._client.set_terminated(parent, "KILLED" if len(states) < len(planned) else _status(states.values()))

    def _lay_out(self, plan: Plan) -> None:
        self._plan = plan
        self._variants = {variant.name: variant for variant in plan.trained}
        self._cells: dict[Child, list[PlannedCell]] = {}
        for cell in plan.cells:
            self._cells.setdefault((cell.variant, cell.seed), []).append(cell)

    def _keys(self) -> set[str]:
        return {cell.key for planned in self._cells.values() for cell in planned}

    def _finished(self, child: Child) -> bool:
        """Whether the child's run is there and has ended well."""
        run = self._runs.get(self._child_key(child))
        return run is not None and run.info.status == "FINISHED"

    def _log_folds(self, child: Child, cells: Sequence[Cell]) -> None:
        from mlflow.entities import Metric

        run = self._child(child, min(cell.started for cell in cells))
        steps = {subject: step for step, subject in enumerate(self._plan.facts.subjects)}
        rows = [
            Metric(name, value, _milliseconds(cell.finished), steps[cell.subject])
            for cell in cells
            for name, value in fold_metrics(cell)
        ]
        self._log_metrics(run, rows)
        self._logged.update((child, cell.key) for cell in cells)

    def _close_child(self, child: Child) -> None:
        """Pooled scores, predictions and the end of a child whose folds have all ended."""
        from mlflow.entities import Metric

        cells = self._store.read_many([cell.key for cell in self._cells[child]])
        run = self._child(child, None)
        end = _milliseconds(max(cell.finished for cell in cells))
        self._log_metrics(run, [Metric(name, value, end, 0) for name, value in self._pooled(child, cells)])
        self._client.log_text(run, predictions_csv(cells), "predictions.csv")
        if (said := failures(cells)) is not None:
            self._client.set_tag(run, NOTE, said)
        self._client.set_terminated(run, _status(cell.state for cell in cells), end)
        self._complete.add(child)
        self._ends[child] = end

    def _log_metrics(self, run: str, metrics: list[Any]) -> None:
        finite = [metric for metric in metrics if math.isfinite(metric.value)]
        for start in range(0, len(finite), MAX_METRICS):
            self._client.log_batch(run, metrics=finite[start : start + MAX_METRICS])

    def _find_experiment(self) -> str:
        """Id of the experiment; made if absent, brought back if it was deleted."""
        name = self._plan.spec.cluster_name
        found = self._client.get_experiment_by_name(name)
        if found is None:
            experiment: str = self._client.create_experiment(name, tags=EXPERIMENT_TAGS)
            return experiment
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        experiment = found.experiment_id
        return experiment

    def _find_runs(self) -> dict[str, Any]:
        """The sweep's runs by their keys."""
        query = f"tags.`{SWEEP_TAG}` = '{self._sweep_key}'"
        runs = self._client.search_runs([self._experiment], query, max_results=MAX_RUNS)
        return {run.data.tags[KEY_TAG]: run for run in runs if KEY_TAG in run.data.tags}

    def _key(self) -> str:
        """By which the sweep is found again."""
        levels = {variant.digest: dict(variant.levels) for variant in self._plan.variants}
        return digest({"cells": sorted(cell.key for cell in self._plan.cells), "levels": levels})

    def _pooled(self, child: Child, cells: Sequence[Cell]) -> Iterable[tuple[str, float]]:
        """Metrics of a child whose folds have all ended."""
        return pooled_metrics(cells)

    def _child_key(self, child: Child) -> str:
        variant, seed = child
        return digest({"sweep": self._sweep_key, "variant": self._variants[variant].digest, "seed": seed})

    def _parent(self, started: float | None = None) -> str:
        spec = self._plan.spec
        params: dict[str, Any] = {
            "question": spec.question,
            "design": spec.design.kind,
            "metric": spec.report.metric,
            "seeds": len(spec.seeds),
            "subjects": len(self._plan.facts.subjects),
        }
        return self._run(self._sweep_key, spec.cluster_name, params, {}, started)

    def _child(self, child: Child, started: float | None) -> str:
        key = self._child_key(child)
        if key in self._runs:
            return self._run(key, "", {}, {}, started)
        variant, seed = self._variants[child[0]], child[1]
        tags = {"mlflow.parentRunId": self._parent(started), "madv.variant": variant.digest}
        return self._run(key, run_name(variant, seed), child_params(variant, seed), tags, started)

    def _run(self, key: str, name: str, params: dict[str, Any], tags: dict[str, str], started: float | None) -> str:
        """Id of the run with this key, which is made if absent and is running again if it had been killed."""
        run = self._runs.get(key)
        if run is None:
            everywhere = {SWEEP_TAG: self._sweep_key, KEY_TAG: key, **provenance(self._plan)}
            start = None if started is None else _milliseconds(started)
            run = self._client.create_run(self._experiment, start, everywhere | tags, name)
            self._runs[key] = run
            self._log_params(run.info.run_id, params)
            self._client.log_inputs(run.info.run_id, datasets=[dataset_input(self._plan)])
        elif run.info.status == "KILLED":
            self._open_again(key)
        run_id: str = run.info.run_id
        return run_id

    def _open_again(self, key: str) -> None:
        run_id = self._runs[key].info.run_id
        self._client.update_run(run_id, status="RUNNING")
        self._runs[key] = self._client.get_run(run_id)

    def _log_params(self, run: str, params: dict[str, Any]) -> None:
        from mlflow.entities import Param

        # A setting that is not there is none: the others of its name stay numbers.
        known = {
            safe_name(name): storable(without_password(str(value)))[:MAX_PARAM]
            for name, value in params.items()
            if value is not None
        }
        rows = [Param(name, value) for name, value in known.items()]
        for start in range(0, len(rows), MAX_PARAMS):
            self._client.log_batch(run, params=rows[start : start + MAX_PARAMS])


def _status(states: Iterable[str]) -> str:
    return "FAILED" if "failed" in set(states) else "FINISHED"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
