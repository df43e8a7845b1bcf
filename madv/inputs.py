"""From the clip cache to what a network reads: streams as float32 on the device, scaled as the training clips say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from madv.config import Config
from madv.data.clips import Clips
from madv.data.oracle import annotated_intensities

WHOLE = 2**31
"""Bytes up to which training clips are kept as float32 on the device; larger ones are read batch by batch."""


def scales(clips: Clips, rows: npt.NDArray[np.int64], streams: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Per stream, one over the root mean square of each channel (of all action units together) in the training clips.

    Streams are centred by their readers, so they are scaled only: a mirrored flow stays the negative of itself.
    """
    scales = {}
    for name in streams:
        axes = (0, 1, 2) if name == "au" else (0, 2, 3, 4)
        parts = np.array_split(rows, min(len(rows), -(-_bytes(clips, (name,), rows) // WHOLE)))
        squares = [np.square(clips.signal(name, part)).mean(axis=axes, keepdims=True)[0] for part in parts]
        # Of one part its own float32 mean, to the last digit.
        square = squares[0] if len(parts) == 1 else np.average(squares, axis=0, weights=[len(part) for part in parts])
        scales[name] = torch.from_numpy(1 / np.maximum(np.sqrt(square), 1e-6)).float()
    return scales


def inputs(
    config: Config,
    clips: Clips,
    rows: npt.NDArray[np.int64],
    scale: Mapping[str, torch.Tensor],
    device: torch.device,
) -> dict[str, torch.Tensor]:
    """The rows' streams as float32 on the device, scaled; model.au.source=annotated puts the oracle in au's place."""
    found = {}
    for name, factor in scale.items():
        oracle = name == "au" and config.model.au.source == "annotated"
        values = annotated_intensities(clips, rows) if oracle else clips.signal(name, rows)
        found[name] = torch.from_numpy(values).to(device) * (1 if oracle else factor.to(device))
    return found


class Part(NamedTuple):
    """Clips of one data set to train on."""

    clips: Clips
    rows: npt.NDArray[np.int64]
    scale: Mapping[str, torch.Tensor]


class Batches:
    """Training clips of one or two data sets, one after the other: kept on the device where they fit, else read anew.

    Batches are channels last in memory, the layout that the tokenizers work in, so that none has to be copied.
    """

    def __init__(self, config: Config, parts: Sequence[Part], device: torch.device) -> None:
        self._config, self._parts, self._device = config, parts, device
        self._first = np.cumsum([0, *(len(part.rows) for part in parts)])
        kept = sum(_bytes(part.clips, tuple(part.scale), part.rows) for part in parts) <= WHOLE
        self._whole = self._read(np.arange(self._first[-1])) if kept else None

    def __call__(self, index: torch.Tensor) -> dict[str, torch.Tensor]:
        """index (B,) into all rows -> by stream (B, C, T, H, W), action units (B, n_au, T); float32."""
        if self._whole is None:
            batch = self._read(index.cpu().numpy())
        else:
            batch = {name: x[index] for name, x in self._whole.items()}
        return {name: x.movedim(-1, 1) for name, x in batch.items()}

    def _read(self, index: npt.NDArray[np.int64]) -> dict[str, torch.Tensor]:
        which = np.searchsorted(self._first, index, side="right") - 1
        order = np.argsort(np.argsort(which, kind="stable"), kind="stable")
        found = [
            inputs(
                self._config,
                part.clips,
                part.rows[index[which == place] - self._first[place]],
                part.scale,
                self._device,
            )
            for place, part in enumerate(self._parts)
            if (which == place).any()
        ]
        joined = {name: torch.cat([x[name] for x in found]) if len(found) > 1 else found[0][name] for name in found[0]}
        if len(found) > 1:
            joined = {name: x[torch.from_numpy(order).to(self._device)] for name, x in joined.items()}
        return {name: x.movedim(1, -1).contiguous() for name, x in joined.items()}


def _bytes(clips: Clips, streams: Sequence[str], rows: npt.NDArray[np.int64]) -> int:
    """Of these rows as float32."""
    return int(4 * len(rows) * sum(clips.streams[name][0].size for name in streams))
