"""Attention over a grid of tokens with a class token, in the paper's three kinds (section 3.2.3, names as in ViViT)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from madv.model.projection import ConvProjection, LinearProjection

Grid = tuple[int, int, int]
Heads = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class SelfAttention(nn.Module):
    """Projection to heads, a rule for who attends to whom, output projection."""

    def __init__(self, width: int, heads: int, kernel: int | None, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.project = LinearProjection(width) if kernel is None else ConvProjection(width, kernel)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, grid: Grid, attend: Callable[[Heads, Grid], torch.Tensor]) -> torch.Tensor:
        """x (B, 1 + L, D) -> (B, 1 + L, D)."""
        batch, length, width = x.shape
        q, k, v = (part.reshape(batch, length, self.heads, -1).transpose(1, 2) for part in self.project(x, grid))
        mixed = attend((q, k, v), grid).transpose(1, 2).reshape(batch, length, width)
        out: torch.Tensor = self.dropout(self.out(mixed))
        return out


def everywhere(heads: Heads, grid: Grid) -> torch.Tensor:
    """Each token attends to all: q, k, v (B, heads, 1 + L, d) -> the same shape."""
    return functional.scaled_dot_product_attention(*heads)


def within_frame(heads: Heads, grid: Grid) -> torch.Tensor:
    """Each patch attends to its own frame and the class token; the class token to all."""
    return _grouped(heads, grid, along_time=False)


def along_time(heads: Heads, grid: Grid) -> torch.Tensor:
    """Each patch attends to its own position in every frame and the class token; the class token to all."""
    return _grouped(heads, grid, along_time=True)


SMALL = 32
"""Patches up to which one masked attention is faster than attention in groups; measured on a CPU."""


def _grouped(heads: Heads, grid: Grid, *, along_time: bool) -> torch.Tensor:
    """Attention inside groups of patches, each with the class token's key and value added."""
    if grid[0] == 1 and not along_time:
        return everywhere(heads, grid)  # one frame is one group
    if heads[0].shape[2] <= SMALL:
        mask = _group_mask(grid, along_time).to(heads[0].device)
        return functional.scaled_dot_product_attention(*heads, attn_mask=mask)

    def group(x: torch.Tensor) -> torch.Tensor:  # (B, heads, L, d) -> (B, heads, groups, n, d)
        frames: torch.Tensor = x.unflatten(2, (grid[0], -1))
        return frames.transpose(2, 3) if along_time else frames

    q, k, v = heads
    query = group(q[:, :, 1:])
    keys, values = (
        torch.cat([x[:, :, :1, None].expand(-1, -1, query.shape[2], -1, -1), group(x[:, :, 1:])], dim=3) for x in (k, v)
    )
    # Four dimensions, since the fused kernels take no more.
    mixed = functional.scaled_dot_product_attention(query.flatten(1, 2), keys.flatten(1, 2), values.flatten(1, 2))
    patches = mixed.unflatten(1, query.shape[1:3])
    patches = (patches.transpose(2, 3) if along_time else patches).flatten(2, 3)
    cls = functional.scaled_dot_product_attention(q[:, :, :1], k, v)
    return torch.cat([cls, patches], dim=2)


@functools.cache
def _group_mask(grid: Grid, along_time: bool) -> torch.Tensor:
    """(1 + L, 1 + L), true where a token may look: at its own group and the class token, which looks at all."""
    index = torch.arange(grid[0] * grid[1] * grid[2])
    group = index % (grid[1] * grid[2]) if along_time else index // (grid[1] * grid[2])
    mask = torch.ones(len(index) + 1, len(index) + 1, dtype=torch.bool)
    mask[1:, 1:] = group[:, None] == group[None, :]
    return mask


