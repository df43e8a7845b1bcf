"""Batch norm in training over clips of which each has a share, so that padding has none."""

from __future__ import annotations

import torch
from torch import nn


class SharedNorm(nn.Module):
    """What a batch norm computes in training, with means over clips that are weighted; it keeps no running averages."""

    share: torch.Tensor
    """(B,) of each clip, with sum 1; set for each batch."""

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.register_buffer("share", torch.ones(1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B r, C, ...), r rows in a row for each clip: frames, or action units."""
        rows = len(x) // len(self.share)
        share = (self.share / rows)[:, None].expand(-1, rows).flatten()
        wide = x.float().flatten(2) if x.ndim > 2 else x.float()[..., None]  # (B r, C, n)
        centred = wide - (share @ wide.mean(2))[:, None]
        variance = share @ centred.square().mean(2)
        factor = self.weight.float() * torch.rsqrt(variance + self.eps)
        return (centred * factor[:, None] + self.bias.float()[:, None]).to(x.dtype).view(x.shape)


def share_norms(network: nn.Module) -> list[str]:
    """Put a SharedNorm in the place of every batch norm; the names of their shares among the network's buffers."""
    names = []
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            parent, _, leaf = name.rpartition(".")
            setattr(network.get_submodule(parent), leaf, SharedNorm(module))
            names.append(f"{name}.share")
    return names
