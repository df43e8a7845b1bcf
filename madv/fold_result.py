"""What training one fold leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldResult:
    """Predictions for the held-out subject's clips, how training went, and what it cost."""

    sample_id: tuple[str, ...]
    y_true: npt.NDArray[np.int64]
    """(n,) class indices."""
    y_pred: npt.NDArray[np.int64]
    """(n,) class indices."""
    probabilities: npt.NDArray[np.float32]
    """(n, C), of the fused head."""
    history: dict[str, list[float]]
    """By epoch, over the training clips only: loss, accuracy, and each loss term that is on."""
    seconds: float
    """Wall time of training and prediction."""
    peak_memory: int | None
    """Bytes on the GPU; None on a CPU, where it cannot be told from the process's own."""
    parameters: int
    device: str
