"""`ray submit --start` and `madv submit` for real: SSH, rsync, a Ray head, the sweep on it, and its exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from ssh_server import MISSING, Server, end_ray, free_port, ssh_server

from orchestration.spec import load_spec

ROOT = Path(__file__).parents[2]
PATIENCE = 400
"""Seconds for a command; a busy machine takes long to start Python and Ray."""
SMALL = ["dataset.subjects=3", "dataset.clips_per_class=[3,3,3]", "dataset.size=24", "train.epochs=1"]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)} (openssh-server, rsync)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A sweep file, and where its head keeps things."""

    file: Path
    name: str
    project: Path
    """Where a user would submit from: a copy, for the report comes back into it."""
    server: Server


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """sweeps/ablate_streams.yaml for a head of its own: another name, port and key, little data, this environment."""
    folder = tmp_path_factory.mktemp("cluster")
    # Short: a socket's path has at most 107 characters.
    with (
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as temporary,
        ssh_server(folder) as server,
    ):
        (server.home / "madv").mkdir()
        (server.home / "madv" / ".venv").symlink_to(sys.prefix)
        text = (ROOT / "sweeps" / "ablate_streams.yaml").read_text()
        ours = f"--temp-dir {temporary} --num-cpus 2 --include-dashboard false --port "
        text = text.replace("--port ", ours).replace("6379", str(free_port()))
        text = text.replace("  - make --directory ~/madv setup\n", "")
        text = text.replace("train=demo]", f"train=demo, {', '.join(map(repr, SMALL))}]").replace(
            "seeds: 2", "seeds: 1"
        )
        name = f"streams-{uuid.uuid4().hex[:8]}"
        text = text.replace("cluster_name: ablate-streams", f"cluster_name: {name}")
        text = text.replace("  ssh_user: root\n", "".join(f"  {key}: {value}\n" for key, value in server.auth.items()))
        file = folder / "sweep.yaml"
        file.write_text(text)
        project = folder / "project"
        for local in yaml.safe_load(text)["file_mounts"].values():
            copy = shutil.copytree if (ROOT / local).is_dir() else shutil.copy
            project.mkdir(exist_ok=True)
            copy(ROOT / local, project / local)
        try:
            yield Cluster(file=file, name=name, project=project, server=server)
        finally:
            end_ray(Path(temporary))
            for left in Path("/tmp/ray").glob(f"cluster-{name}.*"):
                left.unlink()


def run(cluster: Cluster, program: str, *arguments: str | Path) -> tuple[int, str]:
    """Exit code and output of a command of this environment, given in the project's root."""
    unwanted = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
    done = subprocess.run(
        [sys.executable, "-m", program, *map(str, arguments)],
        cwd=cluster.project,
        env={name: value for name, value in os.environ.items() if name not in unwanted},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout


def test_ray_submit_runs_the_sweep_on_the_head(cluster: Cluster) -> None:
    code, output = run(cluster, "ray.scripts.scripts", "submit", "--start", cluster.file, "sweeps/submit.py")
    assert code == 0, output
    digest = load_spec(cluster.file).digest[:12]
    assert f"{cluster.name} ({digest}): Which input streams" in output
    assert "7 variants x 1 seeds x 3 subjects = 21 cells: 0 done, 0 failed, 21 to train" in output
    folder = cluster.server.home / "madv"
    assert "Which input streams" in (folder / "reports" / cluster.name / "index.html").read_text()
    assert len(list((folder / "store" / "cells").glob("*.parquet"))) == 21
    assert (folder / "mlflow.db").is_file()
    assert (cluster.server.home / ".ray" / "auth_token").stat().st_mode & 0o077 == 0


def test_madv_submit_finds_everything_done_and_brings_the_report(cluster: Cluster) -> None:
    code, output = run(cluster, "orchestration.cli", "submit", cluster.file)
    assert code == 0, output
    assert "21 done, 0 failed, 0 to train" in output
    assert "Which input streams" in (cluster.project / "reports" / cluster.name / "index.html").read_text()


def test_the_exit_code_of_the_sweep_holds(cluster: Cluster) -> None:
    """That the data are missing is found out on the head."""
    text = cluster.file.read_text().replace("dataset=synthetic", "dataset=megc2019, dataset.path=/nowhere")
    for override in SMALL[:3]:
        text = text.replace(f", {override!r}", "")
    file = cluster.file.with_name("other.yaml")
    file.write_text(text)
    code, output = run(cluster, "orchestration.cli", "submit", file)
    assert code == 2, output
    assert "/nowhere" in output
    assert "madv: exit code 2" in output
    assert "Traceback" not in output
