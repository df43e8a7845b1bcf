"""The same predictions, bit for bit, whatever the number of workers and the order in which they train."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from conftest import Row, Undisturbed
from drill import Sweep, trained_twice


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is one worker")
def test_one_worker_and_another_order(undisturbed: Undisturbed, tmp_path: Path, ledger: list[Row]) -> None:
    """One worker on one core, the variants and their levels backwards; the undisturbed sweep has a worker a core."""
    content = yaml.safe_load(undisturbed.sweep.text)
    sweep = content["metadata"]["sweep"]
    sweep["factors"] = dict(reversed(sweep["factors"].items()))
    backwards = Sweep(
        folder=tmp_path, text=yaml.safe_dump(content, sort_keys=False), environment=undisturbed.sweep.environment
    )
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # inherited by the sweep, whose Ray counts its cores by it
    try:
        assert backwards.run() == 0, backwards.output()
    finally:
        os.sched_setaffinity(0, cores)
    assert backwards.predictions() == undisturbed.predictions
    lost = len(undisturbed.predictions) - len(backwards.finished())
    ledger.append(Row(fault="one worker, another order", tried=1, lost=lost, twice=trained_twice(backwards.logs())))
