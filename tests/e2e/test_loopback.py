"""Every server that a command starts listens to this machine alone: looked up among the sockets of its processes."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

RAY = """
import time
from orchestration.ray_session import ray_session
with ray_session(print):
    import ray
    ray.get(ray.remote(lambda: None).remote())
    print("ready", flush=True)
    time.sleep(60)
"""
UI = """
cluster_name: small
metadata:
  sweep:
    base: [dataset=synthetic, dataset.subjects=2, "dataset.clips_per_class=[2,2,2]", dataset.frames=4,
           dataset.size=16, model=madv_tiny, "model.tokenizer.stride=[2,2,2]"]
    design: search
    protocol: {optimistic: true}
    search: {space: {loss.alpha: {low: 0.1, high: 0.9}}, trials: 4, pruner: none}
"""
STUDY = """
from pathlib import Path
from orchestration.prepared import prepare
from orchestration.search_study import open_study
open_study(prepare(Path("small.yaml"), []).searches[0])
Path("store/cells").mkdir()
"""


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[psutil.Popen]:
    """A command whose output is read; it and its children are gone at the end."""
    kept = {name: text for name, text in os.environ.items() if name not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")}
    with psutil.Popen(command, cwd=folder, env=kept, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            family = process.children(recursive=True)
            process.terminate()
            process.wait(30)
            for child in psutil.wait_procs(family, timeout=10)[1]:
                child.kill()


def listening(process: psutil.Popen) -> dict[tuple[str, int], str]:
    """(address, port) of every socket on which a process or its children wait for others, with the process's name."""
    found = {}
    for one in (process, *process.children(recursive=True)):
        try:
            sockets = one.net_connections("inet")
        except psutil.NoSuchProcess:
            continue
        found |= {tuple(each.laddr): one.name() for each in sockets if each.status == psutil.CONN_LISTEN}
    return found


def open_to_others(sockets: dict[tuple[str, int], str]) -> list[str]:
    """Those that are not on the loopback device."""

    def loopback(text: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback

    return [f"{name} at {address}:{port}" for (address, port), name in sockets.items() if not loopback(address)]


def test_open_to_others_is_told_from_loopback() -> None:
    mapped = {("::ffff:127.0.0.1", 1): "a", ("::1", 2): "b", ("127.0.0.1", 3): "c", ("::ffff:10.0.0.1", 4): "d"}
    assert open_to_others(mapped | {("0.0.0.0", 5): "e", ("::", 6): "f"}) == [
        "d at ::ffff:10.0.0.1:4",
        "e at 0.0.0.0:5",
        "f at :::6",
    ]


def test_a_ray_of_our_own(tmp_path: Path) -> None:
    with started([sys.executable, "-c", RAY], tmp_path) as process:
        assert process.stdout.readline() == "ready\n"
        found = listening(process)
    assert any("gcs" in name for name in found.values())
    assert any("raylet" in name for name in found.values())
    assert open_to_others(found) == []


def test_the_page_mlflow_and_optuna(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(UI)
    subprocess.run([sys.executable, "-c", STUDY], cwd=tmp_path, check=True, timeout=60)
    (tmp_path / "mlflow.db").touch()  # MLflow's server fills it
    with started([sys.executable, "-m", "orchestration.cli", "ui", "small.yaml", "--port", "0"], tmp_path) as process:
        said = process.stdout.readline()
        until = time.monotonic() + 150  # MLflow is slow to come on a machine with much to do
        while len(found := listening(process)) < 3 and time.monotonic() < until:
            time.sleep(0.5)
    assert said.startswith("live       http://127.0.0.1:")
    assert len(found) == 3, found
    assert open_to_others(found) == []
