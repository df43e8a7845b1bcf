"""MLflow that is away, slow, locked or full: training does not notice, and `madv track` brings every run, once."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drill import FULL, PATIENCE, Sweep, Undisturbed, ended, trained_twice, wait_for
from small_disk import fill, small_disk


@contextlib.contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's own, on a SQLite file in the folder; it answers."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (folder / "server").open("a") as log:
        process = subprocess.Popen(
            [*command, "--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder)],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, (folder / "server").read_text()
            return listens(port)

        wait_for(answers)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Its children hold the port a moment longer: the next server would find it taken, or be taken for them.
        wait_for(lambda: not listens(port))


def listens(port: int) -> bool:
    """Whether somebody takes connections at this port of loopback."""
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tracked(sweep: Sweep, undisturbed: Undisturbed, ledger: Callable[..., None], fault: str, uri: str) -> None:
    """All cells were trained, though MLflow was away; then it comes back, and two replays are as good as one."""
    assert sweep.predictions() == undisturbed.predictions
    assert sweep.table() == undisturbed.table
    for _ in range(2):
        assert sweep.run("track", "sweep.yaml") == 0, sweep.output()
    assert sweep.runs(uri) == undisturbed.sweep.runs()
    lost = len(undisturbed.predictions) - len(sweep.finished())
    ledger(fault, lost=lost, twice=trained_twice(sweep.logs()))


@pytest.mark.parametrize("trouble", ["killed", "stopped"] if FULL else ["killed"])
def test_a_server_that_goes(
    trouble: str, undisturbed: Undisturbed, tmp_path: Path, ledger: Callable[..., None]
) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    sweep = undisturbed.again(tmp_path / "sweep", MLFLOW_TRACKING_URI=uri)
    with server(tmp_path / "mlflow", port) as mlflow, ended(sweep.start()) as process:
        wait_for(lambda: process.poll() is not None or len(sweep.finished()) >= 2)
        # One that is stopped takes connections and never answers.
        os.killpg(mlflow.pid, signal.SIGKILL if trouble == "killed" else signal.SIGSTOP)
        assert process.wait(PATIENCE) == 0, sweep.output()
        assert "madv: tracking failed: " in sweep.output()
        assert "`madv track sweep.yaml` replays it" in sweep.output()
    with server(tmp_path / "mlflow", port):
        what = "is killed" if trouble == "killed" else "does not answer"
        tracked(sweep, undisturbed, ledger, f"MLflow's server {what}", uri)


@pytest.mark.skipif(not FULL, reason="make faults")
def test_a_file_that_somebody_locks(undisturbed: Undisturbed, tmp_path: Path, ledger: Callable[..., None]) -> None:
    sweep = undisturbed.again(tmp_path)
    with ended(sweep.start()) as process:
        wait_for(lambda: process.poll() is not None or ((tmp_path / "mlflow.db").exists() and bool(sweep.finished())))
        with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db", timeout=60)) as lock:
            lock.execute("begin exclusive")
            began = time.monotonic()
            wait_for(lambda: process.poll() is not None or len(sweep.finished()) == len(undisturbed.predictions))
            # The last cell came while the file was locked; SQLite itself gives up after some seconds, we do not.
            time.sleep(max(0.0, 25 - (time.monotonic() - began)))
            lock.rollback()
        assert process.wait(PATIENCE) == 0, sweep.output()
    tracked(sweep, undisturbed, ledger, "MLflow's file is locked for 25 s", "sqlite:///mlflow.db")


@pytest.mark.skipif(not FULL or os.geteuid() != 0, reason="make faults, as root: it mounts a file system")
def test_a_disk_of_mlflow_that_is_full(undisturbed: Undisturbed, tmp_path: Path, ledger: Callable[..., None]) -> None:
    with small_disk(tmp_path / "disk", megabytes=3) as disk:
        uri = f"sqlite:///{disk}/mlflow.db"
        sweep = undisturbed.again(tmp_path / "sweep", MLFLOW_TRACKING_URI=uri)
        with ended(sweep.start()) as process:
            wait_for(lambda: process.poll() is not None or ((disk / "mlflow.db").exists() and bool(sweep.finished())))
            filler = fill(disk)
            assert process.wait(PATIENCE) == 0, sweep.output()
        filler.unlink()
        tracked(sweep, undisturbed, ledger, "MLflow's disk is full", uri)
