"""What every stream gives to the fusion, whatever it is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamFeatures:
    """One stream's features of a batch; all vectors have the width of the highest level that is there."""

    levels: list[torch.Tensor]
    """The levels that are there, from the lowest, each (B, D)."""
    convolution: torch.Tensor | None
    """(B, D) of the convolution branch (Eq. 17); None where it is off."""
    au_logits: torch.Tensor | None = None
    """(B, n_au) of the action-unit stream (Eq. 11); (B, C) where the data set has no annotated units."""
    compression: torch.Tensor | None = None
    """(B,), mean over layers of the bottleneck's first term (madv.model.bottleneck.Terms)."""
    reconstruction: torch.Tensor | None = None
    """(B,), mean over layers of its second term."""
    auxiliary: torch.Tensor | None = None
    """(), sum over levels of the encoders' own losses, where token dropping has one."""
