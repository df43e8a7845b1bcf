"""STT, spatio-temporal transformer (Ma, Sun and Li, arXiv:2205.04749), as far as it is documented."""

from __future__ import annotations

import torch
from torch import nn

from madv.methods.resnet import ResNet18, by_frame
from madv.methods.transformer import Attention, mlp


class SpaceTimeBlock(nn.Module):
    """Attention within the frame, then at one place along time, then the MLP; each pre-norm with a residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_space = nn.LayerNorm(width)
        self.space = Attention(width, heads, width // heads)
        self.norm_time = nn.LayerNorm(width)
        self.time = Attention(width, heads, width // heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = mlp(width, 4 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, L, D) -> (B, T, L, D)."""
        x = x + self.space(self.norm_space(x))
        x = x + self.time(self.norm_time(x).transpose(1, 2)).transpose(1, 2)
        out: torch.Tensor = x + self.mlp(self.norm_mlp(x))
        return out


class STT(nn.Module):
    """ResNet-18 to its third stage on each frame, four blocks over time and space, mean over tokens."""

    def __init__(
        self, channels: int, shape: tuple[int, int, int], num_classes: int, width: int = 64, blocks: int = 4
    ) -> None:
        """Args:
        shape: (T, H, W) of a clip.
        width: of the trunk's first stage; tokens are eight times as wide.
        """
        super().__init__()
        frames, *size = shape
        self.trunk = ResNet18(width, stages=3, channels=channels)
        inner = 8 * width
        self.widen = nn.Linear(self.trunk.width, inner)
        places = (-(-size[0] // 16)) * (-(-size[1] // 16))
        self.space_token = nn.Parameter(torch.empty(1, 1, places, inner))
        self.time_token = nn.Parameter(torch.empty(1, frames, 1, inner))
        self.blocks = nn.Sequential(*(SpaceTimeBlock(inner, 8) for _ in range(blocks)))
        self.norm = nn.LayerNorm(inner)
        self.head = nn.Linear(inner, num_classes)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        maps = by_frame(self.trunk, clip).flatten(3).transpose(2, 3)  # (B, T, L, D)
        tokens = self.blocks(self.widen(maps) + self.space_token + self.time_token)
        logits: torch.Tensor = self.head(self.norm(tokens.mean(dim=(1, 2))))
        return logits
