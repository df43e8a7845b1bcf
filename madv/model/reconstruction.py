"""Masked appearance and motion modelling: boxes of a clip are hidden, and an encoder learns by rebuilding them.

Pixels are hidden before the tokenizer, as in SimMIM: its convolutions would carry them into tokens hidden afterwards.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from madv.config import PretrainConfig
from madv.config_model import AttentionConfig, ModelConfig
from madv.model.encoder import Encoder
from madv.model.grids import Grid, tokens_grid, tubelet_box
from madv.model.pyramid import VisualStream

BLOCKS = 2
"""Of the decoder, unless pretrain.decoder_blocks says another number."""


def draw_tubes(
    batch: int, grid: Grid, ratio: float, rng: np.random.Generator, windows: int = 1
) -> npt.NDArray[np.bool_]:
    """(B, H', W'), true where hidden: the same number of places in each clip, and the same places in all its frames.

    The number is the ratio's share, rounded, but at least one place is hidden and one is left; so it is in each of the
    windows, equal shares of the height.
    """
    places = grid[1] * grid[2] // windows
    hidden = min(max(1, round(ratio * places)), places - 1)
    ranks = rng.random((batch * windows, places)).argsort(axis=1).argsort(axis=1)
    return (ranks < hidden).reshape(batch, grid[1], grid[2])


def objectives(config: PretrainConfig, frames: int) -> dict[str, float]:
    """Weights of what is rebuilt, "appearance" and "motion"; one without weight is absent.

    A single frame has no motion: appearance alone, whatever the target.
    """
    motion = {"appearance": 0.0, "motion": 1.0, "both": config.motion_weight}[config.target] if frames > 1 else 0.0
    return {name: weight for name, weight in (("appearance", 1 - motion), ("motion", motion)) if weight > 0}


class Reconstruction(nn.Module):
    """The half of masked modelling that is thrown away afterwards: mask value, light decoder, loss; one a stream.

    A token's box is the pixels that its tokenizer's strides give it: box (t, h, w) of grid (T', H', W').
    """

    windows = 1
    """Tubes are drawn from the whole grid."""

    def __init__(
        self,
        shape: Sequence[int],
        model: ModelConfig,
        config: PretrainConfig,
        motion_unit: float,
    ) -> None:
        """Args:
        shape: (C, T, H, W) of a clip.
        model: of the encoder; the decoder is twice as wide as its lowest level.
        config: target and decoder_blocks.
        motion_unit: differences between frames are rebuilt in this unit; their root mean square makes them as large
            as normalised pixels, so that the weight of motion means what it says.
        """
        super().__init__()
        channels, *size = shape
        self.grid = tokens_grid((size[0], size[1], size[2]), model.tokenizer)
        t, h, w = map(min, size, tubelet_box(model.tokenizer))
        self.box: Grid = (t, h, w)
        self.weights = objectives(config, size[0])
        self.motion_unit = motion_unit
        width = 2 * model.widths[0]
        blocks = dataclasses.replace(
            model,
            widths=(width,) * 3,
            blocks=(config.decoder_blocks or BLOCKS,) * 3,
            heads=(model.heads[0],) * 3,
            attention=AttentionConfig(),
            dropout=0.0,
        )
        self.mask_token = nn.Parameter(torch.empty(1, channels, 1, 1, 1))
        self.read = nn.ModuleList(nn.Linear(model.widths[model.levels - 1], width) for _ in range(model.levels))
        self.decoder = Encoder("joint", 0, self.grid, blocks, spatial=False)
        self.rebuild = nn.ModuleDict({name: nn.Linear(width, channels * math.prod(self.box)) for name in self.weights})

    def step(self, stream: VisualStream, clip: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """The loss of rebuilding what is hidden, and its parts: clip (B, C, T, H, W), mask (B, H', W')."""
        return self.losses(self(stream.grids(self.hide(clip, mask))[1]), clip, mask)

    def hide(self, clip: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The mask value in place of the pixels of hidden boxes: clip (B, C, T, H, W), mask (B, H', W').

        Pixels beyond the last box, which only a convolution's border reaches, go with it.
        """
        rows, columns = (
            (torch.arange(extent, device=mask.device) // step).clamp(max=places - 1)
            for extent, step, places in zip(clip.shape[3:], self.box[1:], self.grid[1:], strict=True)
        )
        pixels = mask[:, rows][:, :, columns][:, None, None]  # (B, 1, 1, H, W)
        return torch.where(pixels, self.mask_token.to(clip.dtype), clip)

    def forward(self, grids: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        """The encoder's grids, each (B, T, H, W, D) -> (B, L, C t h w) rebuilt boxes by objective.

        Every level is read, brought to the finest grid, so that every level learns however they are fused.
        """
        levels = [
            functional.interpolate(read(grid).permute(0, 4, 1, 2, 3), size=self.grid, mode="nearest")
            for read, grid in zip(self.read, grids, strict=True)
        ]
        patches = self.decoder(torch.stack(levels).sum(0).flatten(2).transpose(1, 2)).patches
        return {name: layer(patches) for name, layer in self.rebuild.items()}

    def losses(
        self, rebuilt: dict[str, torch.Tensor], clip: torch.Tensor, mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Mean over hidden boxes of (1 - l) MSE(normalised pixels) + l MSE(differences between frames), in fp32.

        Args:
            rebuilt: of forward.
            clip: (B, C, T, H, W), not hidden.
            mask: (B, H', W'), true where hidden.

        Returns:
            The loss, and its parts before weighting, by name.
        """
        hidden = mask.flatten(1).repeat(1, self.grid[0])  # (B, L): tubes
        targets = {"appearance": self._appearance, "motion": self._motion}
        parts = {
            name: functional.mse_loss(values[hidden].float(), targets[name](clip.float())[hidden])
            for name, values in rebuilt.items()
        }
        return {"loss": torch.stack([self.weights[name] * part for name, part in parts.items()]).sum(), **parts}

    def _appearance(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, L, C t h w)."""
        return normalised(boxes(clip, self.grid, self.box)).flatten(2)

    def _motion(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, L, C t h w): each frame less the one before, in the unit of motion; the first has none."""
        return boxes(frame_differences(clip) / self.motion_unit, self.grid, self.box).flatten(2)


def boxes(x: torch.Tensor, grid: Grid, box: Grid) -> torch.Tensor:
    """(B, C, T, H, W) -> (B, L, C, t h w) by token; a box that reaches over the far end is filled up with 0."""
    (frames, height, width), (t, h, w) = grid, box
    missing = [places * step - extent for places, step, extent in zip(grid, box, x.shape[2:], strict=True)]
    # A negative padding crops what lies beyond the last box.
    x = functional.pad(x, (0, missing[2], 0, missing[1], 0, missing[0]))
    x = x.unflatten(4, (width, w)).unflatten(3, (height, h)).unflatten(2, (frames, t))
    return x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(5).flatten(1, 3)


def normalised(boxes: torch.Tensor) -> torch.Tensor:
    """Mean 0 and variance 1 in each box and channel (He et al., CVPR 2022): (B, L, C, t h w) -> the same shape."""
    variance, mean = torch.var_mean(boxes, dim=-1, correction=0, keepdim=True)
    return (boxes - mean) / (variance + 1e-6).sqrt()


def frame_differences(clip: torch.Tensor) -> torch.Tensor:
    """Each frame less the one before, 0 for the first: (B, C, T, H, W) -> the same shape."""
    return torch.diff(clip, dim=2, prepend=clip[:, :, :1])
