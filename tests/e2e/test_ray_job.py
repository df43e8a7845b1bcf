"""`ray job submit -- madv sweep FILE` on a head that runs: the job's log has the sweep, its end the exit code."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ssh_server import end_ray, free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 400
"""Seconds for a command; a busy machine takes long to start Python and Ray."""
RAY = (sys.executable, "-m", "ray.scripts.scripts")
SWEEP = """
cluster_name: job
metadata:
  sweep:
    question: Does a job run it?
    base: [dataset=synthetic, model=madv_tiny, train=demo, dataset.subjects=2, "dataset.clips_per_class=[2,2,2]",
           dataset.size=24, train.epochs=1]
    design: variants
    variants: {whole: [], no_au: [model.streams.au=false]}
    resources: {cpus_per_trial: 1, gpus_per_trial: 0}
    storage_path: STORE
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """A head with its job server."""

    address: str
    """Of the job server."""
    ray_address: str
    """Of Ray itself."""
    environment: dict[str, str]
    """Of whoever talks to it."""


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """One node of two cores, with a token of its own; `madv` is on its PATH."""
    port, jobs = free_port(), free_port()
    unwanted = ("RAY_", "MLFLOW_", "MADV_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    environment |= {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as temporary:
        command = [*RAY, "start", "--head", "--port", str(port), "--num-cpus", "2", "--disable-usage-stats"]
        command += ["--temp-dir", temporary, "--dashboard-port", str(jobs), "--dashboard-host", "127.0.0.1"]
        command += ["--dashboard-agent-listen-port", str(free_port()), "--include-dashboard", "true"]
        try:
            said(command, environment)
            yield Head(address=f"http://127.0.0.1:{jobs}", ray_address=f"127.0.0.1:{port}", environment=environment)
        finally:
            end_ray(Path(temporary))


def said(command: list[str], environment: dict[str, str], code: int = 0) -> str:
    """Its output; it must end with that exit code."""
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def submitted(head: Head, folder: Path, *arguments: str, code: int = 0) -> str:
    """Output of a job that runs madv in a copy of the folder."""
    command = [*RAY, "job", "submit", "--address", head.address, "--working-dir", str(folder), "--"]
    return said([*command, "madv", *arguments], head.environment, code)


def test_a_job_runs_the_sweep_on_the_head_it_is_submitted_to(head: Head, tmp_path: Path) -> None:
    folder, store = tmp_path / "project", tmp_path / "store"
    folder.mkdir()
    (folder / "sweep.yaml").write_text(SWEEP.replace("STORE", str(store)))
    output = submitted(head, folder, "sweep", "sweep.yaml")
    assert "2 variants x 1 seeds x 2 subjects = 4 cells: 0 done, 0 failed, 4 to train" in output
    assert "succeeded" in output
    assert len(list((store / "cells").glob("*.parquet"))) == 4
    output = submitted(head, folder, "sweep", "sweep.yaml", "dataset.subjcts=3", code=1)  # Ray's code of a failed job
    assert "did you mean" in output and "exit code 2" in output


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"RAY_AUTH_TOKEN": "0" * 64}, "refuses this token (RAY_AUTH_MODE is token)"),
        ({"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": ""}, "refuses this token (RAY_AUTH_MODE is disabled)"),
        ({"RAY_AUTH_TOKEN": ""}, "RAY_AUTH_MODE is token and there is none in"),
    ],
)
def test_a_wrong_token_is_one_sentence(head: Head, tmp_path: Path, change: dict[str, str], reason: str) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("STORE", str(tmp_path / "store")))
    environment = head.environment | {"RAY_ADDRESS": head.ray_address, "HOME": str(tmp_path)} | change
    environment = {name: value for name, value in environment.items() if value}
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "sweep", "sweep.yaml"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert reason in done.stderr
