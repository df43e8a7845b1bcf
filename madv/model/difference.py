"""Differences between frames, weighted by a dynamic adaptive factor (section 3.1, contribution 2)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn


class FrameDifference(nn.Module):
    """x'_t = x_t + a_t * phi(d_t), where d_t = x_t - x_{t-1}, or x_t - x_0: the onset frame.

    The first frame has nothing to be compared with: its difference is zero. The factor a_t is, for each channel,
    sigmoid(W GAP([x_t, d_t])); for each token, sigmoid(w [x_t, d_t]) of its own; one learned number, 1 at first; or 1.
    """

    def __init__(
        self,
        width: int,
        reference: Literal["adjacent", "onset"],
        factor: Literal["channel", "scalar", "token", "none"],
    ) -> None:
        super().__init__()
        self.onset, self.by_token = reference == "onset", factor == "token"
        self.phi = nn.Linear(width, width, bias=False)
        outputs = {"channel": width, "token": 1}.get(factor)
        self.gate = nn.Linear(2 * width, outputs) if outputs else None
        self.scale = nn.Parameter(torch.ones(1)) if factor == "scalar" else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, T, H, W, D), channels last -> the same shape."""
        before = x[:, :1] if self.onset else x[:, :-1]
        difference = torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:] - before], dim=1)
        change: torch.Tensor = self.phi(difference)
        if self.gate is not None:
            change = self._factor(self.gate, x, difference) * change
        elif self.scale is not None:
            change = self.scale * change
        return x + change

    def _factor(self, gate: nn.Linear, x: torch.Tensor, difference: torch.Tensor) -> torch.Tensor:
        """(B, T, H, W, 1) by token, (B, T, 1, 1, D) by channel."""
        if self.by_token:
            return torch.sigmoid(gate(torch.cat([x, difference], dim=-1)))
        pooled = torch.cat([x.mean(dim=(2, 3)), difference.mean(dim=(2, 3))], dim=-1)  # (B, T, 2 D)
        return torch.sigmoid(gate(pooled))[:, :, None, None]
