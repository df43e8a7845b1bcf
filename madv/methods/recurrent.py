"""ResNet-18 on each frame, then LSTM or GRU over the frames."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from madv.methods.resnet import ResNet18, by_frame


class RecurrentResNet(nn.Module):
    """Three layers of 256 units; the hidden states of all frames are flattened and classified.

    The literature does not fix the recurrent part: this is the DFEW benchmark's, with the 512 features that ResNet-18
    has.
    """

    def __init__(
        self,
        channels: int,
        frames: int,
        num_classes: int,
        cell: Literal["lstm", "gru"],
        width: int = 64,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        self.trunk = ResNet18(width, channels=channels)
        recurrent = nn.LSTM if cell == "lstm" else nn.GRU
        self.recurrent = recurrent(self.trunk.width, hidden, num_layers=3, batch_first=True)
        self.head = nn.Linear(frames * hidden, num_classes)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        vectors = by_frame(self.trunk, clip).mean(dim=(3, 4))  # (B, T, D)
        states, _ = self.recurrent(vectors)
        logits: torch.Tensor = self.head(states.flatten(1))
        return logits
