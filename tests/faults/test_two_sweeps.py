"""Two users sweep over the same store at once; and one user who presses Ctrl-C, once and twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from drill import FULL, LOST, PATIENCE, Undisturbed, below, ended, named, trained_twice, twice, wait_for


def test_two_sweeps_share_a_store(undisturbed: Undisturbed, tmp_path: Path, ledger: Callable[..., None]) -> None:
    first, second = undisturbed.again(tmp_path / "first"), undisturbed.again(tmp_path / "second")
    second.folder.mkdir()
    first.folder.mkdir()
    (tmp_path / "store").mkdir()
    for sweep in (first, second):
        (sweep.folder / "store").symlink_to(tmp_path / "store")
    with ended(first.start()) as one, ended(second.start()) as other:
        assert one.wait(PATIENCE) == 0, first.output()
        assert other.wait(PATIENCE) == 0, second.output()
    assert first.predictions() == undisturbed.predictions
    assert first.table() == second.table() == undisturbed.table
    assert first.runs() == second.runs() == undisturbed.sweep.runs()
    assert not list((tmp_path / "store" / "cells").glob("*.tmp")) and not list((tmp_path / "store").rglob("*.attempts"))
    # Which the two of them may: neither waits for the other. What is stored is one of two that are alike.
    lost = len(undisturbed.predictions) - len(first.finished())
    ledger("two sweeps at once", lost=lost, twice=trained_twice(first.logs()))


def test_ctrl_c_once_finishes_and_twice_ends_now(
    undisturbed: Undisturbed, tmp_path: Path, ledger: Callable[..., None]
) -> None:
    sweep = undisturbed.again(tmp_path)
    if FULL:  # the short form is in tests/orchestration/test_runner_stop.py
        with ended(sweep.start()) as process:
            wait_for(lambda: process.poll() is not None or len(sweep.finished()) >= 3)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(PATIENCE) == 130, sweep.output()
        assert sweep.output().splitlines()[-1].endswith("`madv sweep sweep.yaml` goes on from there")
    before = sweep.finished()
    with ended(sweep.start()) as process:
        wait_for(lambda: process.poll() is not None or len(sweep.finished()) > len(before))
        running = below(process)
        workers = named(process, "worker")
        assert workers, sweep.output()
        # Whatever it does after the first, here nothing at all, the second ends it.
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.1)
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 130, sweep.output()
        assert time.monotonic() - began < 3
        assert not psutil.wait_procs(running, timeout=LOST)[1], "processes are left behind"
    assert sweep.output().splitlines()[-1] == "madv: stopped at once; what was finished is kept"
    assert sweep.run() == 0, sweep.output()
    after = sweep.finished()
    assert sweep.table() == undisturbed.table
    lost = len(undisturbed.predictions) - len(after)
    what = "Ctrl-C, once and twice" if FULL else "Ctrl-C twice"
    ledger(what, tried=2 if FULL else 1, lost=lost, twice=twice(before, after))
    assert twice(before, after) == 0
