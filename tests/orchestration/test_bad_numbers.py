"""Trainings that go wrong are recorded as failed, with their reason, and counted by the report: never a silent zero."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simulated

from madv.compose import compose
from madv.data.cache import describe
from orchestration.cell_records import failed_cell
from orchestration.cells import CellStore
from orchestration.journal import events
from orchestration.plan import PlannedCell
from orchestration.runner import LOADER, TRAINER
from orchestration.tasks import TrialTask
from orchestration.trial import FoldTrial
from orchestration.weights import WeightStore
from orchestration.workload import Workload

TINY = (
    "dataset=synthetic",
    "dataset.subjects=3",
    "dataset.frames=4",
    "dataset.size=16",
    "model=madv_tiny",
    "model.tokenizer.stride=[2,2,2]",
    "train.epochs=2",
)
EVEN = "dataset.clips_per_class=[3,3,3]"


def trained(tmp_path: Path, *overrides: str, trainer: str = TRAINER) -> tuple[dict[str, Any], CellStore]:
    """The step of a real training of one fold, as a worker does it, without Ray; and the store."""
    config = compose([*TINY, *overrides])
    subject = describe(config.dataset, tmp_path / "clips").subjects[0]
    cell = PlannedCell(key="a" * 64, variant="reference", seed=0, subject=subject)
    store = CellStore(tmp_path)
    workload = Workload(
        tasks=(TrialTask(digest="d" * 64, config=config, seed=0, cells=(cell,)),),
        store=store,
        weights=WeightStore(tmp_path),
        cache_root=tmp_path / "clips",
        threads=1,
        trainer=trainer,
        pretrainer="",
        loader=LOADER,
    )
    trial = FoldTrial.__new__(FoldTrial)
    trial.setup({"task": 0}, workload)
    return trial.step(), store


@pytest.mark.parametrize("overrides", [("train.learning_rate=1e20",), ("loss.alpha=1e38", "loss.beta=1e38")])
def test_a_loss_that_is_no_number(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    result, store = trained(tmp_path, EVEN, *overrides)
    cell = store.read("a" * 64)
    assert (result["state"], cell.state, len(cell.y_pred)) == ("failed", "failed", 0)
    assert cell.reason is not None
    assert "TrainingError" in cell.reason.splitlines()[-1]
    assert [attempt for attempt, _ in result["failures"]] == [1, 2]


def infinite_gradients(*arguments: Any, **named: Any) -> Any:
    """A real training whose gradients, not its losses, become infinite."""
    import torch

    from madv.train import train_fold

    before = torch.Tensor.backward

    def backward(self: torch.Tensor, *some: Any, **more: Any) -> None:
        before(self * float("inf"), *some, **more)  # type: ignore[no-untyped-call]

    torch.Tensor.backward = backward  # type: ignore[assignment, method-assign]
    try:
        return train_fold(*arguments, **named)
    finally:
        torch.Tensor.backward = before  # type: ignore[method-assign]


def test_gradients_that_are_infinite(tmp_path: Path) -> None:
    result, store = trained(tmp_path, EVEN, trainer=f"{__name__}:infinite_gradients")
    assert result["state"] == "failed"
    assert "TrainingError" in (store.read("a" * 64).reason or "")


def test_a_class_that_only_the_held_out_subject_has(tmp_path: Path) -> None:
    """One clip of the third class: whichever subject has it, that fold trains without the class, and has a result."""
    config = compose([*TINY, "dataset.clips_per_class=[4,4,1]"])
    facts = describe(config.dataset, tmp_path / "clips")
    result, store = trained(tmp_path, "dataset.clips_per_class=[4,4,1]")
    cell = store.read("a" * 64)
    assert result["state"] == cell.state == "done"
    assert len(cell.y_pred) == facts.clips_per_subject[facts.subjects[0]]
    assert cell.probabilities.shape[1] == 3
    assert np.isfinite(cell.probabilities).all()
    assert all(np.isfinite(values).all() for values in cell.history.values())


def test_a_sweep_counts_what_failed(tmp_path: Path, ledger: Callable[..., None]) -> None:
    """On a real Ray: no memory, killed by SIGKILL again and again, no number; the rest is trained."""
    here = Path(__file__).parent
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(here.parents[1]), str(here)]),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "TZ": "Pacific/Apia",
    }
    command = [sys.executable, str(here / "simulated_sweep.py"), "hurt", "4"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 1, done.stderr
    assert "3 of 16 cells failed:" in done.stderr
    for reason in ("MemoryError: Unable to allocate", "the worker process died in each of 2", "the loss is nan"):
        assert reason in done.stderr
    store = CellStore(tmp_path / "store")
    assert Counter(store.states().values()) == {"done": 13, "failed": 3}
    logged = list(events(tmp_path / "store" / "logs"))
    ends = Counter(one["key"] for one in logged if one["event"] == "cell ended")
    lost, twice = 16 - len(store.states()), sum(number > 1 for number in ends.values())
    ledger("no memory, SIGKILL or no number at each attempt", tried=3, lost=lost, twice=twice)
    counts = Counter(one["event"] for one in logged)
    assert (counts["worker lost"], counts["attempt failed"]) == (2, 4)
    with (tmp_path / "reports" / "simulated" / "ablation.csv").open(encoding="utf-8") as file:
        rows = {row["variant"]: row for row in csv.DictReader(file)}
    assert {name: (row["cells"], row["failed"]) for name, row in rows.items()} == {
        "reference": ("1", "3"),
        "depth=off": ("4", "0"),
        "texture=off": ("4", "0"),
        "texture=off depth=off": ("4", "0"),
    }
    assert "1 of 4 subjects" in rows["reference"]["notes"]
    # Simulated folds all score the same: one that failed would pull the reference below, if it counted as zeros.
    assert len({row["uf1"] for row in rows.values()}) == 1
    page = (tmp_path / "reports" / "simulated" / "index.html").read_text(encoding="utf-8")
    assert "13 of 16 cells done, 3 failed, 0 not run." in page
    assert "MemoryError" in page


def test_a_clock_that_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = simulated.plan().cells[0]
    started = time.time()
    monkeypatch.setattr(time, "time", lambda: started - 7200)
    found = failed_cell(cell, "d" * 64, "no reason", started)
    assert (found.seconds, found.finished) == (0, started)
