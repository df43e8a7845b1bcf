"""A sweep on two real Ray nodes, one of which is killed half-way: it ends complete, and nothing is trained twice."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ssh_server import end_ray, free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 400
"""Seconds for a command; a busy machine takes long to start Python and Ray."""
SWEEP = """
cluster_name: two-nodes
metadata:
  sweep:
    base: [dataset=synthetic, model=madv_tiny, train=demo, dataset.subjects=6, "dataset.clips_per_class=[6,6,6]",
           dataset.size=24, train.epochs=2]
    design: one_factor_at_a_time
    factors:
      depth: {on: [], off: [model.streams.depth=false]}
      au: {on: [], off: [model.streams.au=false]}
    seeds: 2
    resources: {cpus_per_trial: 1, gpus_per_trial: 0}
"""
CELLS = 36


@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """A cluster of two."""

    environment: dict[str, str]
    """Of whoever joins it."""
    second: int
    """Process id of the second node's raylet."""


def raylets(temporary: str) -> set[int]:
    """Process ids of the raylets whose files are there."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if temporary in command and command.partition("\0")[0].endswith("/raylet"):
            found.add(int(folder.name))
    return found


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """Two nodes of one core, with a token of their own."""
    address = f"127.0.0.1:{free_port()}"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_", "MADV_"))
    }
    environment |= {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}

    def start(*arguments: str) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus", "1", "--disable-usage-stats"]
        done = subprocess.run(
            [*command, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    # Short: a socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as temporary:
        try:
            port = address.rpartition(":")[2]
            start("--head", "--port", port, "--temp-dir", temporary, "--include-dashboard", "false")
            first = raylets(temporary)
            start("--address", address)
            (second,) = raylets(temporary) - first
            yield Nodes(environment=environment | {"RAY_ADDRESS": address}, second=second)
        finally:
            end_ray(Path(temporary))


def test_a_killed_node_costs_no_finished_cell(nodes: Nodes, tmp_path: Path, ledger: Callable[..., None]) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    cells = tmp_path / "store" / "cells"

    def finished() -> dict[str, int]:
        """When each cell was written, by its name."""
        return {path.name: path.stat().st_mtime_ns for path in cells.glob("*.parquet")}

    command = [sys.executable, "-m", "orchestration.cli", "sweep", "sweep.yaml"]
    with (tmp_path / "output").open("w") as output:
        sweep = subprocess.Popen(command, cwd=tmp_path, env=nodes.environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + PATIENCE
        while len(finished()) < 6:
            assert sweep.poll() is None and time.monotonic() < deadline, (tmp_path / "output").read_text()
            time.sleep(0.05)
        os.kill(nodes.second, signal.SIGKILL)
        before = finished()
        assert len(before) < CELLS, "the node was killed too late to matter"
        assert sweep.wait(PATIENCE) == 0, (tmp_path / "output").read_text()
    finally:
        sweep.kill()
        sweep.wait()
    after = finished()
    twice = sum(after.get(name) != written for name, written in before.items())
    ledger("kill -9 of one node of two", lost=CELLS - len(after), twice=twice)
    assert (len(after), twice) == (CELLS, 0)
    assert not list(cells.glob("*.failed.parquet"))
    assert f"{CELLS} of {CELLS} cells" in (tmp_path / "output").read_text()
    assert list((tmp_path / "store" / "cells").glob("marker-*")) == []
