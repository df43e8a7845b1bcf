"""MAE-DFER (Sun et al., ACM MM 2023): local attention in regions of the clip that talk through one token each."""

from __future__ import annotations

import math

import torch
from torch import nn

from madv.methods.masked import BLOCKS, TubeletReconstruction
from madv.methods.transformer import Attention, head_count, largest_divisor, mlp, sinusoids
from madv.model.grids import Grid, boxes_grid


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

    encoder_parts = ("tokens.", "region_token", "blocks.")
    """What a pre-training hands over; the norm is the classifier's."""

    def __init__(
        self,
        channels: int,
        shape: tuple[int, int, int],
        num_classes: int,
        width: int = 512,
        blocks: int = 16,
        tubelet: Grid = (2, 16, 16),
    ) -> None:
        """Args:
        shape: (T, H, W) of a clip, whole numbers of tubelets.
        tubelet: frames, height and width that become one token.
        """
        super().__init__()
        self.grid = boxes_grid(shape, tubelet)
        self.region = region_of(self.grid)
        heads = head_count(width)
        self.tokens = nn.Conv3d(channels, width, tubelet, stride=tubelet)
        self.positions: torch.Tensor
        self.register_buffer("positions", sinusoids(math.prod(self.grid), width), persistent=False)
        regions = math.prod(boxes_grid(self.grid, self.region))
        self.region_token = nn.Parameter(torch.empty(1, regions, 1, width))
        self.blocks = nn.Sequential(*(LocalGlobalBlock(width, heads) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        logits: torch.Tensor = self.head(self.norm(self._mixed(self._embedded(clip))[:, :, 0].mean(1)))
        return logits

    def visible(self, clip: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """The tokens in sight, in their order in the clip, after all blocks.

        Args:
            clip: (B, C, T, H, W).
            hidden: (B, L), as many in each region.

        Returns:
            (B, V, D).
        """
        seen = self.into_regions(~hidden[..., None])[..., 0]  # (B, R, n)
        x = self._embedded(clip)
        x = self._mixed(x[seen].view(*x.shape[:2], -1, x.shape[-1]))[:, :, 1:].flatten(1, 2)
        place = self.into_regions(torch.arange(hidden.shape[1], device=hidden.device)[None, :, None])[..., 0]
        order = place.expand_as(seen)[seen].view(len(x), -1).argsort(1)
        ordered: torch.Tensor = self.norm(x).gather(1, order[..., None].expand_as(x))
        return ordered

    def reconstruction(self, decoder_blocks: int | None) -> TubeletReconstruction:
        """What masked modelling needs beside this network."""
        width, channels, *box = self.tokens.weight.shape
        windows = self.grid[1] // self.region[1]
        return TubeletReconstruction(
            channels,
            self.grid,
            (box[0], box[1], box[2]),
            width,
            3 * width // 4,
            decoder_blocks or BLOCKS,
            windows=windows,
            motion=True,
        )

    def _embedded(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B, R, n, D)."""
        return self.into_regions(self.tokens(clip).flatten(2).transpose(1, 2) + self.positions)

    def _mixed(self, x: torch.Tensor) -> torch.Tensor:
        """(B, R, n, D) -> (B, R, 1 + n, D), the region's token first, after all blocks."""
        mixed: torch.Tensor = self.blocks(torch.cat([self.region_token.expand(len(x), -1, -1, -1), x], dim=2))
        return mixed

    def into_regions(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, L, D) -> (B, R, n, D)."""
        (t, h, w), (rt, rh, rw) = self.grid, self.region
        parts = tokens.view(len(tokens), t // rt, rt, h // rh, rh, w // rw, rw, -1)
        return parts.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4, 6).flatten(1, 3)
