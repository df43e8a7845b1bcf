"""A visual stream (texture or depth): tokens, attention levels, their fusion, convolution branch.

Grids are kept channels last, (B, T, H, W, D), the layout that attention reads and convolutions are fastest on.

Low, middle and high are stages by default: each level halves the grid of the one before and has more channels. Beware
of the polarity: the first stage is "low" for its dimension, while it sees the highest spatial frequencies. With
frequency=bands the names mean what they say: the low level reads the lowest band of the clip, the highest level that is
there the highest. Each band has its own tokenizer, halvings and level, whose grids and widths are those of the stages,
so that only the split is another.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from madv.config_model import AttentionKind, FrameReference, ModelConfig
from madv.model.bands import split_bands
from madv.model.difference import FrameDifference
from madv.model.encoder import Encoder
from madv.model.grids import Grid, level_grids
from madv.model.projection import depthwise
from madv.model.streams import StreamFeatures
from madv.model.tokens import make_tokenizer

Levels = tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor | None]
"""Of each level the class token (B, D) and the grid (B, T, H, W, D); the sum of the encoders' own losses, ()."""


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

    def __init__(
        self, kind: AttentionKind, level: int, grid: Grid, config: ModelConfig, reference: FrameReference
    ) -> None:
        super().__init__()
        widths, first = config.widths, 0 if config.frequency == "bands" else max(0, level - 1)
        self.grid = grid
        self.halve = nn.Sequential(*(Halve(widths[step], widths[step + 1]) for step in range(first, level)))
        self.difference = (
            FrameDifference(widths[level], reference, config.difference.factor)
            if grid[0] > 1 and reference != "off"
            else None
        )
        self.encoder = Encoder(kind, level, grid, config, spatial=True)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """x (B, T, H_before, W_before, D_before) -> class token (B, D), grid (B, T, H, W, D), own loss ()."""
        x = self.halve(x)
        if self.difference is not None:
            x = self.difference(x)
        cls, patches, auxiliary = self.encoder(x.flatten(1, 3))
        return cls, patches.unflatten(1, self.grid), auxiliary


class ConvolutionBranch(nn.Module):
    """Eq. 17: depthwise 3 x 3 x 3, batch norm, GELU, pointwise, averaged."""

    def __init__(self, width: int, grid: Grid) -> None:
        super().__init__()
        # Without time the kernel has none either: two dimensions.
        self.volume = grid[0] > 1
        self.depthwise = nn.Parameter(torch.empty(width, 1, *([3] if self.volume else []), 3, 3))
        self.norm = nn.BatchNorm1d(width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, H, W, D) -> (B, D)."""
        channels_first = x.permute(0, 4, 1, 2, 3)
        if not self.volume:
            channels_first = channels_first.squeeze(2)
        mixed = self.norm(depthwise(channels_first, self.depthwise).flatten(2))
        # The pointwise map is linear, so it is applied once, after the mean over positions.
        out: torch.Tensor = self.out(functional.gelu(mixed).mean(dim=2))
        return out


class VisualStream(nn.Module):
    """Texture or depth from pixels to one vector a level."""

    def __init__(
        self,
        kind: AttentionKind,
        channels: int,
        shape: tuple[int, int, int],
        config: ModelConfig,
        difference: FrameReference,
    ) -> None:
        """Args:
        kind: of attention.
        channels: of the clips.
        shape: (T, H, W) of the clips.
        config: the network's settings.
        difference: what a frame is compared with.
        """
        super().__init__()
        grids, widths = level_grids(shape, config), config.widths[: config.levels]
        out = widths[-1]
        self.average, self.top_down = config.readout == "average", config.fusion == "top_down"
        bands = config.levels if config.frequency == "bands" else 1
        self.tokens = nn.ModuleList(make_tokenizer(channels, widths[0], config.tokenizer) for _ in range(bands))
        self.levels = nn.ModuleList(
            VisualLevel(kind, level, grid, config, difference) for level, grid in enumerate(grids)
        )
        self.lateral = nn.ModuleList(nn.Linear(width, out) for width in widths)
        positions = [1 if self.average else frames * height * wide for frames, height, wide in grids]
        self.project = nn.ModuleList(
            nn.Linear(width + out * count, out) for width, count in zip(widths, positions, strict=True)
        )
        self.convolution = ConvolutionBranch(out, grids[-1]) if config.convolution_branch else None

    def forward(self, clip: torch.Tensor) -> StreamFeatures:
        """clip (B, C, T, H, W)."""
        classes, grids, auxiliary = self._encode(clip)
        pooled = [grid.mean(dim=(1, 2, 3)) if self.average else grid.flatten(1) for grid in self._fuse(grids)]
        return StreamFeatures(
            levels=[
                project(torch.cat([cls, vector], dim=-1))
                for project, cls, vector in zip(self.project, classes, pooled, strict=True)
            ],
            convolution=None if self.convolution is None else self.convolution(grids[-1]),
            auxiliary=auxiliary,
        )

    def grids(self, clip: torch.Tensor) -> Levels:
        """clip (B, C, T, H, W) -> the levels after their fusion: all grids have the highest level's width."""
        classes, grids, auxiliary = self._encode(clip)
        return classes, self._fuse(grids), auxiliary

    def _encode(self, clip: torch.Tensor) -> Levels:
        """Each level by itself, in its own width."""
        bands = split_bands(clip, len(self.tokens))
        x, classes, grids, losses = clip, [], [], []
        for index, level in enumerate(self.levels):
            if index < len(self.tokens):
                x = self.tokens[index](bands[index]).permute(0, 2, 3, 4, 1)
            cls, x, loss = level(x)
            classes.append(cls)
            grids.append(x)
            if loss is not None:
                losses.append(loss)
        return classes, grids, torch.stack(losses).sum() if losses else None

    def _fuse(self, grids: list[torch.Tensor]) -> list[torch.Tensor]:
        """All grids in the highest width; top-down, each plus those above it, brought to its size (feature pyramid)."""
        pyramid = [lateral(grid) for lateral, grid in zip(self.lateral, grids, strict=True)]
        if self.top_down:
            for level in range(len(pyramid) - 2, -1, -1):
                pyramid[level] = pyramid[level] + _enlarge(pyramid[level + 1], *pyramid[level].shape[2:4])
        return pyramid


def _enlarge(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Nearest neighbour: (B, T, h, w, D) -> (B, T, height, width, D)."""
    frames = functional.interpolate(x.flatten(0, 1).permute(0, 3, 1, 2), size=(height, width), mode="nearest")
    enlarged: torch.Tensor = frames.permute(0, 2, 3, 1).unflatten(0, x.shape[:2])
    return enlarged
