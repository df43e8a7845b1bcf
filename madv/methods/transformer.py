"""The transformer block that the methods share: pre-norm attention and MLP, with the sizes their authors chose."""

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

    def __init__(self, width: int, heads: int, head_width: int, hidden: int, *, approximate: str = "none") -> None:
        """Args:
        hidden: width of the MLP.
        approximate: of the GELU: "none" or "tanh".
        """
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads, head_width)
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
