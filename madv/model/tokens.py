"""3D-video-to-tokens (Eq. 2): a clip becomes a grid of tokens."""

from __future__ import annotations

import torch
from torch import nn

from madv.config_model import TokenizerConfig
from madv.model.grids import tubelet_box


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
        self.activation = nn.ReLU() if config.relu else nn.Identity()
        pools = any(size > 1 for size in (*config.pool, *config.pool_stride))
        self.pool = (
            nn.MaxPool3d(config.pool, config.pool_stride, padding=tuple(size // 2 for size in config.pool))
            if pools
            else nn.Identity()
        )

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B, D, T', H', W')."""
        clip = clip.movedim(1, -1).contiguous().movedim(-1, 1)  # channels last, in words that vmap knows
        tokens: torch.Tensor = self.pool(self.activation(self.norm(self.convolution(clip))))
        return tokens


class Tubelets(nn.Module):
    """One linear map of boxes of pixels that do not overlap; what fills no box at the far end is left out."""

    def __init__(self, channels: int, width: int, config: TokenizerConfig) -> None:
        super().__init__()
        self.box = tubelet_box(config)
        self.linear = nn.Linear(channels * self.box[0] * self.box[1] * self.box[2], width)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B, D, T', H', W')."""
        for axis, size in enumerate(self.box, start=2):
            clip = clip.narrow(axis, 0, clip.shape[axis] // size * size)
        t, h, w = self.box
        boxes = clip.unflatten(4, (-1, w)).unflatten(3, (-1, h)).unflatten(2, (-1, t))  # (B, C, T', t, H', h, W', w)
        tokens: torch.Tensor = self.linear(boxes.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4))
        return tokens.permute(0, 4, 1, 2, 3)


def make_tokenizer(channels: int, width: int, config: TokenizerConfig) -> VideoToTokens | Tubelets:
    """The configured map of clips (B, C, T, H, W) to tokens (B, D, T', H', W')."""
    return (Tubelets if config.kind == "tubelet" else VideoToTokens)(channels, width, config)
