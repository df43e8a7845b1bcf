"""`madv doctor`: each thing that is broken is a line, with what to do; nothing is a traceback."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from madv.config_data import Megc2019Config
from madv.config_synthetic import SyntheticConfig
from madv.data import cache
from orchestration import cli, doctor, doctor_mlflow, doctor_places
from orchestration.cli_doctor import examine
from orchestration.doctor import Finding

SMALL = SyntheticConfig(subjects=3, clips_per_class=(3, 3, 3), size=16, frames=4)


def states(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.name, one.state) for one in found]


def test_all_of_it_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = Path(__file__).parents[2] / "sweeps" / "ablate_streams.yaml"
    command = [sys.executable, "-m", "orchestration.cli", "doctor", str(sweep), "--json"]
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_", "MADV_"))}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=60)
    found = json.loads(done.stdout)
    assert done.stderr == ""
    names = {"Python", "packages", "torch", "Ray", "shared memory", "Ray's folder", "open files", "MLflow"}
    seen = {one["name"] for one in found}
    assert names <= seen
    # On a busy machine Hydra alone may take longer than all of it may.
    assert seen >= {"storage", "disk", "clips' disk", "clip cache", "sweep file"} or "sweep" in seen
    assert done.returncode == (2 if any(one["state"] == "problem" for one in found) else 0)
    assert all(one["todo"] for one in found if one["state"] != "ok")
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind


def test_a_check_that_hangs_or_breaks_holds_up_no_other() -> None:
    hang = threading.Event()

    def hanging() -> list[Finding]:
        hang.wait(20)
        return []

    def breaking() -> list[Finding]:
        raise ZeroDivisionError("by zero")

    started = time.monotonic()
    found = examine({"drive": hanging, "broken": breaking, "fine": lambda: [doctor.ok("fine", "is")]}, 0.5)
    hang.set()
    assert time.monotonic() - started < 5
    assert states(found) == [("drive", "warning"), ("broken", "problem"), ("fine", "ok")]
    assert found[1].what == "cannot be looked at: ZeroDivisionError: by zero"


def test_a_sweep_file_that_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sweep.yaml").write_text("cluster_name: [1]\n")
    assert cli.main(["doctor", str(tmp_path / "sweep.yaml")]) == 2
    said = capsys.readouterr()
    assert "problem  sweep" in said.out
    assert said.err == ""


def test_versions_beside_the_lock_file(tmp_path: Path) -> None:
    from importlib.metadata import version

    lock = tmp_path / "requirements.lock"
    lock.write_text(f"ray==0.1\nnumpy=={version('numpy')}\nno-such-package==1\n")
    assert states(doctor.packages(lock)) == [("packages", "problem"), ("packages", "warning")]
    lock.write_text(f"numpy=={version('numpy')}\ntorch=={version('torch').partition('+')[0]}\n")
    assert states(doctor.packages(lock)) == [("packages", "ok")]
    lock.unlink()
    assert states(doctor.packages(lock)) == [("packages", "warning")]


def test_torch_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (found,) = doctor.torch()
    assert (found.state, found.what) == ("problem", "ImportError: libcudart.so.13: cannot open shared object file")


def test_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(doctor_places.storage(str(tmp_path / "a" / "b"))) == [("disk", "ok"), ("storage", "ok")]
    assert states(doctor_places.storage(f"file://{tmp_path}/remote")) == [("storage", "ok")]
    assert [one.name for one in tmp_path.iterdir()] == ["remote"]
    assert states(doctor_places.storage("nothing://x"))[-1] == ("storage", "problem")
    (tmp_path / "file").write_text("")
    assert states(doctor_places.storage(str(tmp_path / "file")))[-1] == ("storage", "problem")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    *_, found = doctor_places.storage(str(tmp_path))
    assert (found.state, "Read-only file system" in found.what) == ("problem", True)


def test_clips(tmp_path: Path) -> None:
    def look(config: Any) -> tuple[str, str]:
        return states(doctor_places.clips(config, tmp_path / "clips"))[-1]

    assert look(SMALL) == ("clip cache", "warning")
    cache.load(SMALL, tmp_path / "clips")
    assert look(SMALL) == ("clip cache", "ok")
    (folder,) = (tmp_path / "clips").iterdir()
    content = bytearray((folder / "depth.npy").read_bytes())
    content[-5] ^= 1
    (folder / "depth.npy").write_bytes(content)
    assert look(SMALL) == ("clip cache", "problem")
    assert [path.name for path in (tmp_path / "clips").iterdir()] == [folder.name]  # a look changes nothing
    assert look(Megc2019Config(path=str(tmp_path / "nowhere"))) == ("data set", "problem")


def test_an_mlflow_file(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"

    def look() -> str:
        return "".join(one.state for one in doctor_mlflow.mlflow(f"sqlite:///{file}"))

    assert look() == "ok"
    assert not file.exists()
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE alembic_version (version_num TEXT)")
        made.execute("INSERT INTO alembic_version VALUES (?)", [sorted(doctor_mlflow._revisions())[0]])
        made.commit()
        assert look() == "ok"
        made.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        made.commit()
        assert look() == "problem"
    made.close()
    file.write_bytes(b"no database at all, but longer than its head" * 9)
    assert look() == "problem"


class Server(BaseHTTPRequestHandler):
    """Says what its server is told to."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.says)  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.parametrize(("says", "state"), [(b"3.1.0", "ok"), (b"2.9.0", "problem"), (b"<html>", "problem")])
def test_an_mlflow_server(says: bytes, state: str) -> None:
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        server.says = says  # type: ignore[attr-defined]
        threading.Thread(target=server.handle_request, daemon=True).start()
        (found,) = doctor_mlflow.mlflow(f"http://ana:secret@127.0.0.1:{server.server_port}")
    assert found.state == state
    assert "secret" not in found.what


def test_servers_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for uri in (f"http://127.0.0.1:{port}", f"postgresql://ana:secret@127.0.0.1:{port}/db"):
        (found,) = doctor_mlflow.mlflow(uri)
        assert found.state == "warning"
        assert "secret" not in found.what
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    assert states(doctor_places.ray()) == [("Ray", "problem")]


def test_limits_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(doctor.shared_memory(str(tmp_path / "nowhere"))) == [("shared memory", "ok")]
    monkeypatch.setattr(doctor, "SHARED", 1e18)
    assert states(doctor.shared_memory("/tmp")) == [("shared memory", "warning")]
    monkeypatch.setattr(doctor, "LOW", 1e18)
    assert doctor.disk("disk", tmp_path / "not" / "there").state == "warning"
    monkeypatch.setattr(doctor, "LEAST", 1e18)
    assert doctor.disk("disk", tmp_path).state == "problem"
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("long" * 20)))
    assert ("Ray's folder", "problem") in states(doctor.ray_folder())
    monkeypatch.setattr(doctor, "OLDEST", (9, 0))
    assert states(doctor.python()) == [("Python", "problem")]
