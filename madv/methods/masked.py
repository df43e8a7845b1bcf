"""Masked modelling of the methods on tubelets: the encoder sees what is visible, a light decoder rebuilds the rest."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import nn

from madv.methods.transformer import Block, head_count, sinusoids
from madv.model.grids import Grid
from madv.model.reconstruction import boxes, normalised

BLOCKS = 4
"""Of the decoder, as published."""


class Encoder(Protocol):
    """What VideoMAE and MAE-DFER have in common."""

    def visible(self, clip: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Clip (B, C, T, H, W), hidden (B, L), as many in each clip -> the tokens in sight (B, V, D) in their order."""
        ...


class TubeletReconstruction(nn.Module):
    """Mask token, joint attention and loss of VideoMAE and of MAE-DFER; thrown away after pre-training.

    VideoMAE rebuilds pixels, normalised in each token and channel. MAE-DFER rebuilds the first of a token's two frames
    so, and of the second how it differs from the first; both count alike.
    """

    def __init__(
        self, channels: int, grid: Grid, box: Grid, width: int, narrow: int, blocks: int, *, windows: int, motion: bool
    ) -> None:
        """Args:
        grid: (T', H', W') tokens of a clip.
        box: (t, h, w) of a token, pixels.
        width, narrow: of the encoder's tokens and of the decoder's.
        windows: parts of the grid's height with the same number of hidden places each.
        motion: whether the second frame is rebuilt as a difference.
        """
        super().__init__()
        self.grid, self.box, self.windows, self.motion = grid, box, windows, motion
        self.enter = nn.Linear(width, narrow, bias=False)
        self.mask_token = nn.Parameter(torch.empty(1, 1, narrow))
        self.positions: torch.Tensor
        self.register_buffer("positions", sinusoids(math.prod(grid), narrow), persistent=False)
        heads = head_count(narrow)
        self.blocks = nn.Sequential(
            *(Block(narrow, heads, narrow // heads, 4 * narrow, bias="qv") for _ in range(blocks))
        )
        self.norm = nn.LayerNorm(narrow)
        self.rebuild = nn.Linear(narrow, channels * math.prod(box))

    def step(self, encoder: Encoder, clip: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """The loss over hidden tokens, and its parts by name.

        Args:
            encoder: a network on tubelets.
            clip: (B, C, T, H, W).
            mask: (B, H', W'), true where hidden, in all frames.
        """
        hidden = mask.flatten(1).repeat(1, self.grid[0])  # (B, L): tubes
        seen = self.enter(encoder.visible(clip, hidden))
        tokens = self.mask_token.expand(*hidden.shape, -1).to(seen.dtype).masked_scatter(~hidden[..., None], seen)
        rebuilt = self.rebuild(self.norm(self.blocks(tokens + self.positions))[hidden])
        target = self._target(clip.float())[hidden].flatten(1)
        error = (rebuilt.float() - target).square().unflatten(1, (-1, *self.box))  # (N, C, t, h, w)
        if not self.motion or self.box[0] == 1:
            return {"loss": error.mean(), "appearance": error.mean()}
        return {"loss": error.mean(), "appearance": error[:, :, 0].mean(), "motion": error[:, :, 1].mean()}

    def _target(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B, L, C, t, h w)."""
        pixels = normalised(boxes(clip, self.grid, self.box)).unflatten(-1, (self.box[0], -1))
        return torch.cat([pixels[..., :1, :], pixels.diff(dim=-2)], dim=-2) if self.motion else pixels
