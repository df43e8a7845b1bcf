"""Random numbers that are a function of a key, a place in the network and the call, not of what was drawn before.

Dropout of torch draws from one generator for all, so what a fold draws depends on what else is drawn beside it, and on
the device. Here each place has a counter of its own that starts at (key, name of the place): a fold draws the same
numbers on a CPU, on a GPU, alone or together with others in one program (madv.together).
"""

from __future__ import annotations

import torch
from torch import nn

from madv.seeds import seed_of


class Noise(nn.Module):
    """One place that draws. Its counter is a buffer, so that torch.func can give each of many folds its own."""

    counter: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("counter", torch.zeros((), dtype=torch.int32), persistent=False)

    def seed(self, key: str, place: str) -> None:
        """Start anew at what the key and the place say."""
        self.counter.fill_(seed_of(key, f"{place}/noise") % 2**31)

    def bits(self, like: torch.Tensor) -> torch.Tensor:
        """31 random bits as int32 for each element of like; another draw at each call."""
        with torch.no_grad():
            start = _mixed(self.counter)
            self.counter.add_(1)
            index = torch.arange(like.numel(), dtype=torch.int32, device=like.device).view(like.shape)
            return _mixed(index + start) & 0x7FFFFFFF

    def uniform(self, like: torch.Tensor) -> torch.Tensor:
        """Evenly distributed in (0, 1), both ends left out: the shape of like, float32."""
        return ((self.bits(like) >> 8).float() + 0.5) * 2.0**-23

    def normal(self, like: torch.Tensor) -> torch.Tensor:
        """Standard normal: the shape of like, float32."""
        found: torch.Tensor = torch.special.ndtri(self.uniform(like))
        return found


class Dropout(Noise):
    """Each element is 0 with probability p in training, the others are divided by 1 - p."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape."""
        if not self.training or self.p == 0:
            return x
        return x * ((self.bits(x) >= int(self.p * 2**31)) / (1 - self.p)).to(x.dtype)


def seed_noise(network: nn.Module, key: str) -> None:
    """Start every place of a network anew."""
    for name, module in network.named_modules():
        if isinstance(module, Noise):
            module.seed(key, name)


def _mixed(x: torch.Tensor) -> torch.Tensor:
    """A bijection of 32 bits each of which changes half of the others (Wellons, hash-prospector, "lowbias32")."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B - 2**32), (16, 1)):
        high = x >> shift
        high &= 2 ** (32 - shift) - 1  # what a shift of an unsigned number would leave
        high ^= x
        x = high if factor == 1 else high.mul_(factor)
    return x
