"""Queries, keys and values of tokens (Eq. 1): depthwise-separable convolution over a grid, or linear."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class ConvProjection(nn.Module):
    """Depthwise s x s convolution per frame, batch norm, pointwise map; flattened over the grid axes only.

    Q, K and V share one call with three outputs a channel: the same arithmetic as three convolutions.
    The class token has no place in the grid: it by-passes the convolution and meets the pointwise map alone.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Parameter(torch.empty(3 * width, 1, kernel, kernel))
        self.norm = nn.BatchNorm2d(3 * width)
        self.pointwise = nn.Parameter(torch.empty(3 * width, width))

    def forward(self, x: torch.Tensor, grid: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """x (B, 1 + L, D), class token first -> q, k, v, each (B, 1 + L, D)."""
        _, height, width = grid
        batch, _, channels = x.shape
        patches = x[:, 1:].reshape(-1, height, width, channels).repeat(1, 1, 1, 3).permute(0, 3, 1, 2)
        mixed = self.norm(depthwise(patches, self.depthwise))  # (B T, 3 D, H, W)
        mixed = mixed.permute(0, 2, 3, 1).reshape(batch, -1, 3, channels)
        tokens = torch.cat([x[:, :1, None].expand(-1, -1, 3, -1), mixed], dim=1)
        q, k, v = torch.einsum("blkd,ked->kble", tokens, self.pointwise.unflatten(0, (3, -1)))
        return q, k, v


def depthwise(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Convolve each channel by itself, keeping the size, in two or three dimensions.

    Args:
        x: (N, C, H, W) or (N, C, T, H, W).
        weight: (C, 1, *kernel), odd sizes.
    """
    # Taps that reach past a small grid from every position of it never touch data.
    for axis, size in enumerate(x.shape[2:], start=2):
        border = weight.shape[axis] // 2
        if size <= border:
            weight = weight.narrow(axis, border - size + 1, 2 * size - 1)
    # An axis of one position needs no convolution, and those that are left are much faster without it.
    axes = [size for size in x.shape[2:] if size > 1]
    kernel = [taps for taps, size in zip(weight.shape[2:], x.shape[2:], strict=True) if size > 1]
    if not axes:
        return x * weight.view(-1, *[1] * (x.ndim - 2))
    y, borders = x.reshape(*x.shape[:2], *axes), [taps // 2 for taps in kernel]
    if any(size < taps for size, taps in zip(axes, kernel, strict=True)):
        # oneDNN's padded kernels are 8 times slower than a padded copy where the grid is smaller than the kernel.
        y = functional.pad(y, [border for border in reversed(borders) for _ in range(2)])
        borders = [0] * len(borders)
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[len(axes) - 1]
    return convolve(y, weight.reshape(-1, 1, *kernel), padding=borders, groups=len(weight)).reshape(x.shape)


class LinearProjection(nn.Module):
    """Plain linear queries, keys and values, for tokens without spatial neighbours."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 3 * width, bias=False)

    def forward(self, x: torch.Tensor, grid: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """x (B, 1 + L, D) -> q, k, v, each (B, 1 + L, D); the grid does not matter."""
        q, k, v = self.linear(x).chunk(3, dim=-1)
        return q, k, v
