"""MADV-Net: streams, their gated fusion at each level, level heads and the fused head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from madv.config import LEVELS, LossConfig, ModelConfig
from madv.model.action_units import ActionUnitStream
from madv.model.pyramid import VisualStream
from madv.model.streams import StreamFeatures

# Section 3.2.3 as the conclusion maps it: depth space, time (texture), facial action units "respectively".
ATTENTION_OF_STREAM = {"texture": "factorised_self", "depth": "joint"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """What the losses and the prediction need."""

    logits: torch.Tensor
    """(B, C) of the fused head (Eq. 14)."""
    levels: dict[str, torch.Tensor]
    """(B, C) of each level head that is on: low, mid, high (Eq. 21 to 23)."""
    au_logits: torch.Tensor | None
    compression: torch.Tensor | None
    reconstruction: torch.Tensor | None


class GatedFusion(nn.Module):
    """Weights over streams from their own features: sum of w_s f_s with w = softmax(MLP([f_1; f_2; ...]))."""

    def __init__(self, streams: int, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(streams * width, width), nn.GELU(), nn.Linear(width, streams))

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """streams x (B, D) -> (B, D)."""
        weights = torch.softmax(self.gate(torch.cat(features, dim=-1)), dim=-1)  # (B, streams)
        return torch.einsum("bs,sbd->bd", weights, torch.stack(features))


class MADVNet(nn.Module):
    """The network for one set of streams. What a configuration switches off is not built."""

    def __init__(
        self, model: ModelConfig, loss: LossConfig, shapes: dict[str, tuple[int, ...]], num_classes: int
    ) -> None:
        """Args:
        model, loss: the loss decides which heads exist.
        shapes: of one clip by stream, texture (3, T, H, W), depth (1, T, H, W), au (n_au, T).
        num_classes: C.
        """
        super().__init__()
        active = model.streams.active()
        width = model.widths[-1]
        self.streams = nn.ModuleDict()
        for name in active:
            if name == "au":
                num_aus, frames = shapes["au"]
                self.streams[name] = ActionUnitStream(num_aus, frames, model, classify=loss.w_au > 0)
            else:
                channels, *size = shapes[name]
                self.streams[name] = VisualStream(
                    ATTENTION_OF_STREAM[name], channels, (size[0], size[1], size[2]), model
                )
        several = len(active) > 1  # one stream needs no weights over streams
        self.fuse_levels = nn.ModuleList(GatedFusion(len(active), width) for _ in LEVELS) if several else None
        self.fuse_convolution = GatedFusion(len(active), width) if several else None

        weights = dict(zip(LEVELS, (loss.alpha, loss.beta, loss.gamma), strict=True))
        self.heads = nn.ModuleDict(
            {
                level: nn.Sequential(
                    nn.LayerNorm(width),
                    nn.Linear(width, width),
                    nn.GELU(),
                    nn.Dropout(model.head_dropout),
                    nn.Linear(width, num_classes),
                )
                for level in LEVELS
                if loss.w_freq * weights[level] > 0
            }
        )
        self.attention_mlp = nn.Sequential(
            nn.LayerNorm(len(LEVELS) * width), nn.Linear(len(LEVELS) * width, width), nn.GELU()
        )
        self.dropout = nn.Dropout(model.head_dropout)
        self.classifier = nn.Linear(2 * width, num_classes)

    def forward(self, clips: dict[str, torch.Tensor]) -> Outputs:
        """clips: by stream, texture (B, 3, T, H, W), depth (B, 1, T, H, W), au (B, n_au, T)."""
        features: list[StreamFeatures] = [stream(clips[name]) for name, stream in self.streams.items()]
        levels = [self._fuse_level(index, features) for index in range(len(LEVELS))]
        convolution = [stream.convolution for stream in features]
        f_conv = self.fuse_convolution(convolution) if self.fuse_convolution is not None else convolution[0]
        f_att = self.attention_mlp(torch.cat(levels, dim=-1))
        units = features[-1]  # of STREAMS the action units come last; the visual streams have no such terms
        return Outputs(
            logits=self.classifier(self.dropout(torch.cat([f_att, f_conv], dim=-1))),
            levels={name: head(levels[LEVELS.index(name)]) for name, head in self.heads.items()},
            au_logits=units.au_logits,
            compression=units.compression,
            reconstruction=units.reconstruction,
        )

    def _fuse_level(self, index: int, features: list[StreamFeatures]) -> torch.Tensor:
        vectors = [stream.levels[index] for stream in features]
        return self.fuse_levels[index](vectors) if self.fuse_levels is not None else vectors[0]


def initialise(network: nn.Module, key: str) -> None:
    """Set every parameter from the key and its own name, so that variants share weights where names and shapes agree.

    Weights are normal with variance 1 / (3 fan-in), the variance of torch's own start, tokens normal(0, .02), biases 0
    and norms 1.
    """
    import hashlib

    with torch.no_grad():
        for name, parameter in network.named_parameters():
            leaf = name.rpartition(".")[2]
            if leaf.endswith("bias"):
                parameter.zero_()
            elif parameter.ndim == 1:
                parameter.fill_(1)
            else:
                seed = int.from_bytes(hashlib.sha256(f"{key}/{name}".encode()).digest()[:8], "big") >> 1
                generator = torch.Generator().manual_seed(seed)
                spread = 0.02 if leaf.endswith("token") else (3 * parameter[0].numel()) ** -0.5
                # Drawn on the CPU, so that a GPU starts from the same weights.
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
