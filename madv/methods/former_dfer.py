"""Former-DFER (Zhao and Liu, ACM MM 2021): attention inside the trunk of each frame, then over frames."""

from __future__ import annotations

import torch
from torch import nn

from madv.methods.resnet import ResNet18, by_frame, stage
from madv.methods.transformer import Block


class SpatialFormer(nn.Module):
    """One frame: ResNet-18 to its third stage, one block over the grid, the fourth stage, averaged."""

    def __init__(self, channels: int, size: tuple[int, int], width: int) -> None:
        super().__init__()
        self.trunk = ResNet18(width, stages=3, channels=channels)
        inner = self.trunk.width
        grid = [-(-side // 16) for side in size]
        self.position_token = nn.Parameter(torch.empty(1, grid[0] * grid[1], inner))
        self.block = Block(inner, heads=8, head_width=inner // 8, hidden=2 * inner, approximate="tanh")
        self.stage = stage(inner, 2 * inner, stride=2)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, 8 width)."""
        maps = self.trunk(frames)
        tokens = self.block(maps.flatten(2).transpose(1, 2) + self.position_token)
        pooled: torch.Tensor = self.stage(tokens.transpose(1, 2).view_as(maps)).mean(dim=(2, 3))
        return pooled


class FormerDFER(nn.Module):
    """A vector for each frame and a class token through three blocks; the class token is classified."""

    def __init__(self, channels: int, shape: tuple[int, int, int], num_classes: int, width: int = 64) -> None:
        """Args:
        shape: (T, H, W) of a clip.
        """
        super().__init__()
        frames, *size = shape
        self.spatial = SpatialFormer(channels, (size[0], size[1]), width)
        inner = 8 * width
        self.cls_token = nn.Parameter(torch.empty(1, 1, inner))
        self.position_token = nn.Parameter(torch.empty(1, 1 + frames, inner))
        self.blocks = nn.Sequential(*(Block(inner, 8, inner // 8, 2 * inner, approximate="tanh") for _ in range(3)))
        self.head = nn.Linear(inner, num_classes)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        vectors = by_frame(self.spatial, clip)  # (B, T, D)
        tokens = torch.cat([self.cls_token.expand(len(clip), -1, -1), vectors], dim=1) + self.position_token
        logits: torch.Tensor = self.head(self.blocks(tokens)[:, 0])
        return logits
