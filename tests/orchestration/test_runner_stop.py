"""How a sweep ends when it is not done: Ctrl-C, and a Ray that is gone."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestration import ray_session
from orchestration.cells import CellStore
from orchestration.ray_session import Watchdog

HERE = Path(__file__).parent
PATIENCE = 400


def wait_for(what: Callable[[], bool]) -> None:
    """Until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


@contextlib.contextmanager
def sweep(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A sweep that would take minutes, once its first cell is in the store."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "simulated_sweep.py"), "burn", "400"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1]), "MADV_SIMULATED_SECONDS": "0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts background jobs with Ctrl-C ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        store = CellStore(folder / "store")
        wait_for(lambda: process.poll() is not None or len(store.states()) > 0)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def descendants(process: subprocess.Popen[str]) -> dict[int, str]:
    """Names of all processes below this one, by id."""
    parents: dict[int, tuple[int, str]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            number, name, rest = re.fullmatch(r"(\d+) \((.*)\) (.*)\n", stat.read_text(), re.DOTALL).groups()  # type: ignore[union-attr]
            parents[int(number)] = (int(rest.split()[1]), name)
    below = {process.pid}
    while more := {number for number, (parent, _) in parents.items() if parent in below} - below:
        below |= more
    return {number: parents[number][1] for number in below - {process.pid}}


def gone(number: int) -> bool:
    """Whether the process has ended, be it that nobody has asked for its exit code."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_says_where_things_stand_and_takes_ray_along(number: signal.Signals, tmp_path: Path) -> None:
    """By Ctrl-C, which all processes get, or by a scheduler that takes the machine back."""
    with sweep(tmp_path) as process:
        started = descendants(process)
        assert "raylet" in started.values()
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        lines = errors.strip().splitlines()
        assert len(lines) == 1, errors
        assert lines[0].startswith("madv: stopped; ")
        assert lines[0].endswith(" of 1600 cells are done; `madv sweep simulated.yaml` goes on from there")
        assert output.splitlines()[1].startswith("4 variants x 1 seeds x 400 subjects = 1600 cells")
        wait_for(lambda: all(map(gone, started)))


@pytest.mark.parametrize("part", ["raylet", "gcs_server"])
def test_a_lost_ray_ends_the_sweep_with_a_message(tmp_path: Path, part: str) -> None:
    with sweep(tmp_path) as process:
        started = descendants(process)
        os.kill(next(number for number, name in started.items() if name == part), signal.SIGKILL)
        began = time.monotonic()
        _, errors = process.communicate(timeout=PATIENCE)
        assert time.monotonic() - began < 60
        assert process.returncode == 2
        message = next(line for line in errors.splitlines() if line.startswith("madv: "))
        assert message.startswith(f"madv: Ray is lost: Ray's {part} ended; ")
        assert message.endswith("`madv sweep simulated.yaml` goes on from there")
        wait_for(lambda: all(map(gone, started)))


def test_the_watchdog_ends_a_loop_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_session, "PERIOD", 0.01)
    ended, said = threading.Event(), list[str]()
    answers = iter([None, None, "the head is gone"])
    Watchdog(lambda: next(answers), said.append, ended.set).start()
    assert ended.wait(5)
    assert said == ["the head is gone"]


def test_a_stopped_watchdog_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_session, "PERIOD", 0.01)
    said = list[str]()
    watchdog = Watchdog(lambda: "gone", said.append, lambda: None)
    watchdog.stop()
    watchdog.start()
    watchdog.join(5)
    assert said == []
