"""From the clip cache to what a network reads: streams as float32 on the device, scaled as the training clips say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from madv.config import Config
from madv.data.clips import Clips
from madv.data.oracle import annotated_intensities


def scales(clips: Clips, rows: npt.NDArray[np.int64], streams: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Per stream, one over the root mean square of each channel (of all action units together) in the training clips.

    Streams are centred by their readers, so they are scaled only: a mirrored flow stays the negative of itself.
    """
    scales = {}
    for name in streams:
        values = clips.signal(name, rows)
        axes = (0, 1, 2) if name == "au" else (0, 2, 3, 4)
        power = np.sqrt(np.square(values).mean(axis=axes, keepdims=True))[0]
        scales[name] = torch.from_numpy(1 / np.maximum(power, 1e-6)).float()
    return scales


def inputs(
    config: Config,
    clips: Clips,
    rows: npt.NDArray[np.int64],
    scale: dict[str, torch.Tensor],
    device: torch.device,
) -> dict[str, torch.Tensor]:
    """The rows' streams as float32 on the device, scaled; model.au.source=annotated puts the oracle in au's place."""
    found = {}
    for name, factor in scale.items():
        oracle = name == "au" and config.model.au.source == "annotated"
        values = annotated_intensities(clips, rows) if oracle else clips.signal(name, rows)
        found[name] = torch.from_numpy(values).to(device) * (1 if oracle else factor.to(device))
    return found
