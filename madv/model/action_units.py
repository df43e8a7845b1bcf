"""The action-unit stream (Eq. 3 to 12): a shared MLP on intensity differences, with a bottleneck at each layer."""

from __future__ import annotations

import torch
from torch import nn

from madv.config import ModelConfig
from madv.model.attention import Encoder
from madv.model.streams import StreamFeatures


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


class BottleneckLayer(nn.Module):
    """One layer F_i with its bottleneck (Eq. 6 to 8).

    v = LN(F(x)); gate = sigmoid(W v + b); passed on: gate * v; loss terms: compression mean((gate v)^2) and
    reconstruction mean((v - gate r)^2) with r = R(gate v) and v fixed. The norm has no gain of its own: shrinking v
    would meet both terms for nothing.
    """

    def __init__(self, width_in: int, width: int, *, decode: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(width_in, width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.gate = nn.Linear(width, width)
        self.decode = BoundedLinear(width) if decode else None

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]:
        """x (..., D_in) -> passed on (..., D), and compression () and reconstruction () where there is a decoder."""
        v = self.norm(nn.functional.gelu(self.layer(x)))
        gate = torch.sigmoid(self.gate(v))
        passed = gate * v
        if self.decode is None:
            return passed, None
        rebuilt = gate * self.decode(passed)
        return passed, (passed.square().mean(), (v.detach() - rebuilt).square().mean())


class ActionUnitStream(nn.Module):
    """Action units as a grid of T x n_au tokens: bottleneck layers, attention at each level, a classifier per unit.

    The input is the difference to the onset frame. Time is averaged over runs of the tokenizer's stride, then halved
    from level to level, as space is in the visual streams; frames that fill no run are left out.
    """

    def __init__(self, num_aus: int, frames: int, config: ModelConfig, *, classify: bool) -> None:
        super().__init__()
        widths = config.widths
        # What each unit is, beside how strong it is: without it the layer norm would take the strength away.
        self.embed = nn.Linear(1, widths[0], bias=False)
        self.unit = nn.Parameter(torch.empty(num_aus, widths[0]))
        self.layers = nn.ModuleList(
            BottleneckLayer(before, width, decode=classify)
            for before, width in zip((widths[0], *widths), widths, strict=False)
        )
        self.stride = min(frames, config.tokenizer.stride[0])
        grids = [(max(1, (frames // self.stride) >> level), 1, num_aus) for level in range(len(widths))]
        self.encoders = nn.ModuleList(
            Encoder(
                "factorised_dot",
                width,
                heads,
                blocks,
                grid,
                mlp_ratio=config.mlp_ratio,
                kernel=None,
                dropout=config.dropout,
            )
            for width, heads, blocks, grid in zip(widths, config.heads, config.blocks, grids, strict=True)
        )
        self.project = nn.ModuleList(nn.Linear(2 * width, widths[-1]) for width in widths)
        self.convolution = nn.Conv1d(widths[-1], widths[-1], 3, padding=1, groups=widths[-1], bias=False)
        self.convolution_norm = nn.BatchNorm1d(widths[-1])
        self.convolution_out = nn.Linear(widths[-1], widths[-1])
        # One weight vector for each action unit, on that unit's own tokens (Eq. 11).
        self.unit_weight = nn.Parameter(torch.empty(num_aus, widths[-1])) if classify else None
        self.unit_bias = nn.Parameter(torch.empty(num_aus)) if classify else None

    def forward(self, intensities: torch.Tensor) -> StreamFeatures:
        """intensities (B, n_au, T)."""
        difference = (intensities - intensities[:, :, :1]).transpose(1, 2)[..., None]  # (B, T, n_au, 1)
        x = self.embed(_pool_time(difference, self.stride)) + self.unit  # (B, T', n_au, D)
        levels, terms = [], []
        for index, (layer, encoder, project) in enumerate(zip(self.layers, self.encoders, self.project, strict=True)):
            x = x if index == 0 else _pool_time(x, 2)
            x, layer_terms = layer(x)  # (B, T', n_au, D)
            cls, patches = encoder(x.flatten(1, 2))
            levels.append(project(torch.cat([cls, patches.mean(1)], dim=-1)))
            terms.append(layer_terms)
        au_logits = None
        if self.unit_weight is not None and self.unit_bias is not None:
            au_logits = (x.mean(1) * self.unit_weight).sum(-1) + self.unit_bias  # (B, n_au)
        return StreamFeatures(
            levels=levels,
            convolution=self._convolve(patches, batch=len(x), frames=x.shape[1]),
            au_logits=au_logits,
            compression=None if terms[0] is None else torch.stack([term[0] for term in terms]).mean(),
            reconstruction=None if terms[0] is None else torch.stack([term[1] for term in terms]).mean(),
        )

    def _convolve(self, patches: torch.Tensor, batch: int, frames: int) -> torch.Tensor:
        """Eq. 17 along time, for each action unit alone: patches (B, T n_au, D) -> (B, D)."""
        series = patches.unflatten(1, (frames, -1)).permute(0, 2, 3, 1).flatten(0, 1)  # (B n_au, D, T)
        mixed = nn.functional.gelu(self.convolution_norm(self.convolution(series))).mean(-1)
        out: torch.Tensor = self.convolution_out(mixed.unflatten(0, (batch, -1)).mean(1))
        return out


def _pool_time(x: torch.Tensor, stride: int) -> torch.Tensor:
    """Mean over runs of frames: (B, T, n_au, D) -> (B, max(1, T // stride), n_au, D); one frame stays."""
    if x.shape[1] < stride or stride == 1:
        return x
    steps = x.shape[1] // stride
    pooled: torch.Tensor = x[:, : steps * stride].unflatten(1, (steps, stride)).mean(2)
    return pooled
