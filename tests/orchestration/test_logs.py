"""The log of a sweep, and what `madv logs` makes of it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import simulated
from test_cells import KEY, cell, failed

from orchestration import cli, journal
from orchestration.cells import CellStore
from orchestration.journal import KEPT, events, note, recorded
from orchestration.overheard import overheard


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where a sweep ran on a real Ray: one fold kills its worker each time, all others warn."""
    folder, here = tmp_path_factory.mktemp("swept"), Path(__file__).parent
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(here.parents[1]), str(here)]),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "MADV_SIMULATED_MARKS": str(folder),
    }
    command = [sys.executable, str(here / "simulated_sweep.py"), "trouble", "3"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 1, done.stderr
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["logs", *arguments]) == 0
    return capsys.readouterr().out


def test_events_of_a_sweep(swept: Path) -> None:
    found = list(events(swept / "store" / "logs"))
    assert {one["sweep"] for one in found} == {"simulated"}
    counts = Counter(one["event"] for one in found)
    assert (counts["sweep started"], counts["sweep ended"], counts["report written"]) == (1, 1, 1)
    assert found[0]["event"] == "sweep started"
    assert found[0]["planned"] == 12
    assert (found[-1]["event"], found[-1]["exit_code"]) == ("sweep ended", 1)
    ended = {one["key"]: one for one in found if one["event"] == "cell ended"}
    assert len(ended) == counts["cell ended"] == 12
    assert Counter(one["state"] for one in ended.values()) == {"done": 10, "failed": 2}
    # Each cell is said to start before it ends, and those that died twice once more each time.
    started = Counter(one["key"] for one in found if one["event"] == "cell started")
    assert started.keys() == ended.keys()
    assert counts["worker lost"] == 2
    assert counts["attempt failed"] == 2
    for key in ended:
        own = [one["event"] for one in found if one.get("key") == key]
        assert own.index("cell started") < own.index("cell ended")
    assert all({"variant", "seed", "subject", "pid", "node"} <= one.keys() for one in ended.values())
    assert all(one["time"].endswith("+00:00") for one in found)


def test_a_cell_that_raised(swept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(swept)
    text = said(capsys, "texture=off/0/s01")
    assert "state      failed, after 2 attempts" in text
    assert "ArithmeticError: the loss is nan" in text
    assert "where      node " in text
    key = text.split()[1]
    assert said(capsys, key[:10]) == text
    assert json.loads(said(capsys, key[:10], "--json"))["cell"]["state"] == "failed"


def test_a_cell_that_killed_its_worker(
    swept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(swept)
    text = said(capsys, "reference/0/s02")
    assert "the worker process died in each of 2 attempts" in text
    assert text.count("cell started") == 3


def test_a_cell_that_was_trained(
    swept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(swept)
    text = said(capsys, "reference/0/s01")
    assert "state      done\n" in text
    assert "warned     RuntimeWarning: the learning rate is odd" in text
    assert "loss               1       0.5" in text


def test_runs_and_what_failed(swept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(swept)
    text = said(capsys)
    assert "simulated: 12 cells trained, 2 failed; ended: exit code 1" in text
    assert "texture=off/0/s01" in text
    assert "reference/0/s02" in text


@pytest.mark.parametrize("name", ["reference/0/s03", "nothing", ""])
def test_a_cell_that_is_not_there(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["logs", name]) == 2
    assert "no cell's key begins with" in capsys.readouterr().err


def test_a_cell_without_a_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    CellStore("store").write(cell())
    CellStore("store").write(failed(key="b" * 64))
    assert f"cell       {KEY}" in said(capsys, "a")
    assert "state      failed" in said(capsys, "b")
    (tmp_path / "store" / "cells" / f"{KEY}.parquet").write_bytes(b"")
    assert "it was set aside as" in said(capsys, "a")


def test_what_is_no_event_of_ours_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "store" / "logs" / "a" / "run.jsonl"
    file.parent.mkdir(parents=True)
    ours = {"time": "t", "sweep": "a", "event": "sweep started", "run": []}
    odd = ["[" * 100_000, "[]", "7", "{}", {**ours, "event": []}, {**ours, "event": "cell ended"}, {**ours, "key": "k"}]
    file.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in [*odd, ours]))
    assert [one["run"] for one in events(file.parents[1])] == ["run"]
    assert said(capsys) == "t  a: 0 cells trained, 0 failed; has no end: it runs, or was killed\n"


@pytest.mark.parametrize("sign", ["\udcff", "\x1b", "\x07"])
def test_a_traceback_that_no_terminal_takes(
    sign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    CellStore("store").write(failed(reason=f"in line 1\nOSError: {sign}[2J"))
    assert f"\n  OSError: {repr(sign)[1:-1]}[2J\n" in said(capsys, "a")


def test_two_runs_and_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(KEPT + 2):
        assert recorded(simulated.plan(), lambda: 0) == 0
    assert len(list((tmp_path / "store" / "logs" / "simulated").iterdir())) == KEPT
    note("nobody listens")
    assert {one["event"] for one in events(tmp_path / "store" / "logs")} == {"sweep started", "sweep ended"}


def test_secrets_errors_and_warnings_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def run() -> int:
        note("tracking failed", error="postgresql://ana:secret@host/db is away", nothing=None)
        logging.getLogger("madv").warning("madv: %s was set aside", "x")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        recorded(simulated.plan(), run)
    found = list(events(tmp_path / "store" / "logs"))
    assert [one["event"] for one in found] == ["sweep started", "tracking failed", "warning", "sweep ended"]
    assert found[1]["error"] == "postgresql://host/db is away"
    assert "nothing" not in found[1]
    assert found[2]["message"] == "madv: x was set aside"
    assert found[3]["error"] == "ValueError: half way"


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").write_text("")
    assert recorded(simulated.plan(), lambda: 0) == 0
    (tmp_path / "store").unlink()

    def full(line: str) -> int:
        raise OSError(28, "No space left on device")

    class File:
        write = staticmethod(full)
        close = staticmethod(lambda: None)

    def with_full_disk() -> int:
        lines: Any = next(one for one in journal.EVENTS.handlers if isinstance(one, journal._Lines))
        lines._file.close()
        lines._file = File
        note("cell ended")
        return 0

    assert recorded(simulated.plan(), with_full_disk) == 0


def test_what_a_fold_says_is_heard_once() -> None:
    with warnings.catch_warnings(), overheard() as heard:
        warnings.simplefilter("default")
        for _ in range(3):
            warnings.warn("odd", RuntimeWarning, stacklevel=1)
            logging.getLogger("madv").warning("set aside")
    assert heard == ["set aside", "RuntimeWarning: odd"]
