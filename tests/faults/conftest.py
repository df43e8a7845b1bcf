"""What faults are measured against."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from drill import FULL, ROOT, SMALL, Sweep, Undisturbed


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A small sweep."""
    return swept(tmp_path_factory.mktemp("undisturbed"), SMALL)


@pytest.fixture(scope="session")
def undisturbed_demo(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The demo's sweep, at three epochs; in the short form the small one."""
    if not FULL:
        return undisturbed
    text = (ROOT / "sweeps" / "ablate_streams.yaml").read_text()
    return swept(tmp_path_factory.mktemp("demo"), text.replace("train=demo]", "train=demo, train.epochs=3]"))


def swept(folder: Path, text: str) -> Undisturbed:
    """To its end, and nothing happened."""
    sweep = Sweep(folder=folder, text=text, environment={"MADV_CACHE": str(folder / "clips"), "OMP_NUM_THREADS": "1"})
    started = time.monotonic()
    assert sweep.run() == 0, sweep.output()
    seconds = time.monotonic() - started
    return Undisturbed(sweep=sweep, seconds=seconds, table=sweep.table(), predictions=sweep.predictions())
