"""MLflow runs of simulated cells, in a real SQLite store."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import simulated

from orchestration import mlflow_values
from orchestration.addresses import without_password
from orchestration.cells import CellStore
from orchestration.cli_report import mlflow_command
from orchestration.mlflow_file import make_whole
from orchestration.mlflow_values import safe_name, storable
from orchestration.plan import Plan
from orchestration.tracking import Tracker, track, tracking_uri

# MLflow's own: pydantic and SQLAlchemy features that are on their way out.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SQLite store for all tests here: MLflow takes seconds to make one."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CellStore:
    """An empty store, in a current folder where MLflow may leave its artifacts."""
    monkeypatch.chdir(tmp_path)
    return CellStore(tmp_path / "store")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A folder as a report leaves it."""
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "index.html").write_text("<p>report")
    return folder


def fill(plan: Plan, store: CellStore, keep: int | None = None) -> None:
    """Train the first cells here and now."""
    from orchestration.cell_records import done_cell

    variants = {variant.name: variant for variant in plan.variants}
    for number, planned in enumerate(plan.cells[:keep]):
        config = variants[planned.variant].config
        clips, fold = simulated.fold(config, planned.subject)
        result = simulated.train(config, fold, clips, planned.seed)
        digest = variants[planned.variant].digest
        store.write(done_cell(planned, digest, result, clips.class_names, started=1_700_000_000.0 + number))


