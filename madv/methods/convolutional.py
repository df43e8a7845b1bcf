"""Methods that are 3-D convolutions throughout: C3D, R(2+1)D-18 and 3D ResNet-18 (which is also EC-STFL's network)."""

from __future__ import annotations

import itertools

import torch
from torch import nn

Triple = tuple[int, int, int]


class C3D(nn.Module):
    """Eight 3 x 3 x 3 convolutions with batch norm, five poolings, three linear layers (Tran et al., ICCV 2015).

    Batch norm is the DFEW benchmark's addition. Clips that leave another grid than 1 x 4 x 4 are pooled to it, and time
    is halved only as long as there is some.
    """

    def __init__(self, channels: int, frames: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        hidden = 64 * width
        layers: list[nn.Module] = []
        before = channels
        plan: list[tuple[list[int], Triple, Triple]] = [
            ([1], (1, 2, 2), (0, 0, 0)),
            ([2], (2, 2, 2), (0, 0, 0)),
            ([4, 4], (2, 2, 2), (0, 0, 0)),
            ([8, 8], (2, 2, 2), (0, 0, 0)),
            ([8, 8], (2, 2, 2), (0, 1, 1)),
        ]
        for factors, pool, padding in plan:
            for factor in factors:
                after = width * factor
                layers += [nn.Conv3d(before, after, 3, padding=1), nn.BatchNorm3d(after), nn.ReLU()]
                before = after
            window = (min(pool[0], frames), *pool[1:])
            frames //= window[0]
            layers.append(nn.MaxPool3d(window, window, padding))
        self.features = nn.Sequential(*layers, nn.AdaptiveMaxPool3d((1, 4, 4)), nn.Flatten())
        self.head = nn.Sequential(
            *(nn.Linear(before * 16, hidden), nn.ReLU(), nn.Dropout(0.5)),
            *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(0.5)),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        logits: torch.Tensor = self.head(self.features(clip))
        return logits


def convolution(width_in: int, width: int, stride: int, middle: int | None = None) -> nn.Module:
    """3 x 3 x 3; with a middle width, 1 x 3 x 3 to that width and 3 x 1 x 1 from there (Tran et al., CVPR 2018)."""
    if middle is None:
        return nn.Conv3d(width_in, width, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(
        nn.Conv3d(width_in, middle, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False),
        nn.BatchNorm3d(middle),
        nn.ReLU(),
        nn.Conv3d(middle, width, (3, 1, 1), stride=(stride, 1, 1), padding=(1, 0, 0), bias=False),
    )


class BasicBlock3d(nn.Module):
    """Two 3-D convolutions with batch norm and a shortcut."""

    def __init__(self, width_in: int, width: int, stride: int, *, split: bool) -> None:
        super().__init__()
        # As many parameters as 3 x 3 x 3; the block's second convolution keeps the middle width of its first, which
        # is what the published 31.3 M parameters come from.
        middle = 27 * width_in * width // (9 * width_in + 3 * width) if split else None
        self.body = nn.Sequential(
            convolution(width_in, width, stride, middle),
            nn.BatchNorm3d(width),
            nn.ReLU(),
            convolution(width, width, 1, middle),
            nn.BatchNorm3d(width),
        )
        self.shortcut = (
            nn.Sequential(nn.Conv3d(width_in, width, 1, stride=stride, bias=False), nn.BatchNorm3d(width))
            if stride != 1 or width_in != width
            else nn.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, D_in, T, H, W) -> (B, D, T / stride, H / stride, W / stride), rounded up."""
        out: torch.Tensor = torch.relu(self.body(x) + self.shortcut(x))
        return out


class ResNet3d(nn.Module):
    """Eighteen layers in three dimensions: Hara's 3D ResNet-18, or R(2+1)D-18 with split convolutions."""

    def __init__(self, channels: int, num_classes: int, width: int = 64, *, split: bool = False) -> None:
        super().__init__()
        middle = max(1, width * 45 // 64)
        self.stem = (
            nn.Sequential(
                nn.Conv3d(channels, middle, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False),
                nn.BatchNorm3d(middle),
                nn.ReLU(),
                nn.Conv3d(middle, width, (3, 1, 1), padding=(1, 0, 0), bias=False),
                nn.BatchNorm3d(width),
                nn.ReLU(),
            )
            if split
            else nn.Sequential(
                nn.Conv3d(channels, width, 7, stride=(1, 2, 2), padding=3, bias=False),
                nn.BatchNorm3d(width),
                nn.ReLU(),
                nn.MaxPool3d(3, stride=2, padding=1),
            )
        )
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        blocks: list[nn.Module] = []
        for index, (before, after) in enumerate(itertools.pairwise(widths)):
            blocks += [
                BasicBlock3d(before, after, 1 if index == 0 else 2, split=split),
                BasicBlock3d(after, after, 1, split=split),
            ]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(widths[-1], num_classes)

    def features(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B, 8 width)."""
        pooled: torch.Tensor = self.blocks(self.stem(clip)).mean(dim=(2, 3, 4))
        return pooled

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        logits: torch.Tensor = self.head(self.features(clip))
        return logits
