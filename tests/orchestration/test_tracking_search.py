"""A search in MLflow, in a real SQLite store: configurations appear while it runs, in the same runs when it goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from simulated_search import searches, train_cell

from orchestration.cells import CellStore
from orchestration.cli_search_report import named, tracked
from orchestration.plan import PlannedCell
from orchestration.prepared import Prepared
from orchestration.search_driver import Driver
from orchestration.search_study import open_study, resume
from orchestration.tasks import TrialTask
from orchestration.tracking import Tracker, track
from orchestration.weights import WeightStore

# MLflow's own: pydantic and SQLAlchemy features that are on their way out.
pytestmark = pytest.mark.filterwarnings("ignore")

GOOD = "enqueue: [{loss.focal_mu: 1, model.streams.au: false}]"
GOOD_THEN_BAD = "enqueue: [{loss.focal_mu: 1, model.streams.au: false}, {loss.focal_mu: 0, model.streams.au: false}]"
PATIENCE = 240


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def prepared(folder: Path, trials: int, known: str = GOOD_THEN_BAD) -> Prepared:
    found = searches(folder, 20, trials, known)
    store = CellStore(folder / "store")
    weights = WeightStore(str(folder / "store"))
    return Prepared(plan=found[0].plan, store=store, weights=weights, cache_root=folder, searches=found)


def runs(database: str) -> list[Any]:
    """The parent, then the children by their configurations' numbers."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(database)
    found = client.get_experiment_by_name("simulated")
    return sorted(client.search_runs([found.experiment_id]), key=lambda run: run.info.run_name) if found else []


def folds(database: str) -> list[int]:
    """Of each run, how many folds it has."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(database)
    return [len(client.get_metric_history(run.info.run_id, "fold_accuracy")) for run in runs(database)]


def children(database: str) -> list[Any]:
    return [run for run in runs(database) if "mlflow.parentRunId" in run.data.tags]


def scores(database: str) -> list[bool]:
    """Of each configuration, whether it has one."""
    return ["uf1" in run.data.metrics for run in children(database)]


def wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "MLflow does not show it while the search runs"
        time.sleep(0.2)


def test_configurations_are_there_while_they_run_and_a_stopped_one_has_no_score(tmp_path: Path, here: None) -> None:
    database = f"sqlite:///{tmp_path}/mlflow.db"
    with searching(prepared(tmp_path, 2), database) as (driver, train):
        train(4)
        wait(lambda: 2 <= max(folds(database), default=0) <= 4)
        train(None)
        wait(lambda: [run.info.status for run in runs(database)] == ["RUNNING", "FINISHED"])
        assert "uf1" in children(database)[0].data.metrics
        train(None)
        wait(lambda: [run.info.status for run in runs(database)] == ["RUNNING", "FINISHED", "FINISHED"])
        assert driver.finished
    first = runs(database)
    stopped = children(database)[1]
    assert [run.info.status for run in first] == ["FINISHED"] * 3
    assert "uf1" not in stopped.data.metrics and stopped.data.metrics["seconds"] > 0
    assert stopped.data.params["loss.focal_mu"] == "0.0"
    assert 8 <= folds(database)[2] < folds(database)[1] == 20
    # More configurations, in the same parent.
    with searching(prepared(tmp_path, 3), database) as (_, train):
        train(None)
        wait(lambda: runs(database)[0].info.status == "RUNNING")
    assert {run.info.run_id for run in first} < {run.info.run_id for run in runs(database)}
    assert len(children(database)) == 3
    # Another search trains the rest of the one that was stopped.
    ready = prepared(tmp_path, 3)
    whole = ready.searches[0].candidate({"loss.focal_mu": 0, "model.streams.au": False}, "")
    task = TrialTask(digest=whole.variant.digest, config=whole.variant.config, seed=0, cells=whole.cells)
    assert {train_cell(ready.store, task, cell) for cell in whole.cells} == {"done"}
    # Replayed, and replayed into an empty store: the same.
    before, scored = folds(database), scores(database)
    assert scored[:2] == [True, False]
    for uri in (database, f"sqlite:///{tmp_path}/empty.db"):
        track(tracked(ready), ready.store, None, uri)
        assert (folds(uri), scores(uri)) == (before, scored)


def test_one_that_was_cut_off_goes_on_in_its_run(tmp_path: Path, here: None) -> None:
    database = f"sqlite:///{tmp_path}/mlflow.db"
    with searching(prepared(tmp_path, 1, GOOD), database, ends=False) as (_, train):
        train(3)
    parent, child = runs(database)
    assert [parent.info.status, child.info.status] == ["KILLED", "KILLED"]
    assert "uf1" not in child.data.metrics and folds(database) == [0, 3]
    ready = prepared(tmp_path, 1, GOOD)
    track(tracked(ready), ready.store, None, database)
    assert [run.info.status for run in runs(database)] == ["KILLED"] * 2
    with searching(ready, database) as (_, train):
        train(None)
    assert [run.info.run_id for run in runs(database)] == [parent.info.run_id, child.info.run_id]
    assert [run.info.status for run in runs(database)] == ["FINISHED"] * 2
    assert "uf1" in children(database)[0].data.metrics and folds(database) == [0, 20]


@contextmanager
def searching(
    ready: Prepared, database: str, *, ends: bool = True
) -> Iterator[tuple[Driver, Callable[[int | None], None]]]:
    """A search here and now, with a tracker: its driver, and what trains so many folds of the next configuration, or
    what is left of it."""
    (one,) = ready.searches
    study = open_study(one)
    assert study is not None
    tracker = Tracker(tracked(ready), ready.store, database)
    budget = resume(study, one)
    driver = Driver(one, study, ready.store, budget, lambda new, short: tracker.expect(*named(one, new), short=short))
    cells: deque[PlannedCell] = deque()
    task: TrialTask | None = None

    def train(number: int | None) -> None:
        nonlocal task
        if not cells:
            task = driver.ask("t")
            assert task is not None
            cells.extend(task.cells)
        for _ in range(number or len(cells)):
            assert task is not None
            cell = cells.popleft()
            state = train_cell(ready.store, task, cell)
            tracker.put(cell.key)
            if driver.heard("t", cell.key, state):
                cells.clear()
                break
        if not cells:
            driver.ended("t")

    yield driver, train
    assert tracker.finish(None, PATIENCE, tracked(ready) if ends else None) is None
