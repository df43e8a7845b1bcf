"""What a configuration is worth: the values that its study is told, from its cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from madv.metrics import score

if TYPE_CHECKING:
    from orchestration.cells import Cell


def values_of(cells: Sequence[Cell]) -> dict[str, float]:
    """Every objective by name: scores pooled over all folds of a seed, then averaged over seeds; costs of a fold.

    Args:
        cells: done, of all folds.
    """
    by_seed: dict[int, list[Cell]] = {}
    for cell in cells:
        by_seed.setdefault(cell.seed, []).append(cell)
    classes = len(cells[0].class_names)
    found = [
        score(np.concatenate([c.y_true for c in own]), np.concatenate([c.y_pred for c in own]), classes)
        for own in by_seed.values()
    ]
    pooled = {name: float(np.mean([getattr(one, name) for one in found])) for name in POOLED}
    return pooled | {
        "seconds": float(np.mean([cell.seconds for cell in cells])),
        "parameters": float(max(cell.parameters or 0 for cell in cells)),
    }


POOLED = ("uf1", "uar", "accuracy", "macro_f1")
