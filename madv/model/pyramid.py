"""A visual stream (texture or depth): tokens, three attention levels, top-down pyramid, convolution branch.

Grids are kept channels last, (B, T, H, W, D), the layout that attention reads and convolutions are fastest on.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from madv.config import ModelConfig
from madv.model.attention import Encoder, Grid
from madv.model.difference import FrameDifference
from madv.model.projection import depthwise
from madv.model.streams import StreamFeatures
from madv.model.tokens import VideoToTokens, tokens_grid


def level_grids(shape: tuple[int, int, int], config: ModelConfig) -> list[Grid]:
    """The grids (T', H', W') of the three levels for clips of (T, H, W); each level halves height and width."""
    grids = [tokens_grid(shape, config.tokenizer)]
    for _ in config.widths[1:]:
        frames, height, width = grids[-1]
        grids.append((frames, (height + 1) // 2, (width + 1) // 2))
    return grids


class Halve(nn.Module):
    """A stride-2 convolution of each frame between two levels, with batch norm and ReLU."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width_in, width, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, H, W, D_in) -> (B, T, ceil(H / 2), ceil(W / 2), D)."""
        frames = x.flatten(0, 1).permute(0, 3, 1, 2)
        frames = torch.relu(self.norm(self.convolution(frames)))
        halved: torch.Tensor = frames.permute(0, 2, 3, 1).unflatten(0, x.shape[:2])
        return halved


class VisualLevel(nn.Module):
    """One level: halved grid (but for the first), frame difference (where there is time), attention."""

    def __init__(self, kind: str, level: int, grid: Grid, config: ModelConfig) -> None:
        super().__init__()
        width = config.widths[level]
        self.grid = grid
        self.halve = Halve(config.widths[level - 1], width) if level > 0 else None
        self.difference = FrameDifference(width) if grid[0] > 1 else None
        self.encoder = Encoder(
            kind,
            width,
            config.heads[level],
            config.blocks[level],
            grid,
            mlp_ratio=config.mlp_ratio,
            kernel=config.projection_kernel,
            dropout=config.dropout,
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x (B, T, H_before, W_before, D_before) -> class token (B, D) and grid (B, T, H, W, D)."""
        if self.halve is not None:
            x = self.halve(x)
        if self.difference is not None:
            x = self.difference(x)
        cls, patches = self.encoder(x.flatten(1, 3))
        return cls, patches.unflatten(1, self.grid)


class VisualStream(nn.Module):
    """Texture or depth from pixels to one vector a level."""

    def __init__(self, kind: str, channels: int, shape: tuple[int, int, int], config: ModelConfig) -> None:
        super().__init__()
        grids = level_grids(shape, config)
        widths, out = config.widths, config.widths[-1]
        self.average = config.readout == "average"
        self.tokens = VideoToTokens(channels, widths[0], config.tokenizer)
        self.levels = nn.ModuleList(VisualLevel(kind, level, grid, config) for level, grid in enumerate(grids))
        self.lateral = nn.ModuleList(nn.Linear(width, out) for width in widths)
        positions = [1 if self.average else frames * height * wide for frames, height, wide in grids]
        self.project = nn.ModuleList(
            nn.Linear(width + out * count, out) for width, count in zip(widths, positions, strict=True)
        )
        # Without time the kernel has none either: two dimensions.
        self.convolution = nn.Parameter(torch.empty(out, 1, *([3] if grids[-1][0] > 1 else []), 3, 3))
        self.convolution_norm = nn.BatchNorm1d(out)
        self.convolution_out = nn.Linear(out, out)

    def forward(self, clip: torch.Tensor) -> StreamFeatures:
        """clip (B, C, T, H, W)."""
        x = self.tokens(clip).permute(0, 2, 3, 4, 1)
        classes, grids = [], []
        for level in self.levels:
            cls, x = level(x)
            classes.append(cls)
            grids.append(x)
        pooled = [grid.mean(dim=(1, 2, 3)) if self.average else grid.flatten(1) for grid in self._top_down(grids)]
        return StreamFeatures(
            levels=[
                project(torch.cat([cls, vector], dim=-1))
                for project, cls, vector in zip(self.project, classes, pooled, strict=True)
            ],
            convolution=self._convolve(x),
        )

    def _convolve(self, x: torch.Tensor) -> torch.Tensor:
        """Eq. 17: depthwise 3 x 3 x 3, batch norm, GELU, pointwise, averaged: (B, T, H, W, D) -> (B, D)."""
        channels_first = x.permute(0, 4, 1, 2, 3)
        if self.convolution.ndim == 4:
            channels_first = channels_first.squeeze(2)
        mixed = self.convolution_norm(depthwise(channels_first, self.convolution).flatten(2))
        # The pointwise map is linear, so it is applied once, after the mean over positions.
        out: torch.Tensor = self.convolution_out(functional.gelu(mixed).mean(dim=2))
        return out

    def _top_down(self, grids: list[torch.Tensor]) -> list[torch.Tensor]:
        """Each level plus the levels above it, brought to its size (feature pyramid); all of the highest width."""
        pyramid = [lateral(grid) for lateral, grid in zip(self.lateral, grids, strict=True)]
        for level in range(len(pyramid) - 2, -1, -1):
            pyramid[level] = pyramid[level] + _enlarge(pyramid[level + 1], *pyramid[level].shape[2:4])
        return pyramid


def _enlarge(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Nearest neighbour: (B, T, h, w, D) -> (B, T, height, width, D)."""
    frames = functional.interpolate(x.flatten(0, 1).permute(0, 3, 1, 2), size=(height, width), mode="nearest")
    enlarged: torch.Tensor = frames.permute(0, 2, 3, 1).unflatten(0, x.shape[:2])
    return enlarged