class JointAttention(nn.Module):
    """Mixed attention: every token attends to every other in space and time (ViViT model 1). Cost O((THW)^2)."""

    def __init__(self, width: int, heads: int, kernel: int | None, dropout: float, grid: Grid) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, kernel, dropout)

    def forward(self, x: torch.Tensor, grid: Grid) -> torch.Tensor:
        """x (B, 1 + L, D), normalised -> the change to x, same shape."""
        out: torch.Tensor = self.attention(x, grid, everywhere)
        return out


class FactorisedSelfAttention(nn.Module):
    """Factorial attention: within each frame, then along time (ViViT model 3; Eq. 16 read literally).

    A grid of one frame has nothing along time, so that half is not built.
    """

    def __init__(self, width: int, heads: int, kernel: int | None, dropout: float, grid: Grid) -> None:
        super().__init__()
        self.spatial = SelfAttention(width, heads, kernel, dropout)
        self.norm = nn.LayerNorm(width) if grid[0] > 1 else None
        # The convolution of Eq. 1 mixes neighbours within a frame: the half along time has no use for it.
        self.temporal = SelfAttention(width, heads, None, dropout) if grid[0] > 1 else None

    def forward(self, x: torch.Tensor, grid: Grid) -> torch.Tensor:
        """x (B, 1 + L, D), normalised -> the change to x, same shape."""
        change: torch.Tensor = self.spatial(x, grid, within_frame)
        if self.temporal is not None and self.norm is not None:
            change = change + self.temporal(self.norm(x + change), grid, along_time)
        return change


class FactorisedDotProductAttention(nn.Module):
    """Dot-product attention: half of the heads within the frame, half along time (ViViT model 4)."""

    def __init__(self, width: int, heads: int, kernel: int | None, dropout: float, grid: Grid) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, kernel, dropout)

    def forward(self, x: torch.Tensor, grid: Grid) -> torch.Tensor:
        """x (B, 1 + L, D), normalised -> the change to x, same shape."""
        out: torch.Tensor = self.attention(x, grid, self._halves if grid[0] > 1 else within_frame)
        return out

    @staticmethod
    def _halves(heads: Heads, grid: Grid) -> torch.Tensor:
        first, second = zip(*(part.chunk(2, dim=1) for part in heads), strict=True)
        return torch.cat([within_frame(first, grid), along_time(second, grid)], dim=1)


ATTENTION: dict[str, type[nn.Module]] = {
    "joint": JointAttention,
    "factorised_self": FactorisedSelfAttention,
    "factorised_dot": FactorisedDotProductAttention,
}


class Block(nn.Module):
    """LN - attention - residual, LN - MLP - residual (Eq. 15 and 16)."""

    def __init__(
        self, kind: str, width: int, heads: int, mlp_ratio: float, kernel: int | None, dropout: float, grid: Grid
    ) -> None:
        super().__init__()
        hidden = max(1, round(width * mlp_ratio))
        self.norm_attention = nn.LayerNorm(width)
        self.attention = ATTENTION[kind](width, heads, kernel, dropout, grid)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width), nn.Dropout(dropout))

    def forward(self, x: torch.Tensor, grid: Grid) -> torch.Tensor:
        """x (B, 1 + L, D) -> (B, 1 + L, D)."""
        x = x + self.attention(self.norm_attention(x), grid)
        out: torch.Tensor = x + self.mlp(self.norm_mlp(x))
        return out


class Encoder(nn.Module):
    """Class token and learned positions (Eq. 13), then blocks: one level's attention over its grid."""

    def __init__(
        self,
        kind: str,
        width: int,
        heads: int,
        blocks: int,
        grid: Grid,
        *,
        mlp_ratio: float,
        kernel: int | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.position_token = nn.Parameter(torch.empty(1, 1 + grid[0] * grid[1] * grid[2], width))
        self.blocks = nn.ModuleList(Block(kind, width, heads, mlp_ratio, kernel, dropout, grid) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x (B, L, D) -> class token (B, D) and patches (B, L, D), normalised."""
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.position_token
        for block in self.blocks:
            x = block(x, self.grid)
        x = self.norm(x)
        return x[:, 0], x[:, 1:]
