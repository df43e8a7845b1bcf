"""Queries, keys and values of tokens (Eq. 1): depthwise-separable convolution over a grid, or linear."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from madv.config_model import ProjectionConfig

LINEAR = ProjectionConfig(kind="linear")
QKV = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class ConvProjection(nn.Module):
    """Depthwise convolution per frame (or volume), batch norm, pointwise map; flattened over the grid axes only.

    Q, K and V share one call with three outputs a channel: the same arithmetic as three convolutions. Tokens before
    the patches (the class token, a fused one) have no place in the grid: they by-pass the convolution and meet the
    pointwise map alone. With a stride, keys and values come from every second row and column (CvT).
    """

    def __init__(self, width: int, config: ProjectionConfig, frames: int) -> None:
        super().__init__()
        # Without time the kernel has none either: two dimensions.
        self.volume = config.volume and frames > 1
        self.kernel, self.stride = config.kernel, config.kv_stride
        axes = 3 if self.volume else 2
        norm = nn.BatchNorm3d if self.volume else nn.BatchNorm2d
        self.depthwise = nn.Parameter(torch.empty(3 * width, 1, *[config.kernel] * axes))
        self.norm = norm(3 * width if self.stride == 1 else width)
        self.norm_keys = norm(2 * width) if self.stride > 1 else None
        self.pointwise = nn.Parameter(torch.empty(3 * width, width))

    def forward(self, x: torch.Tensor, grid: tuple[int, int, int], mask: torch.Tensor | None = None) -> QKV:
        """Args:
            x: (B, E + L, D), E tokens without a place, then the grid's.
            grid: (T, H, W) with T H W = L.
            mask: (B, L), tokens that are kept; the others are zero to their neighbours.

        Returns:
            q (B, E + L, D), k and v (B, E + L', D) with L' = T ceil(H / stride) ceil(W / stride).
        """
        extra_tokens = x.shape[1] - math.prod(grid)
        patches = x[:, extra_tokens:]
        if mask is not None:
            patches = patches * mask[..., None].to(x.dtype)
        patches = patches.reshape(-1, *(grid if self.volume else grid[1:]), x.shape[2])
        extra, width = x[:, :extra_tokens], x.shape[2]
        if self.norm_keys is None:
            q, k, v = _map(extra, patches, self.depthwise, self.norm, self.pointwise)
        else:
            (q,) = _map(extra, patches, self.depthwise[:width], self.norm, self.pointwise[:width])
            k, v = _map(extra, patches, self.depthwise[width:], self.norm_keys, self.pointwise[width:], self.stride)
        return q, k, v

    def kept_keys(self, mask: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """mask (B, L) of tokens -> (B, L') of keys; a strided key goes where its window holds no token that is kept."""
        if self.stride == 1:
            return mask
        kernel = (self.kernel if self.volume else 1, self.kernel, self.kernel)
        seen = functional.max_pool3d(
            mask.unflatten(1, grid)[:, None].float(),
            kernel,
            stride=(1, self.stride, self.stride),
            padding=(kernel[0] // 2, kernel[1] // 2, kernel[2] // 2),
        )
        return seen.flatten(1).to(mask.dtype)


def _map(
    extra: torch.Tensor,
    patches: torch.Tensor,
    weight: torch.Tensor,
    norm: nn.Module,
    pointwise: torch.Tensor,
    stride: int = 1,
) -> torch.Tensor:
    """Some of q, k and v.

    Args:
        extra: (B, E, D), tokens that the convolution leaves alone.
        patches: (B T, H, W, D), or (B, T, H, W, D) for a volume.
        weight: (n D, 1, *kernel), depthwise.
        pointwise: (n D, D).

    Returns:
        (n, B, E + L', D).
    """
    count, spatial = len(pointwise) // extra.shape[2], range(1, patches.ndim - 1)
    copies = patches.repeat(*[1] * (patches.ndim - 1), count).permute(0, -1, *spatial)
    mixed = norm(depthwise(copies, weight, stride)).movedim(1, -1).reshape(len(extra), -1, count, extra.shape[2])
    tokens = torch.cat([extra[:, :, None].expand(-1, -1, count, -1), mixed], dim=1)
    return torch.einsum("blkd,ked->kble", tokens, pointwise.unflatten(0, (count, -1)))


def depthwise(x: torch.Tensor, weight: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """Convolve each channel by itself, in two or three dimensions, with a border of zeros.

    Args:
        x: (N, C, H, W) or (N, C, T, H, W).
        weight: (C, 1, *kernel), odd sizes.
        stride: along height and width; the size is kept where it is 1, else divided and rounded up.
    """
    # Taps that reach past a small grid from every position of it never touch data.
    for axis, size in enumerate(x.shape[2:], start=2):
        border = weight.shape[axis] // 2
        if size <= border:
            weight = weight.narrow(axis, border - size + 1, 2 * size - 1)
    strides = [1] * (x.ndim - 4) + [stride, stride]
    out = [-(-size // step) for size, step in zip(x.shape[2:], strides, strict=True)]
    # An axis of one position needs no convolution, and those that are left are much faster without it.
    kept = [axis for axis, size in enumerate(x.shape[2:]) if size > 1]
    if not kept:
        return x * weight.view(-1, *[1] * (x.ndim - 2))
    axes, kernel = [x.shape[2 + axis] for axis in kept], [weight.shape[2 + axis] for axis in kept]
    y, borders = x.reshape(*x.shape[:2], *axes), [taps // 2 for taps in kernel]
    if any(size < taps for size, taps in zip(axes, kernel, strict=True)):
        # oneDNN's padded kernels are 8 times slower than a padded copy where the grid is smaller than the kernel.
        y = functional.pad(y, [border for border in reversed(borders) for _ in range(2)])
        borders = [0] * len(borders)
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[len(axes) - 1]
    mixed = convolve(
        y,
        weight.reshape(-1, 1, *kernel),
        stride=[strides[axis] for axis in kept],
        padding=borders,
        groups=len(weight),
    )
    return mixed.reshape(*x.shape[:2], *out)


class LinearProjection(nn.Module):
    """Plain linear queries, keys and values, for tokens without spatial neighbours."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 3 * width, bias=False)

    def forward(self, x: torch.Tensor, grid: tuple[int, int, int], mask: torch.Tensor | None = None) -> QKV:
        """x (B, E + L, D) -> q, k, v, each (B, E + L, D); grid and mask do not matter."""
        q, k, v = self.linear(x).chunk(3, dim=-1)
        return q, k, v

    def kept_keys(self, mask: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """mask (B, L) of tokens -> the same of keys."""
        return mask


def make_projection(width: int, config: ProjectionConfig, frames: int) -> ConvProjection | LinearProjection:
    """The configured queries, keys and values for grids of that many frames."""
    return LinearProjection(width) if config.kind == "linear" else ConvProjection(width, config, frames)
