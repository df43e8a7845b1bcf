"""ResNet-18 over single frames, the trunk that eight of the methods share (He et al., CVPR 2016)."""

from __future__ import annotations

import itertools

import torch
from torch import nn


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm, and a shortcut that is 1 x 1 where size or width changes."""

    def __init__(self, width_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv2d(width_in, width, 3, stride=stride, padding=1, bias=False)
        self.norm_1 = nn.BatchNorm2d(width)
        self.convolution_2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm_2 = nn.BatchNorm2d(width)
        self.shortcut = (
            nn.Sequential(nn.Conv2d(width_in, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width))
            if stride != 1 or width_in != width
            else nn.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, D_in, H, W) -> (N, D, ceil(H / stride), ceil(W / stride))."""
        y = torch.relu(self.norm_1(self.convolution_1(x)))
        out: torch.Tensor = torch.relu(self.norm_2(self.convolution_2(y)) + self.shortcut(x))
        return out


def stage(width_in: int, width: int, stride: int, blocks: int = 2) -> nn.Sequential:
    """Blocks of one width, the first with the stride."""
    return nn.Sequential(BasicBlock(width_in, width, stride), *(BasicBlock(width, width) for _ in range(blocks - 1)))


class ResNet18(nn.Module):
    """Stem and the first stages of ResNet-18; at width 64 with four stages it has 11,176,512 parameters."""

    def __init__(self, width: int = 64, stages: int = 4, channels: int = 3) -> None:
        """Args:
        width: channels of the first stage; each further stage has twice as many.
        stages: how many of the four.
        channels: of a frame.
        """
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        widths = [width, *(width * 2**index for index in range(stages))]
        self.stages = nn.Sequential(
            *(
                stage(before, after, stride=1 if index == 0 else 2)
                for index, (before, after) in enumerate(itertools.pairwise(widths))
            )
        )
        self.width = widths[-1]

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) -> (N, width, H', W')."""
        maps: torch.Tensor = self.stages(self.stem(frames))
        return maps


def by_frame(module: nn.Module, clip: torch.Tensor) -> torch.Tensor:
    """Apply a 2-D module to every frame: clip (B, C, T, H, W) -> (B, T, ...)."""
    frames = module(clip.transpose(1, 2).flatten(0, 1))
    by_clip: torch.Tensor = frames.unflatten(0, (len(clip), clip.shape[2]))
    return by_clip
