"""The cell that a fold leaves, trained or failed."""

from __future__ import annotations

import functools
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from madv.fold_result import FoldResult
    from orchestration.cells import Cell
    from orchestration.plan import PlannedCell

PACKAGES = ("torch", "numpy", "ray", "madv")
"""Versions that a cell records."""


def done_cell(
    planned: PlannedCell, digest: str, result: FoldResult, class_names: tuple[str, ...], started: float
) -> Cell:
    """The cell of a trained fold; started is Unix time in seconds."""
    from orchestration.cells import Cell

    return Cell(
        key=planned.key,
        variant=digest,
        seed=planned.seed,
        subject=planned.subject,
        state="done",
        sample_id=result.sample_id,
        y_true=result.y_true,
        y_pred=result.y_pred,
        probabilities=result.probabilities,
        class_names=class_names,
        history=result.history,
        seconds=result.seconds,
        peak_memory=result.peak_memory,
        parameters=result.parameters,
        device=result.device,
        versions=versions(),
        started=started,
        finished=max(started, time.time()),  # a clock may be set back
    )


def failed_cell(planned: PlannedCell, digest: str, reason: str, started: float) -> Cell:
    """The cell of a fold that failed for good."""
    import numpy as np

    from orchestration.cells import Cell

    finished = max(started, time.time())
    return Cell(
        key=planned.key,
        variant=digest,
        seed=planned.seed,
        subject=planned.subject,
        state="failed",
        sample_id=(),
        y_true=np.empty(0, np.int64),
        y_pred=np.empty(0, np.int64),
        probabilities=np.empty((0, 0), np.float32),
        class_names=(),
        seconds=finished - started,
        device="unknown",
        versions=versions(),
        started=started,
        finished=finished,
        reason=reason,
    )


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what trained, by package; a package that runs from a checkout without being installed is left out."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
