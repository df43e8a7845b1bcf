"""Print this machine's figures: the demo sweep against its own training time, and the parts that users wait for."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SWEEP = ROOT / "sweeps" / "ablate_streams.yaml"


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """Median wall time."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def madv(folder: Path, *arguments: str) -> float:
    """Wall time of one command in a folder; its output is shown only if it fails."""
    start = time.perf_counter()
    command = [str(Path(sys.executable).with_name("madv")), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def bench_demo() -> None:
    """The sweep's wall time over the training time of its cells spread over all cores; then the same sweep again."""
    from orchestration.cells import CellStore

    with tempfile.TemporaryDirectory() as folder:
        wall = madv(Path(folder), "sweep", str(SWEEP))
        store = CellStore(str(Path(folder) / "store"))
        cells = store.read_many(list(store.states()))
        cores = len(os.sched_getaffinity(0))
        training = sum(cell.seconds or 0.0 for cell in cells) / cores
        ratio = wall / training
        print(f"demo sweep: {len(cells)} cells in {wall:.1f} s (goal: under 150 s)")
        print(
            f"  wall over training time spread over {cores} cores, {training:.1f} s: {ratio:.2f} (goal: at most 1.25)"
        )
        again = seconds(lambda: madv(Path(folder), "sweep", str(SWEEP)))
        print(f"  the same sweep again, nothing to train: {again:.1f} s (goal: 8 s)")
        print(f"  madv plan: {seconds(lambda: madv(Path(folder), 'plan', str(SWEEP))):.1f} s (goal: 2 s)")
    print(f"madv --help: {seconds(lambda: madv(ROOT, '--help')):.2f} s (goal: 0.5 s)")


def bench_synthetic() -> None:
    """Rendering 72 clips of 16 x 64 x 64."""
    from madv.compose import compose
    from madv.data import synthetic

    overrides = ["dataset.clips_per_class=[24,24,24]", "dataset.frames=16", "dataset.size=64"]
    config = compose(["dataset=synthetic", *overrides]).dataset
    print(f"72 synthetic clips of 16x64x64: {seconds(lambda: synthetic.read(config)):.2f} s (goal: 3 s)")  # type: ignore[arg-type]


if __name__ == "__main__":
    bench_synthetic()
    bench_demo()
