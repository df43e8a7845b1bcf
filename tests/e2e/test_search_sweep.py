"""A search through the command line: real training, Ray, Optuna's storage, MLflow while it runs, kill -9 in between."""

from __future__ import annotations

import contextlib
import csv
import importlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest

ROOT = Path(__file__).parents[2]
SWEEP = """
cluster_name: search
metadata:
  sweep:
    question: Which weights?
    base: [dataset=synthetic, model=madv_tiny, train=demo, dataset.subjects=4, "dataset.clips_per_class=[8,8,8]",
      dataset.size=24, train.epochs=1]
    design: search
    protocol: {optimistic: true}
    search:
      space:
        loss.focal_mu: {low: 0, high: 2}
        model.streams.au: [true, false]
        loss.w_au: {low: 0.1, high: 10, log: true, when: model.streams.au=true}
      enqueue: [{loss.focal_mu: 1, model.streams.au: false}]
      trials: TRIALS
"""
PATIENCE = 400


def write(folder: Path, trials: int) -> None:
    (folder / "search.yaml").write_text(SWEEP.replace("TRIALS", str(trials)))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orchestration.cli", *arguments]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"} | {
        "PYTHONPATH": str(ROOT)
    }


def madv(folder: Path, *arguments: str) -> str:
    """What the command prints; it must end well and complain of nothing."""
    done = subprocess.run(
        command(*arguments), cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def states(folder: Path) -> Counter[str]:
    """Of the trials of the only study."""
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{folder}/store/studies/search.db")
    return Counter(trial.state.name for trial in study.trials)


def runs(folder: Path) -> dict[str, tuple[str, str]]:
    """Of MLflow's runs by their ids: name and status."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        rows = database.execute("select run_uuid, name, status from runs").fetchall()
    return {run: (name, status) for run, name, status in rows}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a search of two configurations has run."""
    where = tmp_path_factory.mktemp("search")
    write(where, 2)
    said = madv(where, "sweep", "search.yaml")
    assert "2 configurations x 1 seeds x 4 subjects, by tpe, for uf1" in said
    assert "not raced: that takes 20 subjects, and a study here has 4" in said
    assert "8 of 8 cells" in said
    assert "Optimistic." in said
    return where


def test_the_report_has_the_best_to_copy(folder: Path) -> None:
    page = (folder / "reports" / "search" / "index.html").read_text()
    assert "Which weights?" in page
    assert "loss.focal_mu=" in page
    with (folder / "reports" / "search" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["state"], row["folds"]) for row in rows] == [("finished", "4")] * 2
    assert all(0 <= float(row["uf1"]) <= 1 for row in rows)
    assert (rows[0]["loss.focal_mu"], rows[0]["model.streams.au"]) == ("1", "false")


def test_a_complete_search_trains_nothing_and_reports_again(folder: Path) -> None:
    before = sorted(path.name for path in (folder / "store" / "cells").iterdir())
    assert "nothing to try: the study is complete" in madv(folder, "sweep", "search.yaml")
    assert "2 finished" in madv(folder, "plan", "search.yaml")
    assert "comes first of 2" in madv(folder, "report", "search.yaml")
    assert sorted(path.name for path in (folder / "store" / "cells").iterdir()) == before


def test_kill_9_and_on(folder: Path) -> None:
    write(folder, 60)
    cells = folder / "store" / "cells"
    before = len(list(cells.iterdir()))
    process = subprocess.Popen(
        command("sweep", "search.yaml"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE
    known = runs(folder)
    assert [status for _, status in known.values()] == ["FINISHED"] * 3
    while len(list(cells.iterdir())) < before + 3 or len(runs(folder)) == len(known):
        assert process.poll() is None
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
    import ray  # noqa: F401  # brings psutil along

    psutil = importlib.import_module("psutil")
    below = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for child in below:
        with contextlib.suppress(psutil.Error):
            child.kill()
    cut_off = states(folder)
    assert cut_off["RUNNING"] >= 1

    ended = cut_off["COMPLETE"]
    write(folder, ended + 1)
    said = madv(folder, "sweep", "search.yaml")
    assert f"{cut_off['RUNNING']} cut off" in said
    assert states(folder)["RUNNING"] == 0
    assert states(folder)["COMPLETE"] == ended + 1
    parents = [name for name, _ in runs(folder).values() if name == "search"]
    assert known.items() <= runs(folder).items() and len(parents) == 1
    # Of what was cut off, one has been finished.
    statuses = Counter(status for _, status in runs(folder).values())
    assert statuses == Counter(FINISHED=ended + 2, KILLED=len(runs(folder)) - ended - 2)
