"""MADV-Net: streams, their gated fusion at each level, level heads and the fused head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from madv.config import LossConfig
from madv.config_model import LEVELS, ModelConfig
from madv.model.action_units import ActionUnitStream
from madv.model.dropping import TokenDropping
from madv.model.fusion import LevelFusion, fuse_streams
from madv.model.pyramid import VisualStream
from madv.model.streams import StreamFeatures
from madv.noise import Dropout, seed_noise
from madv.seeds import seed_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """What the losses and the prediction need."""

    logits: torch.Tensor
    """(B, C) of the fused head (Eq. 14)."""
    levels: dict[str, torch.Tensor]
    """(B, C) of each level head that is on: low, mid, high (Eq. 21 to 23)."""
    au_logits: torch.Tensor | None
    compression: torch.Tensor | None
    """(B,)"""
    reconstruction: torch.Tensor | None
    """(B,)"""
    auxiliary: torch.Tensor | None = None
    """(), the own losses of learned token dropping."""


class MADVNet(nn.Module):
    """The network for one set of streams. What a configuration switches off is not built."""

    def __init__(
        self,
        model: ModelConfig,
        loss: LossConfig,
        shapes: Mapping[str, tuple[int, ...]],
        num_classes: int,
        *,
        targets: bool = True,
    ) -> None:
        """Args:
        model: without contradictions for these shapes (madv.model.checks).
        loss: decides which heads exist.
        shapes: of one clip by stream, texture (3, T, H, W), depth (1, T, H, W), au (n_au, T).
        num_classes: C.
        targets: whether the data set has annotated action units.
        """
        super().__init__()
        active, width = model.streams.active(), model.widths[model.levels - 1]
        self.early_depth = model.depth_injection == "channel"
        self.streams = nn.ModuleDict()
        for name in active:
            if name == "au":
                num_aus, frames = shapes["au"]
                self.streams[name] = ActionUnitStream(
                    num_aus, frames, num_classes, model, classify=loss.w_au > 0, targets=targets
                )
            elif name == "texture" or not self.early_depth:
                channels, *size = shapes[name]
                channels += shapes["depth"][0] if self.early_depth else 0
                kind = getattr(model.attention, name)
                difference = getattr(model.difference, name)
                self.streams[name] = VisualStream(kind, channels, (size[0], size[1], size[2]), model, difference)
        streams = len(self.streams)
        self.fuse_levels = nn.ModuleList(fuse_streams(streams, width) for _ in range(model.levels))
        self.fuse_convolution = fuse_streams(streams, width) if model.convolution_branch else None

        weights = dict(zip(LEVELS, (loss.alpha, loss.beta, loss.gamma), strict=True))
        self.heads = nn.ModuleDict(
            {
                level: nn.Sequential(
                    nn.LayerNorm(width),
                    nn.Linear(width, width),
                    nn.GELU(),
                    Dropout(model.head_dropout),
                    nn.Linear(width, num_classes),
                )
                for level in LEVELS[: model.levels]
                if loss.w_freq * weights[level] > 0
            }
        )
        self.join_levels = LevelFusion(model.fusion, model.levels, width)
        self.attention_mlp = nn.Sequential(
            nn.LayerNorm(self.join_levels.width), nn.Linear(self.join_levels.width, width), nn.GELU()
        )
        self.dropout = Dropout(model.head_dropout)
        self.classifier = nn.Linear(2 * width if model.convolution_branch else width, num_classes)

    def forward(self, clips: Mapping[str, torch.Tensor]) -> Outputs:
        """clips: by stream, texture (B, 3, T, H, W), depth (B, 1, T, H, W), au (B, n_au, T)."""
        if self.early_depth:
            clips = {**clips, "texture": torch.cat([clips["texture"], clips["depth"]], dim=1)}
        features: dict[str, StreamFeatures] = {name: stream(clips[name]) for name, stream in self.streams.items()}
        vectors = [stream.levels for stream in features.values()]
        levels = [fuse([stream[index] for stream in vectors]) for index, fuse in enumerate(self.fuse_levels)]
        parts = [self.attention_mlp(self.join_levels(levels))]
        if self.fuse_convolution is not None:
            parts.append(self.fuse_convolution([stream.convolution for stream in features.values()]))
        auxiliary = [stream.auxiliary for stream in features.values() if stream.auxiliary is not None]
        units = features.get("au")
        return Outputs(
            logits=self.classifier(self.dropout(torch.cat(parts, dim=-1))),
            levels={name: head(levels[LEVELS.index(name)]) for name, head in self.heads.items()},
            au_logits=units.au_logits if units else None,
            compression=units.compression if units else None,
            reconstruction=units.reconstruction if units else None,
            auxiliary=torch.stack(auxiliary).sum() if auxiliary else None,
        )

    def set_progress(self, share: float) -> None:
        """Tell token dropping the share of training that is done: its warm-up depends on it."""
        for module in self.modules():
            if isinstance(module, TokenDropping):
                module.progress = share


def initialise(network: nn.Module, key: str) -> None:
    """Set every parameter from the key and its own name, so that variants share weights where names and shapes agree,
    and the counters of what draws random numbers likewise.

    Weights are normal with variance 1 / (3 fan-in), the variance of torch's own start, tokens normal(0, .02), biases 0
    and norms 1.
    """
    seed_noise(network, key)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            leaf = name.rpartition(".")[2]
            if "bias" in leaf:  # bias_ih_l0 in a recurrent layer
                parameter.zero_()
            elif parameter.ndim == 1:
                parameter.fill_(1)
            else:
                generator = torch.Generator().manual_seed(seed_of(key, name))
                spread = 0.02 if leaf.endswith("token") else (3 * parameter[0].numel()) ** -0.5
                # Drawn on the CPU, so that a GPU starts from the same weights.
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
