"""NR-DFERNet, noise-robust dynamic facial expression recognition (Li et al., arXiv:2206.04975)."""

from __future__ import annotations

import torch
from torch import nn

from madv.methods.resnet import BasicBlock, by_frame, stage
from madv.methods.transformer import Block

SNIPPET, STRIDE = 3, 2
"""Frames of a snippet of the filter, and between the starts of two."""
LEAST_NEUTRAL, MOST_SURE = 0.03, 0.75
"""A clip is not neutral where some snippet gives neutral at most the one and another emotion more than the other."""
RULED_OUT = -1000.0


class NRDFERNet(nn.Module):
    """Static and dynamic features of each frame, a class token that is their mean, and a filter of neutral snippets."""

    def __init__(
        self,
        channels: int,
        shape: tuple[int, int, int],
        num_classes: int,
        width: int = 64,
        *,
        neutral: int | None = None,
    ) -> None:
        """Args:
        shape: (T, H, W) of a clip.
        neutral: index of the neutral class; without one the filter has nothing to do.
        """
        super().__init__()
        self.neutral = neutral
        inner = 4 * width
        places = [-(-side // 32) for side in shape[1:]]
        self.stem = nn.Sequential(
            *(nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            nn.MaxPool2d(3, stride=2, padding=1),
            *(BasicBlock(width, width), BasicBlock(width, 2 * width, 2), BasicBlock(2 * width, inner, 2)),
        )
        self.dynamic = stage(inner, inner, stride=2, blocks=3)
        self.static = nn.Sequential(
            nn.Conv2d(inner, inner, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()
        )
        self.place_token = nn.Parameter(torch.empty(1, places[0] * places[1], inner))
        self.static_blocks = nn.Sequential(*(Block(inner, 4, inner // 8, inner) for _ in range(2)))
        flat = inner * places[0] * places[1]
        self.frame_token = nn.Parameter(torch.empty(1, 1 + max(1, shape[0] - 1), flat))
        self.blocks = nn.Sequential(*(Block(flat, 4, inner // 8, 2 * inner) for _ in range(2)))
        self.head = nn.Linear(flat, num_classes)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        u = self._frames(clip)
        logits = self._classify(u)
        if self.training or self.neutral is None:
            return logits
        return logits.masked_fill(self._not_neutral(u), RULED_OUT)

    def _frames(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B, T - 1, D): what a frame shows and how the next one differs. One frame is still."""
        maps = by_frame(self.stem, clip)  # (B, T, D, h, w)
        first = maps[:, :-1] if maps.shape[1] > 1 else maps
        change = maps[:, 1:] - maps[:, :-1] if maps.shape[1] > 1 else torch.zeros_like(maps)
        dynamic = self.dynamic(change.flatten(0, 1))
        static = self.static(first.flatten(0, 1))
        tokens = self.static_blocks(static.flatten(2).transpose(1, 2) + self.place_token)
        both = dynamic + tokens.transpose(1, 2).view_as(dynamic)
        by_clip: torch.Tensor = both.flatten(1).unflatten(0, first.shape[:2])
        return by_clip

    def _classify(self, u: torch.Tensor) -> torch.Tensor:
        """(B, n, D) -> logits (B, K)."""
        tokens = torch.cat([u.mean(1, keepdim=True), u], dim=1)
        logits: torch.Tensor = self.head(self.blocks(tokens + self.frame_token[:, : tokens.shape[1]])[:, 0])
        return logits

    def _not_neutral(self, u: torch.Tensor) -> torch.Tensor:
        """(B, K), true at the neutral class of clips with a snippet that is surely something else."""
        snippets = u.unfold(1, min(SNIPPET, u.shape[1]), STRIDE).transpose(2, 3)  # (B, n, 3, D)
        p = torch.softmax(self._classify(snippets.flatten(0, 1)).float(), dim=-1).unflatten(0, snippets.shape[:2])
        sure = ((p[..., self.neutral] <= LEAST_NEUTRAL) & (p.amax(-1) > MOST_SURE)).any(1)
        ruled_out = torch.zeros(len(u), p.shape[-1], dtype=torch.bool, device=u.device)
        ruled_out[:, self.neutral] = sure
        return ruled_out
