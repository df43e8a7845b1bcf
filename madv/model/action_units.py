"""The action-unit stream (Eq. 3 to 12): a shared MLP on intensity differences, with a bottleneck at each layer."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from madv.config_model import ModelConfig
from madv.model.bottleneck import BottleneckLayer
from madv.model.encoder import Encoder
from madv.model.streams import StreamFeatures


class ActionUnitStream(nn.Module):
    """Action units as a grid of T x n_au tokens: bottleneck layers, attention at each level, a classifier per unit.

    The input is the difference to the onset frame. Where time is halved, frames that fill no run are left out.
    """

    def __init__(
        self, num_aus: int, frames: int, num_classes: int, config: ModelConfig, *, classify: bool, targets: bool = True
    ) -> None:
        """Args:
        num_aus, frames: of one clip; two frames at least, since the first is what the others are compared with.
        num_classes: C.
        config: the network's settings.
        classify: whether L_AU has a weight (Eq. 12): else neither decoders nor the classifier are built.
        targets: whether the data set has annotated units; without them Eq. 11 is about the emotion, or left out.
        """
        super().__init__()
        kind = config.attention.au
        assert kind is not None, "a stream without attention is refused before"
        widths = config.widths[: config.levels]
        # What each unit is, beside how strong it is: without it the layer norm would take the strength away.
        self.embed = nn.Linear(1, widths[0], bias=False)
        self.unit = nn.Parameter(torch.empty(num_aus, widths[0]))
        self.layers = nn.ModuleList(
            BottleneckLayer(before, width, config.au, decode=classify)
            for before, width in zip((widths[0], *widths), widths, strict=False)
        )
        halved = config.au.time == "halved"
        self.stride = min(frames, config.tokenizer.stride[0] * config.tokenizer.pool_stride[0]) if halved else 1
        self.halving = 2 if halved else 1
        steps = [frames // self.stride // self.halving**level for level in range(len(widths))]
        grids = [(max(1, step), 1, num_aus) for step in steps]
        self.encoders = nn.ModuleList(
            Encoder(kind, level, grid, config, spatial=False) for level, grid in enumerate(grids)
        )
        self.project = nn.ModuleList(nn.Linear(2 * width, widths[-1]) for width in widths)
        self.convolution = TimeConvolution(widths[-1], grids[-1]) if config.convolution_branch else None
        # One weight vector for each action unit, on that unit's own tokens (Eq. 11).
        self.unit_weight = nn.Parameter(torch.empty(num_aus, widths[-1])) if classify and targets else None
        self.unit_bias = nn.Parameter(torch.empty(num_aus)) if classify and targets else None
        by_emotion = classify and not targets and config.au.without_units == "emotion"
        self.emotion = nn.Linear(widths[-1], num_classes) if by_emotion else None

    def forward(self, intensities: torch.Tensor) -> StreamFeatures:
        """intensities (B, n_au, T)."""
        difference = (intensities - intensities[:, :, :1]).transpose(1, 2)[..., None]  # (B, T, n_au, 1)
        x = self.embed(_pool_time(difference, self.stride)) + self.unit  # (B, T', n_au, D)
        levels, terms = [], []
        for index, (layer, encoder, project) in enumerate(zip(self.layers, self.encoders, self.project, strict=True)):
            x = x if index == 0 else _pool_time(x, self.halving)
            x, layer_terms = layer(x)  # (B, T', n_au, D)
            cls, patches, _ = encoder(x.flatten(1, 2))
            levels.append(project(torch.cat([cls, patches.mean(1)], dim=-1)))
            if layer_terms is not None:
                terms.append(layer_terms)
        au_logits = None
        if self.unit_weight is not None and self.unit_bias is not None:
            au_logits = (x.mean(1) * self.unit_weight).sum(-1) + self.unit_bias  # (B, n_au)
        elif self.emotion is not None:
            au_logits = self.emotion(x.mean((1, 2)))  # (B, C)
        return StreamFeatures(
            levels=levels,
            convolution=None if self.convolution is None else self.convolution(patches),
            au_logits=au_logits,
            compression=torch.stack([term.compression for term in terms]).mean(0) if terms else None,
            reconstruction=torch.stack([term.reconstruction for term in terms]).mean(0) if terms else None,
        )


class TimeConvolution(nn.Module):
    """Eq. 17 along time, for each action unit alone: depthwise, batch norm, GELU, pointwise, averaged."""

    def __init__(self, width: int, grid: tuple[int, int, int]) -> None:
        super().__init__()
        self.frames = grid[0]
        self.depthwise = nn.Conv1d(width, width, 3, padding=1, groups=width, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.out = nn.Linear(width, width)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """(B, T n_au, D) -> (B, D)."""
        series = patches.unflatten(1, (self.frames, -1)).permute(0, 2, 3, 1).flatten(0, 1)  # (B n_au, D, T)
        mixed = functional.gelu(self.norm(self.depthwise(series))).mean(-1)
        # The pointwise map is linear, so it is applied once, after the mean over units.
        out: torch.Tensor = self.out(mixed.unflatten(0, (len(patches), -1)).mean(1))
        return out


def _pool_time(x: torch.Tensor, stride: int) -> torch.Tensor:
    """Mean over runs of frames: (B, T, n_au, D) -> (B, max(1, T // stride), n_au, D); one frame stays."""
    if x.shape[1] < stride or stride == 1:
        return x
    steps = x.shape[1] // stride
    pooled: torch.Tensor = x[:, : steps * stride].unflatten(1, (steps, stride)).mean(2)
    return pooled
