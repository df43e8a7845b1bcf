"""The same predictions, bit for bit, whatever the number of workers and the order in which they train."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from drill import Sweep, Undisturbed, trained_twice


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is one worker")
def test_one_worker_and_another_order(
    undisturbed_demo: Undisturbed, tmp_path: Path, ledger: Callable[..., None]
) -> None:
    """One worker on one core, the factors backwards; the undisturbed sweep has a worker a core."""
    undisturbed = undisturbed_demo
    text = undisturbed.sweep.text
    (factors,) = re.findall(r"(?:^ +\w+: {on: .*\n)+", text, re.MULTILINE)
    backwards = Sweep(
        folder=tmp_path,
        text=text.replace(factors, "".join(reversed(factors.splitlines(keepends=True)))),
        environment=undisturbed.sweep.environment,
    )
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # inherited by the sweep, whose Ray counts its cores by it
    try:
        assert backwards.run() == 0, backwards.output()
    finally:
        os.sched_setaffinity(0, cores)
    assert backwards.predictions() == undisturbed.predictions
    lost = len(undisturbed.predictions) - len(backwards.finished())
    ledger("one worker, another order", lost=lost, twice=trained_twice(backwards.logs()))
