"""`ray submit --start` and `madv submit` for real: SSH, rsync, a Ray head, the sweep on it, and its exit codes."""

from __future__ import annotations

import os
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

ROOT = Path(__file__).parents[2]
SMALL = ["dataset.subjects=3", "dataset.clips_per_class=[3,3,3]", "dataset.size=24", "train.epochs=1"]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)} (openssh-server, rsync)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A sweep file, and where its head keeps things."""

    file: Path
    name: str
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
        project = server.home / "madv"
        project.mkdir()
        (project / ".venv").symlink_to(sys.prefix)
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
        assert "--autoscaling-config" not in str(yaml.safe_load(text))
        try:
            yield Cluster(file=file, name=name, server=server)
        finally:
            end_ray(Path(temporary))
            for left in Path("/tmp/ray").glob(f"cluster-{name}.*"):
                left.unlink()


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command of this environment in the project's root, as a user would type it."""
    unwanted = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
    return subprocess.run(
        [sys.executable, "-m", program, *map(str, arguments)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in unwanted},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def test_ray_submit_runs_the_sweep_on_the_head(cluster: Cluster) -> None:
    done = run("ray.scripts.scripts", "submit", "--start", cluster.file, "sweeps/submit.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{cluster.name}: Which input streams" in done.stdout
    assert "7 variants x 1 seeds x 3 subjects = 21 cells: 0 done, 0 failed, 21 to train" in done.stdout
    folder = cluster.server.home / "madv"
    assert "Which input streams" in (folder / "reports" / cluster.name / "index.html").read_text()
    assert len(list((folder / "store" / "cells").glob("*.parquet"))) == 21
    assert (folder / "mlflow.db").is_file()
    assert (cluster.server.home / ".ray" / "auth_token").stat().st_mode & 0o077 == 0
