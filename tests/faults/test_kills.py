"""`kill -9` of anything at any time: the next `madv sweep` ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from drill import FULL, LOST, PATIENCE, ROOT, Sweep, Undisturbed, below, ended, named, trained_twice, twice, wait_for

PARTS = ("driver", "worker", "gcs_server", "raylet") if FULL else ("worker",)
"""After a worker the driver dies, too; a small sweep that loses its Ray is in orchestration/test_runner_stop.py."""
LIVES = range(5) if FULL else range(1)
"""Sweeps that are killed at one moment for each of PARTS, and then once more in the report."""
HOOK = os.pathsep.join([str(Path(__file__).parent / "hook"), str(ROOT)])
WRITES = [
    ("*.parquet", "half", 2),
    ("*.parquet", "before", 3),
    ("*.parquet", "after", 1),
    ("ablation.csv", "half", 1),
    ("index.html", "half", 1),
    ("index.html", "after", 1),
]
"""Renames at which a process dies: of cells in a worker, of a report's files in the driver."""


def same(sweep: Sweep, undisturbed: Undisturbed) -> None:
    """Everything is there, once, and equal to what an undisturbed sweep left."""
    assert sweep.predictions() == undisturbed.predictions
    assert sweep.table() == undisturbed.table
    assert not list((sweep.folder / "store" / "cells").glob("*.failed.parquet"))
    runs, expected = sweep.runs(), undisturbed.sweep.runs()
    assert runs == expected


@pytest.mark.parametrize("life", LIVES)
def test_a_life_of_kills(life: int, undisturbed_demo: Undisturbed, tmp_path: Path, ledger: Callable[..., None]) -> None:
    rng, undisturbed = random.Random(life), undisturbed_demo
    sweep = undisturbed.again(tmp_path)
    parts = rng.sample(PARTS, len(PARTS))
    cells = len(undisturbed.predictions)
    share = cells / len(parts)
    moments = [int(number * share + rng.random() * share / 2) for number in range(len(parts))]
    befores: list[tuple[str, dict[str, tuple[int, int]]]] = []
    for part, moment in zip(parts, moments, strict=True):
        with ended(sweep.start()) as process:
            wait_for(lambda: process.poll() is not None or bool(named(process, "worker")))
            wait_for(lambda: process.poll() is not None or len(sweep.finished()) >= moment)  # noqa: B023
            time.sleep(rng.random() / 5)
            workers = named(process, "worker")
            victims = [psutil.Process(process.pid)] if part == "driver" else named(process, part)
            assert victims, f"no {part} at {moment} of {cells} cells\n{sweep.output()}"
            rng.choice(victims).kill()
            befores.append((part, sweep.finished()))
            if part == "worker":
                # It is replaced, and the sweep goes on; the next moment is that of another start.
                wait_for(lambda: process.poll() is not None or len(sweep.finished()) > len(befores[-1][1]))
                process.kill()
                process.wait()
                befores.append(("driver", sweep.finished()))
            elif part == "driver":
                assert process.wait(LOST) == -signal.SIGKILL
            else:
                assert process.wait(LOST) == 2, sweep.output()
                assert f"Ray's {part} ended" in sweep.output()
            # Ray's agents look for their head for a minute; they hold nothing of the sweep.
            assert not psutil.wait_procs(workers, timeout=LOST)[1], "workers are left behind"
    assert sweep.run() == 0, sweep.output()
    after = sweep.finished()
    for part, before in befores:
        ledger(f"kill -9 of the {part}", lost=cells - len(after), twice=twice(before, after))
        assert twice(before, after) == 0
    same(sweep, undisturbed)


@pytest.mark.parametrize(("pattern", "when", "number"), WRITES if FULL else WRITES[:1])
def test_killed_in_a_write(
    pattern: str, when: str, number: int, undisturbed: Undisturbed, tmp_path: Path, ledger: Callable[..., None]
) -> None:
    sweep = undisturbed.again(tmp_path)
    mark = tmp_path / "mark"
    in_report = pattern != "*.parquet"
    code = sweep.run(MADV_FAULT=f"{pattern}|{when}|{number}|{mark}", PYTHONPATH=HOOK)
    assert mark.exists(), "nothing was killed"
    # A worker is replaced; a driver is started again.
    assert code == (-signal.SIGKILL if in_report else 0), sweep.output()
    before = sweep.finished()
    assert sweep.run() == 0, sweep.output()
    what = "the report" if in_report else "a cell"
    after = sweep.finished()
    lost = len(undisturbed.predictions) - len(after)
    ledger(f"kill -9 while {what} is written", lost=lost, twice=twice(before, after))
    assert twice(before, after) == 0
    same(sweep, undisturbed)


@pytest.mark.skipif(not FULL, reason="make faults")
@pytest.mark.parametrize("part", ["gcs_server", "raylet"])
def test_ray_stands_still(part: str, undisturbed: Undisturbed, tmp_path: Path, ledger: Callable[..., None]) -> None:
    """As on a machine that is short of memory: Ray itself would give up after a minute."""
    sweep = undisturbed.again(tmp_path)
    with ended(sweep.start()) as process:
        wait_for(lambda: process.poll() is not None or len(sweep.finished()) >= 2)
        (victim,) = named(process, part)
        victim.suspend()
        time.sleep(90)
        victim.resume()
        assert process.wait(PATIENCE) == 0, sweep.output()
    lost = len(undisturbed.predictions) - len(sweep.finished())
    ledger(f"Ray's {part} stands still for 90 s", lost=lost, twice=trained_twice(sweep.logs()))
    same(sweep, undisturbed)


@pytest.mark.skipif(not FULL, reason="make faults")
@pytest.mark.parametrize("moment", range(4))
def test_killed_while_it_starts(
    moment: int, undisturbed: Undisturbed, tmp_path: Path, ledger: Callable[..., None]
) -> None:
    sweep = undisturbed.again(tmp_path)
    with ended(sweep.start()) as process:
        time.sleep(random.Random(moment).uniform(0, 15))
        running = below(process)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        psutil.wait_procs(running, timeout=LOST)
    before = sweep.finished()
    assert sweep.run() == 0, sweep.output()
    after = sweep.finished()
    lost = len(undisturbed.predictions) - len(after)
    ledger("kill -9 while it starts", lost=lost, twice=twice(before, after))
    same(sweep, undisturbed)
