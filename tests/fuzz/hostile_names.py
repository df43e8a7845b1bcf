"""Names of all kinds as MLflow is told them, held against its own rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestration import mlflow_note, mlflow_values
from orchestration.cells import Cell
from orchestration.mlflow_record import Recorder
from orchestration.overrides import composed
from orchestration.plan import Variant

KEY = "a" * 64
CELL = Cell(
    key=KEY,
    variant="b" * 64,
    seed=1,
    subject="s01",
    state="done",
    sample_id=("EP02_01f", "ü 2", "c"),
    y_true=np.array([0, 1, 1]),
    y_pred=np.array([0, 1, 0]),
    probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32),
    class_names=("negative", "positive"),
    history={"loss": [1.5, 0.3], "accuracy": [0.5, 1.0]},
    seconds=1.25,
    parameters=1234,
    device="cpu",
    versions={"torch": "2.13.0"},
    started=1000.5,
    finished=1001.75,
)


class Validators:
    """MLflow's own rules, in the place of its client."""

    def log_batch(self, run: str, metrics: Sequence[Any] = (), params: Sequence[Any] = ()) -> None:
        from mlflow.utils.validation import _validate_batch_log_data, _validate_batch_log_limits

        _validate_batch_log_limits(metrics, params, [])
        _validate_batch_log_data(metrics, params, [])
        for param in params:
            assert "\0" not in param.value.encode().decode()

    def create_run(self, experiment: str, start: int | None, tags: dict[str, str], name: str) -> Any:
        from mlflow.utils.validation import _validate_tag

        for tag, text in [*tags.items(), ("mlflow.runName", name)]:
            _validate_tag(tag, text)
        assert len(name) <= 250 and "\0" not in name.encode().decode()


def log_metrics(cells: Sequence[Cell]) -> None:
    """What is logged of these."""
    from mlflow.entities import Metric

    values = [
        *mlflow_values.pooled_metrics(cells),
        *(pair for cell in cells for pair in mlflow_values.fold_metrics(cell)),
    ]
    Recorder._log_metrics(_recorder(), "run", [Metric(name, value, 0, 0) for name, value in values])


def _recorder() -> Any:
    recorder = Recorder.__new__(Recorder)
    recorder._client = Validators()
    return recorder


def record(folder: Path, names: tuple[str, str, str]) -> None:
    """Classes, curves, factors, levels and variants of these names."""
    one, two, three = names
    log_metrics([dataclasses.replace(CELL, class_names=(one, two), history={three: [1.0]}, subject=one)])
    variant = Variant(name=one, levels={two: three}, overrides=(), config=composed(()), digest="d")
    recorder = _recorder()
    recorder._log_params("run", mlflow_values.child_params(variant, 0))
    said = mlflow_note.failures([dataclasses.replace(CELL, state="failed", reason=three)])
    recorder._client.create_run("0", 0, {mlflow_note.NOTE: said}, mlflow_values.run_name(variant, 0))
