"""Attention over a grid of tokens with a class token, in the paper's kinds (section 3.2.3, names as in ViViT).

Each kind is called as attention(x, grid, mask). Tokens before the patches, the class token first, have no place in
the grid: they attend to all and all attend to them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from madv.config_model import ProjectionConfig
from madv.model.grids import Grid
from madv.model.projection import LINEAR, make_projection
from madv.noise import Dropout

Heads = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Attend = Callable[[Heads, Grid, torch.Tensor | None], torch.Tensor]

SMALL = 32
"""Tokens up to which one masked attention is faster than attention in groups; measured on a CPU."""
TINY = 1e-6
"""Weight of a dropped key while a predictor learns: gradients must reach its decision (DynamicViT)."""


class Attended(NamedTuple):
    """What attention gives back."""

    change: torch.Tensor
    """(B, E + L, D), to be added to the tokens."""
    queries: torch.Tensor
    """(B, heads, E + L, d)."""
    keys: torch.Tensor
    """(B, heads, E + L', d)."""


class SelfAttention(nn.Module):
    """Projection to heads, a rule for who attends to whom, output projection."""

    def __init__(self, width: int, heads: int, projection: ProjectionConfig, dropout: float, frames: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = make_projection(width, projection, frames)
        self.out = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor, grid: Grid, mask: torch.Tensor | None, attend: Attend) -> Attended:
        """x (B, E + L, D), mask (B, L)."""
        batch, length, width = x.shape
        q, k, v = (
            part.reshape(batch, -1, self.heads, width // self.heads).transpose(1, 2)
            for part in self.project(x, grid, mask)
        )
        if mask is not None:
            mask = functional.pad(self.project.kept_keys(mask, grid), (length - math.prod(grid), 0), value=1)
        mixed = attend((q, k, v), grid, mask).transpose(1, 2).reshape(batch, length, width)
        return Attended(self.dropout(self.out(mixed)), q, k)


def everywhere(heads: Heads, grid: Grid, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Each token attends to all.

    Args:
        heads: q (B, heads, E + L, d), k and v (B, heads, E + L', d).
        grid: (T, H, W) with T H W = L.
        mask: (B, E + L') of keys, true where kept; or 0 and 1 as floats, whose gradient passes.

    Returns:
        The shape of q.
    """
    return functional.scaled_dot_product_attention(*heads, attn_mask=_bias(mask, None, heads[0].dtype))


def within_frame(heads: Heads, grid: Grid, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Each patch attends to its own frame and the tokens before the patches, which attend to all."""
    if grid[0] == 1:
        return everywhere(heads, grid, mask)  # one frame is one group
    return _grouped(heads, grid, mask, along_time=False)


def along_time(heads: Heads, grid: Grid, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Each patch attends to its own position in every frame and the tokens before the patches, which attend to all.

    Strided keys have fewer positions than queries: then a position is that of the nearest key.
    """
    cells = _cells(grid, heads[0].shape[2], heads[1].shape[2], heads[0].device)
    if cells is not None:
        heads = (heads[0], heads[1][:, :, cells], heads[2][:, :, cells])
        mask = None if mask is None else mask[:, cells]
    return _grouped(heads, grid, mask, along_time=True)


def class_attention(attended: Attended, grid: Grid) -> torch.Tensor:
    """How much the class token looks at each patch: (B, L), the mean over heads of its attention to all tokens."""
    # The product can overflow in half precision, and a softmax of infinities is not a number.
    wide = torch.promote_types(attended.keys.dtype, torch.float32)
    query, keys = attended.queries[:, :, :1].to(wide), attended.keys.to(wide)
    with torch.autocast(query.device.type, enabled=False):
        weights = torch.softmax(query @ keys.transpose(-1, -2) * query.shape[-1] ** -0.5, dim=-1).mean(1).squeeze(1)
    length = attended.change.shape[1]
    cells = _cells(grid, length, weights.shape[1], weights.device)
    return (weights if cells is None else weights[:, cells])[:, length - math.prod(grid) :]


def _grouped(heads: Heads, grid: Grid, mask: torch.Tensor | None, *, along_time: bool) -> torch.Tensor:
    """Attention inside groups of patches, each with the keys and values of the tokens before the patches added."""
    q, k, v = heads
    extra = q.shape[2] - math.prod(grid)
    if q.shape[2] <= SMALL:
        # Dynamo looks through caches, with a warning.
        pairs = _group_mask.__wrapped__ if torch.compiler.is_compiling() else _group_mask
        allowed = pairs(grid[0], extra, q.shape[2], k.shape[2], along_time, q.device)
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=_bias(mask, allowed, q.dtype))

    def group(x: torch.Tensor) -> torch.Tensor:  # (B, heads, L, d) -> (B, heads, groups, n, d)
        frames: torch.Tensor = x.unflatten(2, (grid[0], -1))
        return frames.transpose(2, 3) if along_time else frames

    def with_extra(x: torch.Tensor) -> torch.Tensor:  # (B, heads, E + L', d) -> (B, heads, groups, E + n, d)
        patches = group(x[:, :, extra:])
        return torch.cat([x[:, :, None, :extra].expand(-1, -1, patches.shape[2], -1, -1), patches], dim=3)

    query, keys, values = group(q[:, :, extra:]), with_extra(k), with_extra(v)
    bias = _bias(mask, None, q.dtype)
    grouped = bias
    if bias is not None:  # (B, 1, 1, E + L') -> (B, heads groups, 1, E + n)
        grouped = with_extra(bias.transpose(2, 3)).transpose(3, 4).expand(-1, q.shape[1], -1, -1, -1).flatten(1, 2)
    # Four dimensions, since the fused kernels take no more.
    mixed = functional.scaled_dot_product_attention(
        query.flatten(1, 2), keys.flatten(1, 2), values.flatten(1, 2), attn_mask=grouped
    )
    patches = mixed.unflatten(1, query.shape[1:3])
    patches = (patches.transpose(2, 3) if along_time else patches).flatten(2, 3)
    first = functional.scaled_dot_product_attention(q[:, :, :extra], k, v, attn_mask=bias)
    return torch.cat([first, patches], dim=2)


def _bias(mask: torch.Tensor | None, allowed: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """What scaled_dot_product_attention takes, from mask (B, K) of keys and allowed (Q, K) of pairs."""
    if mask is None:
        return allowed
    keys = mask[:, None, None]
    if mask.dtype == torch.bool:
        return keys if allowed is None else keys & allowed
    bias = torch.log(keys + TINY).to(dtype)
    return bias if allowed is None else bias.masked_fill(~allowed, -torch.inf)


@functools.cache
def _group_mask(
    frames: int, extra: int, queries: int, keys: int, along_time: bool, device: torch.device
) -> torch.Tensor:
    """(E + L, E + L'), true where a token may look: at its own group and the first E tokens, which look at all."""

    def groups(tokens: int) -> torch.Tensor:
        index, per_frame = torch.arange(tokens - extra, device=device), (tokens - extra) // frames
        return index % per_frame if along_time else index // per_frame

    mask = torch.ones(queries, keys, dtype=torch.bool, device=device)
    mask[extra:, extra:] = groups(queries)[:, None] == groups(keys)[None, :]
    return mask


def _cells(grid: Grid, queries: int, keys: int, device: torch.device) -> torch.Tensor | None:
    """For each of E + L tokens the nearest of E + L' strided keys, itself before the patches; None: one to one."""
    if queries == keys:
        return None
    frames, height, width = grid
    extra = queries - frames * height * width
    t, y, x = torch.meshgrid(*(torch.arange(size, device=device) for size in grid), indexing="ij")
    rows, columns = (height + 1) // 2, (width + 1) // 2
    place = (t * rows + y // 2) * columns + x // 2
    return torch.cat([torch.arange(extra, device=device), extra + place.flatten()])


class JointAttention(nn.Module):
    """Mixed attention: every token attends to every other in space and time (ViViT model 1). Cost O((THW)^2)."""

    def __init__(self, width: int, heads: int, projection: ProjectionConfig, dropout: float, grid: Grid) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, projection, dropout, grid[0])

    def forward(self, x: torch.Tensor, grid: Grid, mask: torch.Tensor | None = None) -> Attended:
        """x (B, E + L, D), normalised; mask (B, L), patches that are kept."""
        attended: Attended = self.attention(x, grid, mask, everywhere)
        return attended


class FactorisedSelfAttention(nn.Module):
    """Factorial attention: within each frame, then along time (ViViT model 3; Eq. 16 read literally).

    A grid of one frame has nothing along time, so that half is not built.
    """

    def __init__(self, width: int, heads: int, projection: ProjectionConfig, dropout: float, grid: Grid) -> None:
        super().__init__()
        frames = grid[0]
        self.spatial = SelfAttention(width, heads, projection, dropout, frames)
        self.norm = nn.LayerNorm(width) if frames > 1 else None
        # The convolution of Eq. 1 mixes neighbours within a frame: the half along time has no use for it.
        self.temporal = SelfAttention(width, heads, LINEAR, dropout, frames) if frames > 1 else None

    def forward(self, x: torch.Tensor, grid: Grid, mask: torch.Tensor | None = None) -> Attended:
        """x (B, E + L, D), normalised; mask (B, L), patches that are kept."""
        attended: Attended = self.spatial(x, grid, mask, within_frame)
        if self.temporal is None or self.norm is None:
            return attended
        change = attended.change + self.temporal(self.norm(x + attended.change), grid, mask, along_time).change
        return attended._replace(change=change)


class FactorisedDotProductAttention(nn.Module):
    """Dot-product attention: half of the heads within the frame, half along time (ViViT model 4)."""

    def __init__(self, width: int, heads: int, projection: ProjectionConfig, dropout: float, grid: Grid) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, projection, dropout, grid[0])

    def forward(self, x: torch.Tensor, grid: Grid, mask: torch.Tensor | None = None) -> Attended:
        """x (B, E + L, D), normalised; mask (B, L), patches that are kept."""
        attended: Attended = self.attention(x, grid, mask, self._halves if grid[0] > 1 else within_frame)
        return attended

    @staticmethod
    def _halves(heads: Heads, grid: Grid, mask: torch.Tensor | None = None) -> torch.Tensor:
        first, second = zip(*(part.chunk(2, dim=1) for part in heads), strict=True)
        return torch.cat([within_frame(first, grid, mask), along_time(second, grid, mask)], dim=1)


ATTENTION: dict[str, type[nn.Module]] = {
    "joint": JointAttention,
    "factorised_self": FactorisedSelfAttention,
    "factorised_dot": FactorisedDotProductAttention,
}
