"""A layer with an information bottleneck (Eq. 6 to 8): a gate compresses its features, a decoder rebuilds them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from madv.config_model import BottleneckConfig
from madv.noise import Noise

FIRST_SIGMA = 0.1
"""Noise of a sampled bottleneck before training, as a share of the feature it is added to."""
SMALLEST_VARIANCE = 1e-6
"""Of a sampled feature, so that the divergence is finite where the feature is 0."""


class Terms(NamedTuple):
    """A layer's share of L_AU (Eq. 8, or Eq. 7 where the bottleneck samples)."""

    compression: torch.Tensor
    """(B,)"""
    reconstruction: torch.Tensor
    """(B,)"""


class GateVector(nn.Module):
    """The gate before its sigmoid, the same for every input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(width))

    def forward(self, v: torch.Tensor) -> torch.Tensor:
        """(..., D) -> (D,)."""
        return self.bias


class BoundedLinear(nn.Module):
    """A linear map of rank at most d/4 and spectral norm at most 1.

    An unbounded full-rank decoder rebuilds v from any constant gate, so that compression would be free; this one
    cannot. Each factor is divided by sqrt(|W|_1 |W|_inf), an upper bound of its spectral norm, where that exceeds 1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(max(1, width // 4), width))
        self.up = nn.Parameter(torch.empty(width, max(1, width // 4)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., D) -> (..., D)."""
        return x @ self._bounded(self.down).T @ self._bounded(self.up).T

    @staticmethod
    def _bounded(weight: torch.Tensor) -> torch.Tensor:
        size = weight.abs()
        return weight / (size.sum(0).max() * size.sum(1).max()).sqrt().clamp(min=1)


class FullRankLinear(nn.Linear):
    """A linear map without bounds: the degenerate reading, kept to be compared with."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, bias=False)


# identity rebuilds from v itself, gated from what is passed on: neither has weights.
DECODERS: dict[str, type[nn.Module]] = {
    "bounded": BoundedLinear,
    "full_rank": FullRankLinear,
    "identity": nn.Identity,
    "gated": nn.Identity,
}


class BottleneckLayer(nn.Module):
    """One layer F_i with its bottleneck.

    v = LN(F(x)); gate = sigmoid(W v + b), or sigmoid(b). The norm has no gain of its own: shrinking v would meet both
    terms for nothing.

    Of the mean alone (Eq. 8), passed on is gate v, and the terms are mean((gate v)^2) and mean((v - gate r)^2), with v
    fixed as the target. Sampled (Eq. 7), it is drawn from N(gate v, (sigma v)^2) while training, one sigma a feature
    (VIBNet), and the terms are the divergence from N(0, I), mean(((gate v)^2 + (sigma v)^2 - log (sigma v)^2 - 1) / 2),
    and the negative log-likelihood of unit variance, mean((v - gate r)^2 / 2): Eq. 8 is twice their part without sigma.
    """

    def __init__(self, width_in: int, width: int, config: BottleneckConfig, *, decode: bool) -> None:
        """Args:
        width_in, width: D_in and D.
        config: gate, decoder, sampled.
        decode: whether the terms are asked for; else there is no decoder.
        """
        super().__init__()
        self.layer = nn.Linear(width_in, width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.gate = nn.Linear(width, width) if config.gate == "conditioned" else GateVector(width)
        self.sigma_bias = nn.Parameter(torch.empty(width)) if config.sampled else None
        self.noise = Noise()
        self.decode = DECODERS[config.decoder](width) if decode else None
        self.from_features = config.decoder == "identity"

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, Terms | None]:
        """x (..., D_in) -> passed on (..., D), and the terms where there is a decoder."""
        v = self.norm(functional.gelu(self.layer(x))).float()  # so that the terms are fp32 under autocast
        gate = torch.sigmoid(self.gate(v))
        mean = gate * v
        passed, deviation = mean, None
        if self.sigma_bias is not None:
            deviation = FIRST_SIGMA * self.sigma_bias.exp() * v
            passed = mean + deviation * self.noise.normal(mean) if self.training else mean
        if self.decode is None:
            return passed, None
        rebuilt = gate * self.decode(v if self.from_features else passed)
        missed = (v.detach() - rebuilt).square().flatten(1).mean(1)
        if deviation is None:
            return passed, Terms(mean.square().flatten(1).mean(1), missed)
        return passed, Terms(divergence(mean, deviation), missed / 2)


def divergence(mean: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """KL(N(mean, deviation^2) || N(0, 1)) in nats, mean over a clip's elements (B,), in fp32; finite at deviation 0."""
    variance = deviation.float().square().clamp(min=SMALLEST_VARIANCE)
    return (mean.float().square() + variance - variance.log() - 1).flatten(1).mean(1) / 2
