"""MAE-DFER (Sun et al., ACM MM 2023): local attention in regions of the clip that talk through one token each."""

from __future__ import annotations

import torch
from torch import nn

from madv.methods.snippets import sinusoids
from madv.methods.transformer import Attention, mlp

Grid = tuple[int, int, int]


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of number that is at most `most`."""
    return next(size for size in range(min(number, most), 0, -1) if number % size == 0)


def region_of(grid: Grid) -> Grid:
    """A region's size in tokens: two frames, half of the height where that is whole, the whole width."""
    frames, height, width = grid
    return largest_divisor(frames, 2), height // 2 if height % 2 == 0 and height > 2 else height, width


class LocalGlobalBlock(nn.Module):
    """Attention within a region and its token, among those tokens, and from all patches to them; then the MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        share = width // heads
        self.norm_local, self.local = nn.LayerNorm(width), Attention(width, heads, share, bias="qv")
        self.norm_global, self.globally = nn.LayerNorm(width), Attention(width, heads, share, bias="qv")
        self.norm_query, self.norm_context = nn.LayerNorm(width), nn.LayerNorm(width)
        self.cross = Attention(width, heads, share, bias="qv")
        self.norm_mlp, self.mlp = nn.LayerNorm(width), mlp(width, 4 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, R, 1 + n, D), the token of each of R regions first -> the same shape."""
        x = x + self.local(self.norm_local(x))
        tokens, patches = x[:, :, 0], x[:, :, 1:]
        tokens = tokens + self.globally(self.norm_global(tokens))
        asked = self.norm_query(patches).flatten(1, 2)
        patches = patches + self.cross(asked, self.norm_context(tokens)).view_as(patches)
        x = torch.cat([tokens[:, :, None], patches], dim=2)
        out: torch.Tensor = x + self.mlp(self.norm_mlp(x))
        return out


class MAEDFER(nn.Module):
    """LGI-Former; the mean of the regions' tokens is classified."""

    def __init__(
        self,
        channels: int,
        shape: tuple[int, int, int],
        num_classes: int,
        width: int = 512,
        blocks: int = 16,
        heads: int = 8,
        tubelet: tuple[int, int, int] = (2, 16, 16),
    ) -> None:
        """Args:
        shape: (T, H, W) of a clip, whole numbers of tubelets.
        tubelet: frames, height and width that become one token.
        """
        super().__init__()
        frames, height, wide = (size // part for size, part in zip(shape, tubelet, strict=True))
        self.grid: Grid = (frames, height, wide)
        self.region = region_of(self.grid)
        self.tokens = nn.Conv3d(channels, width, tubelet, stride=tubelet)
        self.positions: torch.Tensor
        self.register_buffer("positions", sinusoids(frames * height * wide, width), persistent=False)
        regions = [size // part for size, part in zip(self.grid, self.region, strict=True)]
        self.region_token = nn.Parameter(torch.empty(1, regions[0] * regions[1] * regions[2], 1, width))
        self.blocks = nn.Sequential(*(LocalGlobalBlock(width, heads) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        tokens = self.tokens(clip).flatten(2).transpose(1, 2) + self.positions
        x = self.into_regions(tokens)
        x = torch.cat([self.region_token.expand(len(x), -1, -1, -1), x], dim=2)
        logits: torch.Tensor = self.head(self.norm(self.blocks(x)[:, :, 0].mean(1)))
        return logits

    def into_regions(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, L, D) -> (B, R, n, D)."""
        (t, h, w), (rt, rh, rw) = self.grid, self.region
        parts = tokens.view(len(tokens), t // rt, rt, h // rh, rh, w // rw, rw, -1)
        return parts.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4, 6).flatten(1, 3)
