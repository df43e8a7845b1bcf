"""Differences between frames, weighted by a dynamic adaptive factor (section 3.1, contribution 2)."""

from __future__ import annotations

import torch
from torch import nn


class FrameDifference(nn.Module):
    """x'_t = x_t + a_t * phi(x_t - x_{t-1}), with a_t = sigmoid(W GAP([x_t, x_t - x_{t-1}])) for each channel.

    The first frame has no predecessor: its difference is zero.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.phi = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, T, H, W, D), channels last -> the same shape."""
        difference = torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:] - x[:, :-1]], dim=1)
        pooled = torch.cat([x.mean(dim=(2, 3)), difference.mean(dim=(2, 3))], dim=-1)  # (B, T, 2 D)
        factor = torch.sigmoid(self.gate(pooled))[:, :, None, None]  # (B, T, 1, 1, D)
        out: torch.Tensor = x + factor * self.phi(difference)
        return out
