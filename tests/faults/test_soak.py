"""The demo's sweep for half an hour: neither its driver nor its workers grow. `make soak` draws it."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from drill import PATIENCE, ROOT, Sweep, ended, named, wait_for

MINUTES = float(os.environ.get("MADV_SOAK", "0"))
SETTLED = 5
"""Minutes in which caches fill."""
EVERY = 5
"""Seconds between two looks."""
ALLOWED = 0.05
"""Growth, of the last two minutes beside the first two that are settled."""
FOLDER = ROOT / "build" / "soak"
"""Of the drawing and of its numbers."""
BARS = "▁▂▃▄▅▆▇█"

Sample = tuple[float, str, int, int]
"""Minutes since the first, driver or worker, bytes (a process's resident set), open files; of workers the largest."""


@pytest.mark.skipif(not MINUTES, reason="make soak")
def test_half_an_hour(tmp_path: Path) -> None:
    demo = (ROOT / "sweeps" / "ablate_streams.yaml").read_text()
    endless = demo.replace("seeds: 2", "seeds: 400")  # more than there is time for
    sweep = Sweep(folder=tmp_path, text=endless, environment={"OMP_NUM_THREADS": "1"})
    samples: list[Sample] = []
    with ended(sweep.start()) as process:
        wait_for(lambda: process.poll() is not None or len(sweep.finished()) >= 2)
        began = time.monotonic()
        while (minute := (time.monotonic() - began) / 60) < MINUTES:
            assert process.poll() is None, sweep.output()
            samples += look(process.pid, named(process, "worker"), minute)
            time.sleep(EVERY)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 130, sweep.output()
    cells = len(sweep.predictions())
    draw(samples)
    grown = {role: growth([one for one in samples if one[1] == role]) for role in ("driver", "worker")}
    print(f"\n{cells} cells in {MINUTES:.0f} minutes, one bar a minute; drawn in {FOLDER}")
    for role, (bars, low, high, memory, files) in grown.items():
        print(f"{role} {bars} {low / 2**20:.0f} to {high / 2**20:.0f} MiB, {memory:+.1%}; open files {files:+.0f}")
    assert all(memory <= ALLOWED and files <= 5 for *_, memory, files in grown.values())


def look(driver: int, workers: Sequence[psutil.Process], minute: float) -> list[Sample]:
    """The driver, and the largest worker."""
    found: dict[str, list[tuple[int, int]]] = {"driver": [], "worker": []}
    for role, process in [("driver", psutil.Process(driver)), *(("worker", one) for one in workers)]:
        with contextlib.suppress(psutil.Error):
            found[role].append((process.memory_info().rss, process.num_fds()))
    return [
        (minute, role, max(size for size, _ in of), max(files for _, files in of)) for role, of in found.items() if of
    ]


def growth(samples: Sequence[Sample]) -> tuple[str, float, float, float, float]:
    """One bar a minute, least and largest minute in bytes, and what memory (a share) and open files have grown by."""
    minutes = [statistics.median(one[2] for one in samples if int(one[0]) == minute) for minute in range(int(MINUTES))]
    low, high = min(minutes), max(minutes)
    bars = "".join(BARS[int((value - low) / max(high - low, 1) * (len(BARS) - 1))] for value in minutes)
    early = [one for one in samples if SETTLED <= one[0] < SETTLED + 2]
    late = [one for one in samples if one[0] >= MINUTES - 2]
    memory = statistics.median(one[2] for one in late) / statistics.median(one[2] for one in early) - 1
    files = statistics.median(one[3] for one in late) - statistics.median(one[3] for one in early)
    return bars, low, high, memory, files


def draw(samples: Sequence[Sample]) -> None:
    """Memory over time, and the numbers."""
    from matplotlib.figure import Figure

    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{minute:.2f},{role},{size},{files}\n" for minute, role, size, files in samples)
    (FOLDER / "soak.csv").write_text("minute,process,resident_bytes,open_files\n" + rows)
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for role in ("driver", "worker"):
        line = [(minute, size / 2**20) for minute, named, size, _ in samples if named == role]
        axes.plot(*zip(*line, strict=True), label="largest worker" if role == "worker" else role)
    axes.axvline(SETTLED, color="grey", linewidth=0.8)
    axes.set(xlabel="minutes", ylabel="resident memory [MiB]", ylim=(0, None))
    axes.legend()
    figure.savefig(FOLDER / "soak.svg")
