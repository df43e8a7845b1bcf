"""Many cells of no work while workers die at random: complete, and neither memory nor open files grow."""

from __future__ import annotations

import os
import statistics
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import simulated
from drill import FULL, trained_twice

from orchestration.cells import CellStore
from orchestration.journal import logs_folder, recorded
from orchestration.runner import run
from orchestration.weights import WeightStore

SUBJECTS, SEEDS, ONE_IN = (25, 100, 200) if FULL else (20, 8, 100)
"""Of four variants: 10,000 cells, or 640."""


def test_workers_that_die_at_random(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger: Callable[..., None]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MADV_SIMULATED_ONE_IN", str(ONE_IN))
    monkeypatch.setenv("MADV_SIMULATED_MARKS", str(tmp_path))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(simulated.__file__).parent), os.environ.get("PYTHONPATH", "")])
    )
    plan = simulated.plan(SUBJECTS, SEEDS)
    store = CellStore(tmp_path)
    process, ended = psutil.Process(), threading.Event()
    memory: list[int] = []
    files: list[int] = []

    def sample() -> None:
        while not ended.wait(0.5):
            memory.append(process.memory_info().rss)
            files.append(process.num_fds())

    def sweep() -> int:
        trainer, loader = "simulated:die_sometimes", "simulated:load"
        run(plan, store, WeightStore(tmp_path), tmp_path, lambda event: None, trainer=trainer, loader=loader)
        return 0

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        recorded(plan, sweep)
    finally:
        ended.set()
        sampler.join()
    states = store.states([cell.key for cell in plan.cells])
    deaths = sum(" " in path.name for path in tmp_path.iterdir())
    lost = sum(states.get(cell.key) != "done" for cell in plan.cells)
    ledger(
        f"a worker dies at one cell in {ONE_IN}",
        tried=deaths,
        lost=lost,
        twice=trained_twice(logs_folder(plan.spec.storage_path)),
    )
    assert deaths >= len(plan.cells) / ONE_IN / 3
    assert lost == 0
    early, late = (slice(len(memory) // 3, len(memory) // 2), slice(-len(memory) // 4, -2))
    grown = statistics.median(memory[late]) / statistics.median(memory[early]) - 1
    more = statistics.median(files[late]) - statistics.median(files[early])
    print(f"{len(plan.cells)} cells, {deaths} deaths: memory {grown:+.1%}, open files {more:+.0f}")
    assert grown < 0.1
    assert more <= 10
