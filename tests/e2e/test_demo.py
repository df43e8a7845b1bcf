"""The whole program, small: a sweep file through the command line, real training, Ray, MLflow and the report."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SWEEP = """
cluster_name: small
provider: {type: local, head_ip: 127.0.0.1, worker_ips: []}
metadata:
  sweep:
    question: Does depth help?
    base: [dataset=synthetic, model=madv_tiny, train=demo]
    design: factorial
    factors:
      depth: {on: [], off: [model.streams.depth=false]}
      au: {on: [], off: [model.streams.au=false]}
    seeds: 1
    report: {keep_checkpoints: best}
"""
SMALL = (
    "dataset.subjects=4",
    "dataset.clips_per_class=[8,8,8]",
    "dataset.size=24",
    "train.epochs=1",
)


def madv(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sweep has run once."""
    where = tmp_path_factory.mktemp("small")
    (where / "small.yaml").write_text(SWEEP)
    done = madv(where, "sweep", "small.yaml", *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "4 variants x 1 seeds x 4 subjects = 16 cells: 0 done, 0 failed, 16 to train" in done.stdout
    assert "16 of 16 cells" in done.stdout
    return where


def test_the_report_is_there(folder: Path) -> None:
    page = (folder / "reports" / "small" / "index.html").read_text()
    assert "Does depth help?" in page
    assert (folder / "reports" / "small" / "ablation.md").is_file()
    with (folder / "reports" / "small" / "ablation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["variant"] for row in rows} == {"reference", "depth=off", "au=off", "depth=off au=off"}
    assert all(0 <= float(row["uf1"]) <= 1 for row in rows)
    assert [row["difference"] == "" for row in rows].count(True) == 1


def test_the_networks_of_the_best_are_kept_and_looked_into(folder: Path) -> None:
    with (folder / "reports" / "small" / "ablation.csv").open() as file:
        best = next(csv.DictReader(file))["variant"]
    kept = len({best, "reference"}) * 4
    assert len(list((folder / "store" / "checkpoints").glob("*.safetensors"))) == kept
    page = (folder / "reports" / "small" / "clips.html").read_text()
    assert '<a href="clips.html">' in (folder / "reports" / "small" / "index.html").read_text()
    assert page.count("<h3>Where it looks") == page.count("<section") >= 3
    again = madv(folder, "explain", "small.yaml", *SMALL, "--clip", "sub01_001")
    assert (again.returncode, again.stdout) == (0, "clips      reports/small/clips.html\n"), again.stderr
    assert (folder / "reports" / "small" / "clips.html").read_text().count("<section") == 1


def test_a_network_that_was_altered_is_set_aside(folder: Path) -> None:
    kept = {path: path.read_bytes() for path in (folder / "store" / "checkpoints").glob("*.safetensors")}
    for path, content in kept.items():
        path.write_bytes(content[:-1])
    done = madv(folder, "explain", "small.yaml", *SMALL, "--clip", "sub01_001")
    assert done.returncode == 2
    assert "1 kept network could not be read, see above; `madv sweep` makes them again" in done.stderr
    (aside,) = (folder / "store" / "checkpoints").glob("*.broken")
    assert f"it was set aside as {aside.name}" in done.stderr
    aside.unlink()
    for path, content in kept.items():
        path.write_bytes(content)


def test_mlflow_has_a_parent_and_a_child_a_variant_and_seed(folder: Path) -> None:
    program = (
        "from mlflow.tracking import MlflowClient\n"
        "client = MlflowClient('sqlite:///mlflow.db')\n"
        "runs = client.search_runs([client.get_experiment_by_name('small').experiment_id])\n"
        "parents = [run for run in runs if 'mlflow.parentRunId' not in run.data.tags]\n"
        "print(len(runs), len(parents), {run.info.status for run in runs},"
        " sum('uf1' in run.data.metrics for run in runs),"
        " sorted(file.path for file in client.list_artifacts(parents[0].info.run_id, 'report')))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    names = ("ablation.csv", "ablation.md", "ablation.tex", "cells.json", "clips.csv", "clips.html", "index.html")
    files = [f"report/{name}" for name in (*names, "verdict.json")]
    assert done.stdout.splitlines()[-1] == f"5 1 {{'FINISHED'}} 4 {files}"


def test_the_report_as_a_papers_table_and_figures(folder: Path) -> None:
    done = madv(folder, "report", "small.yaml", *SMALL, "--format", "latex", "--figures")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (folder / "reports" / "small" / "ablation.tex").read_text()
    assert done.stdout.startswith(r"\begin{table}")
    drawn = {file.name for file in (folder / "reports" / "small" / "figures").iterdir()}
    assert {"scores.svg", "scores.pdf", "shapley.svg"} <= drawn


def test_a_second_run_trains_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "store" / "cells").iterdir()}
    done = madv(folder, "sweep", "small.yaml", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "16 done, 0 failed, 0 to train" in done.stdout
    assert "nothing to train" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (folder / "store" / "cells").iterdir()} == before


def test_another_sweep_finds_the_same_cells(folder: Path) -> None:
    (folder / "other.yaml").write_text(SWEEP.replace("small", "other").replace("depth:", "depth_map:"))
    done = madv(folder, "plan", "other.yaml", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "16 done, 0 failed, 0 to train" in done.stdout


def test_cells_are_replayed_into_mlflow(folder: Path) -> None:
    done = madv(folder, "track", "small.yaml", *SMALL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "16 of 16 cells are in MLflow's experiment 'small'"


def test_one_seed_is_not_enough_to_calibrate(folder: Path) -> None:
    done = madv(folder, "calibrate", "small.yaml", *SMALL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("madv: metadata.sweep.seeds: two seeds of the reference are needed")


def test_one_evaluation_outside_any_sweep(folder: Path) -> None:
    done = madv(folder, "train", "dataset=synthetic", "model=madv_tiny", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "UF1 " in done.stdout
    assert "true class (row), predicted class (column)" in done.stdout


def test_a_data_set_is_described(folder: Path) -> None:
    done = madv(folder, "data", "dataset=synthetic", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "happiness, surprise, disgust" in done.stdout
    assert "ceiling of texture+depth+au" in done.stdout


def test_a_misspelt_override_starts_nothing(folder: Path) -> None:
    done = madv(folder, "sweep", "small.yaml", "model.streams.dept=false", "train.epoch=2")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "model.streams.depth" in done.stderr
    assert "train.epochs" in done.stderr
    assert "Traceback" not in done.stderr
