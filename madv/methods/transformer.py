"""What the methods' transformers share: pre-norm attention and MLP with the sizes their authors chose, positions."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention on scaled_dot_product_attention; queries may come from other tokens than keys and values."""

    def __init__(self, width: int, heads: int, head_width: int, *, bias: str = "none") -> None:
        """Args:
        width: of the tokens.
        heads, head_width: their product need not be the width.
        bias: of queries, keys and values: "none", "qkv", or "qv" (no bias for keys).
        """
        super().__init__()
        inner = heads * head_width
        self.heads = heads
        self.query = nn.Linear(width, inner, bias=bias != "none")
        self.key = nn.Linear(width, inner, bias=bias == "qkv")
        self.value = nn.Linear(width, inner, bias=bias != "none")
        self.out = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """x (..., L, D), context (..., M, D), by default x -> (..., L, D)."""
        context = x if context is None else context
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
            for part in (self.query(x), self.key(context), self.value(context))
        )
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(-2, -3).flatten(-2)
        out: torch.Tensor = self.out(mixed)
        return out


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x))."""

    def __init__(
        self, width: int, heads: int, head_width: int, hidden: int, *, bias: str = "none", approximate: str = "none"
    ) -> None:
        """Args:
        hidden: width of the MLP.
        bias: of the attention.
        approximate: of the GELU: "none" or "tanh".
        """
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads, head_width, bias=bias)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = mlp(width, hidden, approximate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., L, D) -> (..., L, D)."""
        x = x + self.attention(self.norm_attention(x))
        out: torch.Tensor = x + self.mlp(self.norm_mlp(x))
        return out


def mlp(width: int, hidden: int, approximate: str = "none") -> nn.Sequential:
    """Linear, GELU, Linear."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(approximate=approximate), nn.Linear(hidden, width))


def head_count(width: int) -> int:
    """Heads of 64 channels, as in the published networks on tubelets; fewer and wider where that does not divide."""
    return largest_divisor(width, max(1, width // 64))


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of number that is at most `most`."""
    return next(size for size in range(min(number, most), 0, -1) if number % size == 0)


def sinusoids(length: int, width: int) -> torch.Tensor:
    """(length, width) fixed positions: sines of even, cosines of odd channels (Vaswani et al., 2017)."""
    channel = torch.arange(width)
    angle = torch.arange(length)[:, None] / 10000 ** ((channel - channel % 2) / width)
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos())
