"""3D-video-to-tokens (Eq. 2): a clip becomes a grid of tokens."""

from __future__ import annotations

import torch
from torch import nn

from madv.config import TokenizerConfig


class VideoToTokens(nn.Module):
    """MaxPool3d(ReLU(BN(Conv3d(clip)))): the convolution sees neighbouring frames and pixels before they are tokens."""

    def __init__(self, channels: int, width: int, config: TokenizerConfig) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(
            channels,
            width,
            config.kernel,
            stride=config.stride,
            padding=(config.kernel[0] // 2, config.kernel[1] // 2, config.kernel[2] // 2),
            bias=False,
        )
        self.norm = nn.BatchNorm3d(width)
        self.pool = nn.MaxPool3d(config.pool, config.pool_stride, padding=tuple(size // 2 for size in config.pool))

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B, D, T', H', W')."""
        clip = clip.contiguous(memory_format=torch.channels_last_3d)
        tokens: torch.Tensor = self.pool(torch.relu(self.norm(self.convolution(clip))))
        return tokens


def tokens_grid(shape: tuple[int, int, int], config: TokenizerConfig) -> tuple[int, int, int]:
    """The grid (T', H', W') that VideoToTokens makes of a clip of (T, H, W)."""
    grid = []
    for size, kernel, stride, pool, pool_stride in zip(
        shape, config.kernel, config.stride, config.pool, config.pool_stride, strict=True
    ):
        convolved = (size + 2 * (kernel // 2) - kernel) // stride + 1
        grid.append((convolved + 2 * (pool // 2) - pool) // pool_stride + 1)
    return (grid[0], grid[1], grid[2])
