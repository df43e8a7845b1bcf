"""What faults are measured against."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from drill import FULL, ROOT, SMALL, Sweep, Undisturbed


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    """The demo's sweep, or a small one."""
    # Three epochs instead of seven: how a fold is lost does not depend on what it computes, and there are many sweeps.
    demo = (ROOT / "sweeps" / "ablate_streams.yaml").read_text().replace("train=demo]", "train=demo, train.epochs=3]")
    text = demo if FULL else SMALL
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep = Sweep(folder=folder, text=text, environment={"MADV_CACHE": str(folder / "clips"), "OMP_NUM_THREADS": "1"})
    started = time.monotonic()
    assert sweep.run() == 0, sweep.output()
    seconds = time.monotonic() - started
    yield Undisturbed(sweep=sweep, seconds=seconds, table=sweep.table(), predictions=sweep.predictions())
