"""The command line: speed, errors, and a whole sweep of simulated folds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import simulated

from orchestration import cli
from orchestration.cli_report import mlflow_command
from orchestration.prepared import cache_folder

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python program in a process of its own, in this folder."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_the_commands_and_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom orchestration import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = ('torch', 'ray', 'mlflow', 'pandas', 'numpy', 'hydra', 'rich')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = run(tmp_path, "-c", program)
    for command in ("sweep", "plan", "train", "report", "track", "data"):
        assert re.search(rf"^ +{command} ", done.stdout, re.MULTILINE)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_problem_of_a_sweep_file_is_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "cluster_name: broken\n"
        "metadata:\n"
        "  sweep:\n"
        "    base: [dataset=synthetik]\n"
        "    design: factorial\n"
        "    factors:\n"
        "      texture: {on: [], off: [model.streams.textur=false]}\n"
    )
    assert cli.main(["sweep", str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert all(line.startswith("madv: ") for line in lines)
    assert any("did you mean 'synthetic'" in line for line in lines)
    assert any("did you mean 'model.streams.texture'" in line for line in lines)


def test_a_file_that_is_not_there_is_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("sweep", "plan", "report", "track"):
        assert cli.main([command, str(tmp_path / "none.yaml")]) == 2
        assert "none.yaml" in capsys.readouterr().err


def test_a_sweep_ends_with_report_tracking_and_its_failures(tmp_path: Path) -> None:
    first = run(tmp_path, str(HERE / "simulated_sweep.py"), "fail", "8")
    assert first.returncode == 1, first.stderr
    assert first.stderr.splitlines() == [
        "1 of 32 cells failed:",
        "  1 x ArithmeticError: the loss is nan",
        "`madv sweep --retry-failed simulated.yaml` trains them once more",
    ]
    lines = first.stdout.splitlines()
    assert lines[1] == "4 variants x 1 seeds x 8 subjects = 32 cells: 0 done, 0 failed, 32 to train"
    assert "report     reports/simulated/index.html" in lines
    assert lines[-1].startswith("MLflow     ")
    assert (tmp_path / "reports" / "simulated" / "index.html").is_file()
    assert len((tmp_path / "reports" / "simulated" / "ablation.csv").read_text().splitlines()) == 1 + 4

    second = run(tmp_path, str(HERE / "simulated_sweep.py"), "train", "8")
    assert second.returncode == 1
    assert "nothing to train" in second.stdout

    third = run(tmp_path, str(HERE / "simulated_sweep.py"), "train", "8", "--retry-failed")
    assert third.returncode == 0, third.stderr
    assert third.stderr == ""
    assert "31 done, 0 failed, 1 to train" in third.stdout

    program = (
        "from mlflow.tracking import MlflowClient\n"
        "client = MlflowClient('sqlite:///mlflow.db')\n"
        "runs = client.search_runs([client.get_experiment_by_name('simulated').experiment_id])\n"
        "print(sorted((run.info.status, 'uf1' in run.data.metrics) for run in runs))"
    )
    found = run(tmp_path, "-c", program).stdout.splitlines()[-1]
    assert found == str([("FINISHED", False)] + [("FINISHED", True)] * 4)


def test_the_mlflow_command_names_the_store() -> None:
    assert mlflow_command("sqlite:///mlflow.db").endswith("mlflow ui --backend-store-uri sqlite:///mlflow.db")
    assert mlflow_command("https://tracking.example") == "https://tracking.example"


def test_clip_caches_are_beside_the_cells_unless_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MADV_CACHE", raising=False)
    assert cache_folder() == Path("store/clips")
    assert cache_folder("s3://bucket/store") == Path.home() / ".cache" / "madv"
    monkeypatch.setenv("MADV_CACHE", str(tmp_path))
    assert cache_folder("s3://bucket/store") == tmp_path


def test_the_simulated_plan_is_as_described() -> None:
    plan = simulated.plan(subjects=2)
    assert plan.variants[0].name == "reference"
    assert len(plan.variants) == 4
