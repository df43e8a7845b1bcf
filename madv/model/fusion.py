"""How vectors of several streams, and of several levels, become one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn


class GatedFusion(nn.Module):
    """Weights over streams from their own features: sum of w_s f_s with w = softmax(MLP([f_1; f_2; ...]))."""

    def __init__(self, streams: int, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(streams * width, width), nn.GELU(), nn.Linear(width, streams))

    def weights(self, features: list[torch.Tensor]) -> torch.Tensor:
        """streams x (B, D) -> (B, streams)."""
        return torch.softmax(self.gate(torch.cat(features, dim=-1)), dim=-1)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """streams x (B, D) -> (B, D)."""
        return torch.einsum("bs,sbd->bd", self.weights(features), torch.stack(features))


class OneStream(nn.Module):
    """One stream needs no weights over streams."""

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """1 x (B, D) -> (B, D)."""
        return features[0]


def fuse_streams(streams: int, width: int) -> nn.Module:
    """A module for that many vectors (B, D) -> (B, D)."""
    return GatedFusion(streams, width) if streams > 1 else OneStream()


class LevelFusion(nn.Module):
    """What f_att (Eq. 14) reads of the levels: all of them side by side, their weighted mean, or the last alone.

    Top-down fusion happens on the grids before (pyramid.py); its levels are then read side by side.
    """

    def __init__(self, fusion: Literal["top_down", "concatenated", "weighted", "last"], levels: int, width: int):
        super().__init__()
        self.last = fusion == "last" or levels == 1
        # Through a softmax; equal at first, since vectors start at 1.
        self.weight = nn.Parameter(torch.ones(levels)) if fusion == "weighted" and levels > 1 else None
        self.width = width if self.last or self.weight is not None else levels * width
        """Of what comes out."""

    def forward(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """levels x (B, D) -> (B, width)."""
        if self.last:
            return levels[-1]
        if self.weight is None:
            return torch.cat(levels, dim=-1)
        return torch.einsum("l,lbd->bd", torch.softmax(self.weight, dim=0), torch.stack(levels))
