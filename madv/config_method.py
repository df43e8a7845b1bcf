"""Which network is trained: MADV-Net, or one of the methods that the paper compares it with."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from madv.config_fields import STRICT, NonNegative, Positive

MethodName = Literal[
    "madv_net",
    "c3d",
    "r2plus1d_18",
    "resnet3d_18",
    "ec_stfl",
    "resnet18_lstm",
    "resnet18_gru",
    "former_dfer",
    "ceflnet",
    "est",
    "stt",
    "nr_dfernet",
    "videomae",
    "mae_dfer",
]


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class MethodConfig:
    """The network. The settings under model and loss are MADV-Net's; those here are the other methods'."""

    name: MethodName = "madv_net"
    width: Positive | None = None
    """Channels of the first stage, or of the tokens; null: as published."""
    blocks: Positive | None = None
    """Transformer blocks of stt, est (each of encoder and decoder), videomae and mae_dfer; null: as published."""
    patch: Positive = 16
    """Height and width of a token in videomae and mae_dfer, pixels."""
    own_loss: bool = True
    """The loss terms beside cross-entropy that a method's authors have: ec_stfl, est, stt."""
    class_mu: NonNegative = 0.0
    """Class balance of the cross-entropy: weight n_c ** -class_mu, with mean 1 over classes; 0: none, as published."""
    weights: str | None = None
    """videomae: a folder with config.json and model.safetensors, or a model's name on the hub; it sets the sizes."""

    def meaning(self) -> dict[str, Any]:
        """What training depends on, as plain JSON values; weights by their content."""
        from madv.methods.weights import content

        settings = dataclasses.asdict(self)
        settings["weights"] = None if self.weights is None else content(self.weights)
        return settings