def runs(database: str, experiment: str) -> list[Any]:
    """All runs of the experiment, the parent first."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(database)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return sorted(client.search_runs([found.experiment_id]), key=lambda run: "mlflow.parentRunId" in run.data.tags)


def history(database: str, run: Any, metric: str) -> list[tuple[int, float, int]]:
    """(step, value, timestamp) of each row of a metric."""
    from mlflow.tracking import MlflowClient

    return sorted(
        (row.step, row.value, row.timestamp) for row in MlflowClient(database).get_metric_history(run, metric)
    )


def test_replaying_twice_leaves_no_duplicates(database: str, store: CellStore, report: Path) -> None:
    plan = simulated.plan(subjects=2, seeds=2, name="twice")
    fill(plan, store)
    track(plan, store, report, database)
    first = runs(database, "twice")
    before = {run.info.run_id: history(database, run.info.run_id, "fold_accuracy") for run in first}
    track(plan, store, report, database)
    again = runs(database, "twice")
    assert [run.info.run_id for run in again] == [run.info.run_id for run in first]
    assert {run.info.run_id: history(database, run.info.run_id, "fold_accuracy") for run in again} == before

    parent, *children = again
    assert len(children) == 4 * 2
    assert {run.info.status for run in again} == {"FINISHED"}
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in children)
    assert parent.data.params["question"] == "Does it run?"
    assert parent.data.tags["madv.data_fingerprint"] == plan.facts.fingerprint
    assert parent.inputs.dataset_inputs[0].dataset.name == "synthetic"


def test_a_child_has_pooled_scores_settings_and_folds(database: str, store: CellStore, report: Path) -> None:
    plan = simulated.plan(subjects=2, name="child")
    fill(plan, store)
    track(plan, store, report, database)
    child = next(run for run in runs(database, "child") if run.data.tags.get("mlflow.runName") == "reference seed 0")
    # Two subjects, each with labels 0 1 2 and predictions 0 1 0: F1 of the classes 2/3, 1, 0.
    metrics = child.data.metrics
    assert metrics["uf1"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert metrics["uar"] == pytest.approx(2 / 3)
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics["recall_disgust"] == 0
    assert metrics["seconds"] == pytest.approx(0.002)
    assert metrics["parameters"] == 30
    assert child.data.params["texture"] == "on"
    assert child.data.params["model.streams.texture"] == "True"
    assert child.data.params["train.epochs"] == "2"
    steps = history(database, child.info.run_id, "fold_accuracy")
    assert [step for step, _, _ in steps] == [0, 1]
    assert [value for _, value, _ in steps] == pytest.approx([2 / 3, 2 / 3])
    cell = store.read(plan.cells[0].key)
    assert steps[0][2] == round(cell.finished * 1000)


def test_a_resumed_sweep_goes_on_in_the_same_runs(database: str, store: CellStore, report: Path) -> None:
    plan = simulated.plan(subjects=2, name="resumed")
    fill(plan, store, keep=3)
    first = Tracker(plan, store, database)
    for cell in plan.cells[:3]:
        first.put(cell.key)
    assert first.finish(None, 60) is None
    stopped = runs(database, "resumed")
    assert sorted(run.info.status for run in stopped) == ["FINISHED", "KILLED", "KILLED"]

    fill(plan, store)
    second = Tracker(plan, store, database)
    for cell in plan.cells[3:]:
        second.put(cell.key)
    assert second.finish(report, 60) is None
    ended = runs(database, "resumed")
    assert {run.info.run_id for run in stopped} < {run.info.run_id for run in ended}
    assert len(ended) == 1 + 4
    assert {run.info.status for run in ended} == {"FINISHED"}


def test_a_finished_sweep_is_only_looked_at(database: str, store: CellStore, report: Path) -> None:
    plan = simulated.plan(subjects=2, name="finished")
    fill(plan, store)
    track(plan, store, report, database)
    ends = [run.info.end_time for run in runs(database, "finished")]
    tracker = Tracker(plan, store, database)
    tracker.start()
    assert tracker.finish(report, 60) is None
    assert [run.info.end_time for run in runs(database, "finished")] == ends


def test_a_server_that_is_not_there_is_one_line(store: CellStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    plan = simulated.plan(subjects=2, name="absent")
    fill(plan, store)
    tracker = Tracker(plan, store, "http://127.0.0.1:9")
    began = time.monotonic()
    for cell in plan.cells:
        tracker.put(cell.key)
    assert time.monotonic() - began < 0.1
    trouble = tracker.finish(None, 60)
    assert trouble is not None
    assert "\n" not in trouble


def test_a_password_in_the_address_is_in_no_word_of_it(store: CellStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cr3t@127.0.0.1:9")
    plan = simulated.plan(subjects=2, name="secret")
    fill(plan, store)
    tracker = Tracker(plan, store)
    tracker.put(plan.cells[0].key)
    said = [tracker.finish(None, 60) or "", tracker.finish(None, 0) or "", mlflow_command(tracking_uri())]
    assert said[0] and said[2] == "http://127.0.0.1:9"
    assert "s3cr3t" not in " ".join(said)
    assert "s3cr3t" not in mlflow_command("postgresql://me:s3cr3t@host/mlflow")


def test_what_is_left_of_an_address_without_its_password() -> None:
    shown = {
        "postgresql://host/a@b is down": "postgresql://host/a@b is down",
        "postgresql://me:s3@cr/3t@host/a": "postgresql://host/a",
        "https://token@host:5000": "https://host:5000",
        "postgresql://host/a?password=s3cr3t&user=me": "postgresql://host/a?password=***&user=me",
        "s3://b/c?X-Amz-Signature=s3&region=eu": "s3://b/c?X-Amz-Signature=***&region=eu",
        "https://host/cells?sv=1&sig=s3cr3t": "https://host/cells?sv=1&sig=***",
        "https://host/a?api-key=s3cr3t;AccountKey=s3cr3t": "https://host/a?api-key=***;AccountKey=***",
        "https://host/a?code=s3cr3t&pass=s3cr3t": "https://host/a?code=***&pass=***",
        "https://host/a#access_token=s3cr3t": "https://host/a#access_token=***",
        "to https://hooks.example/services/T0/s3cr3t no": "to https://hooks.example/*** no",
        "https://chat.example/api/webhooks/1/s3cr3t": "https://chat.example/***",
        "https://host/a?author=1 and me@home": "https://host/a?author=1 and me@home",
    }
    assert {text: without_password(text) for text in shown} == shown
    began = time.process_time()
    for endless in ("//" * 50_000 + ":" * 50_000, "&" + "token" * 20_000, "http://a/" * 10_000, "hook" * 20_000):
        without_password(endless)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"rev-parse": "abc"}, "abc"),
        ({"rev-parse": "abc", "status": " M a.py"}, "abc with changes"),
        ({}, "not in a git checkout"),
    ],
)
def test_a_reader_is_told_of_changes_without_a_commit(
    answers: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_values, "_git", lambda command, *_: answers.get(command, ""))
    monkeypatch.setattr(mlflow_values, "git_commit", mlflow_values.git_commit.__wrapped__)  # without its memory
    assert mlflow_values.checkout() == said


def test_a_slow_store_does_not_hold_the_sweep(
    store: CellStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = threading.Event()
    monkeypatch.setattr("orchestration.tracking._open", lambda *_: stuck.wait(30))
    database = f"sqlite:///{tmp_path}/slow.db"
    tracker = Tracker(simulated.plan(subjects=2), store, database)
    tracker.put("k")
    assert tracker.finish(None, 0.05) == f"{database} is too slow"
    stuck.set()


def test_names_are_made_safe() -> None:
    assert safe_name("joy (50%)") == "joy _50__"
    assert safe_name("négatif") == "n_gatif"
    # MLflow takes a key for a path that must not resolve to another one.
    assert [safe_name(name) for name in ("", "a//b", "../a", "/a/./")] == ["_", "a/_/b", "_/a", "_/a/_/_"]
    long, other = safe_name("x" * 9000), safe_name("x" * 9001)
    assert len(long) == len(other) == 200 and long != other
    assert storable("a\0b\ud800") == "a\\0b\\ud800"


def test_a_file_that_is_made_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(source: Path, target: Path) -> None:
        assert source.stat().st_size > 100_000 and not target.exists()
        raise KeyboardInterrupt

    file = tmp_path / "here" / "mlflow.db"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("os.link", killed)
        make_whole(f"sqlite:///{file}")
    assert list(file.parent.iterdir()) == []
    make_whole(f"sqlite:///{file}")
    content = file.read_bytes()
    make_whole(f"sqlite:///{file}")
    assert file.read_bytes() == content and list(file.parent.iterdir()) == [file]
