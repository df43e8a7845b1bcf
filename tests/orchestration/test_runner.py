"""Sweeps of simulated folds on a real Ray."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import simulated

from madv.errors import ClusterError
from orchestration.cells import CellStore
from orchestration.runner import pending_cells, run
from orchestration.tasks import CellEvent
from orchestration.weights import WeightStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CellStore:
    """An empty store; workers find the simulated trainers."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("MADV_SIMULATED_MARKS", str(tmp_path))
    return CellStore(tmp_path / "store")


def sweep(store: CellStore, trainer: str, subjects: int = 4) -> list[CellEvent]:
    """Run the simulated plan; its events."""
    events: list[CellEvent] = []
    plan = simulated.plan(subjects)
    weights = WeightStore(str(store.folder))
    run(plan, store, weights, Path(), events.append, trainer=f"simulated:{trainer}", loader="simulated:load")
    return events


def test_a_failing_fold_is_recorded_after_two_attempts_and_the_rest_is_trained(store: CellStore) -> None:
    events = sweep(store, "fail")
    plan = simulated.plan()
    assert {event.cell.key for event in events} == {cell.key for cell in plan.cells}
    assert len(events) == len(plan.cells) == 16
    failed = [event.cell for event in events if event.state == "failed"]
    assert [(cell.variant, cell.subject) for cell in failed] == [("reference", "s02")]
    cell = store.read(failed[0].key)
    assert cell.reason is not None
    assert "ArithmeticError: the loss is nan" in cell.reason
    assert store.attempts(cell.key) == 2

    done = store.read(events[-1].cell.key)
    assert (done.state, done.seconds, done.class_names) == ("done", 0.001, simulated.CLASSES)
    assert done.y_true.tolist() == [0, 1, 2]
    assert done.y_pred.tolist() == [0, 1, 0]
    assert pending_cells(plan, store) == []


def test_a_worker_that_dies_loses_only_the_fold_in_hand(store: CellStore, tmp_path: Path) -> None:
    events = sweep(store, "die_once")
    assert Counter(event.state for event in events) == {"done": 16}
    # No fold was trained twice: those that the dead worker had finished were found in the store.
    assert len((tmp_path / "trained").read_text().splitlines()) == 16


def test_a_fold_that_kills_its_worker_twice_is_recorded_as_failed(store: CellStore, tmp_path: Path) -> None:
    events = sweep(store, "die_always")
    failed = [event.cell for event in events if event.state == "failed"]
    assert [(cell.variant, cell.subject) for cell in failed] == [("reference", "s02")]
    reason = store.read(failed[0].key).reason
    assert reason is not None
    assert reason.startswith("the worker process died in each of 2 attempts")
    assert len((tmp_path / "trained").read_text().splitlines()) == 15


def test_attempts_of_another_run_do_not_count(store: CellStore, tmp_path: Path) -> None:
    """One that was killed, or another sweep that works on the same cells now."""
    plan = simulated.plan(subjects=2)
    other = CellStore(tmp_path / "store")
    for _ in range(2):
        other.record_attempt(plan.cells[0].key)
    events = sweep(store, "train", subjects=2)
    assert Counter(event.state for event in events) == {"done": 8}
    assert other.attempts(plan.cells[0].key) == 2


def test_with_nothing_pending_ray_is_not_imported(store: CellStore) -> None:
    for cell in simulated.plan(subjects=2).cells:
        store.folder.put(f"{cell.key}.parquet", b"")
    program = (
        "import sys, simulated; from pathlib import Path; from orchestration.cells import CellStore;"
        "from orchestration.runner import run; from orchestration.weights import WeightStore;"
        f"root = {str(store.folder)!r}[:-6];"
        "run(simulated.plan(subjects=2), CellStore(root), WeightStore(root), Path(), print);"
        "assert 'ray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": _path()})


def _path() -> str:
    return os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parent)])


def test_a_ray_that_gives_up_is_a_sentence(store: CellStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray import tune
    from ray.exceptions import GetTimeoutError

    def fit(_: tune.Tuner) -> None:
        raise GetTimeoutError("There was timeout in removing the placement group.\nIt is probably because.")

    monkeypatch.setattr(tune.Tuner, "fit", fit)
    with pytest.raises(ClusterError, match=r"^Ray gave up: There was timeout in removing the placement group\.; what"):
        sweep(store, "train", subjects=2)
