"""Token dropping: attention goes on with the patches that matter (contribution of the class token, section 3.2.3).

What is dropped is a tube, one position in every frame, so that the rest is still frames by positions, and a zero where
a patch was dropped is a zero in each frame: the next level's frame difference would read a single one as motion.
Dropped patches are removed, or hidden: nobody attends to them and convolutions see zeros. Both give the same numbers
where there is no convolution.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from madv.config_model import DroppingConfig
from madv.model.attention import Attended, class_attention
from madv.model.grids import Grid
from madv.noise import Noise


class Tokens(NamedTuple):
    """Tokens between two blocks. N is the batch B, or B T where each frame is a sequence of its own."""

    x: torch.Tensor
    """(N, E + L, D): the class token, a fused token once there is one, then the patches."""
    grid: Grid
    """(T, H, W) of the patches in x, T H W = L."""
    mask: torch.Tensor | None = None
    """(N, L), patches that are kept: bool, or 0 and 1 as floats whose gradient reaches what decided."""
    places: torch.Tensor | None = None
    """(B, U'), the positions that are left after removal."""
    spent: torch.Tensor | None = None
    """(B, U), halting probabilities added up over blocks."""

    def extra(self) -> int:
        """E, the tokens before the patches."""
        return self.x.shape[1] - math.prod(self.grid)


class Decision(NamedTuple):
    """What a rule says about U positions of B clips."""

    scores: torch.Tensor
    """(B, U), at least 0: the highest are kept, and those of the dropped weigh the fused token."""
    kept: torch.Tensor | None = None
    """(B, U), where the rule decides by itself: bool, or 0 and 1 as floats with a gradient."""
    auxiliary: torch.Tensor | None = None
    """() the rule's own loss, weighted as in its paper."""
    spent: torch.Tensor | None = None
    """(B, U), for the rule's next call."""


class ClassAttention(nn.Module):
    """EViT (Liang et al., ICLR 2022): what the class token looks at, mean over heads."""

    def __init__(self, width: int, positions: int) -> None:
        super().__init__()

    def forward(
        self, units: torch.Tensor, looked_at: torch.Tensor | None, keep: float, spent: torch.Tensor | None
    ) -> Decision:
        """Means over time: units (B, U, D), looked_at (B, U). spent: (B, U), of positions that halt."""
        assert looked_at is not None
        return Decision(looked_at)


class Random(nn.Module):
    """The control: drawn anew for each clip and step in training, one order of positions for all at prediction."""

    order: torch.Tensor

    def __init__(self, width: int, positions: int) -> None:
        super().__init__()
        order = torch.randperm(positions, generator=torch.Generator().manual_seed(0))
        self.register_buffer("order", order.float() + 1, persistent=False)
        self.noise = Noise()

    def forward(
        self, units: torch.Tensor, looked_at: torch.Tensor | None, keep: float, spent: torch.Tensor | None
    ) -> Decision:
        """units (B, U, D)."""
        return Decision(self.noise.uniform(units[..., 0]) if self.training else self.order.expand(len(units), -1))


class Predictor(nn.Module):
    """DynamicViT (Rao et al., NeurIPS 2021): an MLP on each token and the mean of all.

    It draws by Gumbel-softmax with straight-through gradients in training and keeps the most probable at prediction.
    """

    RATIO_WEIGHT = 2.0

    def __init__(self, width: int, positions: int) -> None:
        super().__init__()
        self.local = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU())
        self.decide = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.GELU(),
            nn.Linear(width // 2, max(1, width // 4)),
            nn.GELU(),
            nn.Linear(max(1, width // 4), 2),
        )
        self.noise = Noise()

    def forward(
        self, units: torch.Tensor, looked_at: torch.Tensor | None, keep: float, spent: torch.Tensor | None
    ) -> Decision:
        """units (B, U, D)."""
        own, shared = self.local(units).split([units.shape[2] // 2, -(-units.shape[2] // 2)], dim=2)
        logits = self.decide(torch.cat([own, shared.mean(1, keepdim=True).expand(*shared.shape)], dim=2)).float()
        scores = logits.softmax(-1)[..., 0]
        if not self.training:
            return Decision(scores)
        gumbel = -torch.log(-torch.log(self.noise.uniform(logits)))
        soft = (logits + gumbel).softmax(-1)[..., 0]
        kept = (soft > 0.5).to(soft.dtype) - soft.detach() + soft
        return Decision(scores, kept, self.RATIO_WEIGHT * (kept.mean(1) - keep).square().mean())


class Halting(nn.Module):
    """A-ViT (Yin et al., CVPR 2022): a token's first channel says how much of it is done; at 1 - eps it halts.

    After each block h = sigmoid(gamma t_0 + beta) is added to what the position has spent. A-ViT learns over twelve
    blocks from a beta that halts nothing; a level here has one or two, so beta starts where a standard normal t_0
    halts the share that is to go, t_0 is taken after a layer norm, and factor and shift of that are learned. The task's
    gradient passes straight through the mask; the loss aims the mean share that goes on at the keep rate.
    """

    GAMMA = 5.0
    EPSILON = 0.01
    AIM_WEIGHT = 0.1  # of A-ViT's term that aims the depth at which tokens halt

    def __init__(self, width: int, positions: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.shift_bias = nn.Parameter(torch.zeros(1))

    def forward(
        self, units: torch.Tensor, looked_at: torch.Tensor | None, keep: float, spent: torch.Tensor | None
    ) -> Decision:
        """units (B, U, D), spent (B, U)."""
        first = functional.layer_norm(units.float(), units.shape[2:])[..., 0]
        quantile = torch.special.ndtri(torch.full_like(first[:1, :1], keep))
        beta = math.log((1 - self.EPSILON) / self.EPSILON) - self.GAMMA * quantile
        halting = torch.sigmoid(self.GAMMA * first * self.scale + beta + self.shift_bias)
        spent = halting if spent is None else spent + halting
        going = spent < 1 - self.EPSILON
        left = 1 - spent
        straight = going + (left - left.detach())  # decides as going does, with the gradient of what is left
        auxiliary = self.AIM_WEIGHT * (straight.mean() - keep).square()
        return Decision(1 - halting, straight if self.training else going, auxiliary, spent)


RULES: dict[str, type[nn.Module]] = {
    "class_attention": ClassAttention,
    "random": Random,
    "predictor": Predictor,
    "halting": Halting,
}


class TokenDropping(nn.Module):
    """Drops positions of a sequence by a rule, by removal or by a mask."""

    def __init__(self, config: DroppingConfig, width: int, frames: int, positions: int, *, remove: bool) -> None:
        """Args:
        config: the settings; keep is below 1.
        width: D of the tokens.
        frames: F over which a position's score is averaged and which it leaves together.
        positions: U of a frame.
        remove: whether tokens may leave the sequence; halting, and a predictor that learns, only hide them.
        """
        super().__init__()
        self.config, self.frames, self.positions, self.remove = config, frames, positions, remove
        self.rule = RULES[config.by](width, positions)
        self.learned = config.by in ("predictor", "halting")
        self.progress = 1.0
        """Share of training that is done: the keep rate falls from 1 over the first of it."""

    def rate(self) -> float:
        """The keep rate at this progress."""
        if self.progress >= self.config.warmup:
            return self.config.keep
        return 1 - (1 - self.config.keep) * (1 - math.cos(math.pi * self.progress / self.config.warmup)) / 2

    def forward(self, tokens: Tokens, attended: Attended) -> tuple[Tokens, torch.Tensor | None]:
        """Args:
            tokens: after a block.
            attended: of that block's attention.

        Returns:
            The tokens to go on with, and the rule's own loss () where it has one.
        """
        keep, extra, width = self.rate(), tokens.extra(), tokens.x.shape[2]
        count = math.ceil(round(keep * self.positions, 6))
        nothing = tokens.x.new_zeros(()) if self.learned else None
        if count == self.positions:
            return tokens, nothing
        patches = tokens.x[:, extra:].reshape(-1, self.frames, self.positions, width)
        looked_at = None
        if self.config.by == "class_attention":
            looked_at = class_attention(attended, tokens.grid).reshape(patches.shape[:3]).mean(1)
        decision: Decision = self.rule(patches.mean(1), looked_at, keep, tokens.spent)
        kept, index = decision.kept, None
        if kept is None:
            index = decision.scores.topk(count, dim=1).indices.sort(dim=1).values  # (B, count)
            kept = torch.zeros_like(decision.scores, dtype=torch.bool).scatter(1, index, True)
        first = tokens.x[:, :1]
        if self.config.fuse:
            first = torch.cat([first, self._fused(patches, decision.scores, kept, len(first))], dim=1)
        if self.remove and index is not None:
            left = patches.gather(2, _positions(index, patches)).reshape(len(first), -1, width)
            grid = (left.shape[1] // count, 1, count)
            return Tokens(torch.cat([first, left], dim=1), grid, places=index), nothing
        x = torch.cat([first, tokens.x[:, extra:]], dim=1)
        mask = kept[:, None].expand(-1, self.frames, -1).reshape(len(first), -1)
        auxiliary = nothing if decision.auxiliary is None else decision.auxiliary
        return Tokens(x, tokens.grid, mask, spent=decision.spent), auxiliary

    @staticmethod
    def _fused(patches: torch.Tensor, scores: torch.Tensor, kept: torch.Tensor, sequences: int) -> torch.Tensor:
        """The mean of the dropped, weighted by their scores: patches (B, F, U, D) -> (sequences, 1, D)."""
        # Where a learned rule drops nothing of a clip, the rest of this sum is the mean of all; where all that it drops
        # has halted to the last digit, the mean of these.
        weights = (scores + 1e-6) * (1 - kept.to(scores.dtype) + 1e-6)
        weights = (weights / weights.sum(1, keepdim=True)).to(patches.dtype)
        fused = torch.einsum("bfud,bu->bfd", patches, weights)
        return fused.reshape(sequences, -1, patches.shape[3]).mean(1, keepdim=True)

    def restore(self, patches: torch.Tensor, tokens: Tokens) -> torch.Tensor:
        """patches (B, what is left, D) -> (B, L, D), zero where dropped."""
        if tokens.places is not None:
            left = patches.unflatten(1, (self.frames, -1))
            whole: torch.Tensor = left.new_zeros(len(left), self.frames, self.positions, left.shape[3])
            return whole.scatter(2, _positions(tokens.places, left), left).flatten(1, 2)
        return patches if tokens.mask is None else patches * tokens.mask.reshape(*patches.shape[:2], 1)


def _positions(index: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """index (B, U') for gather and scatter on dimension 2 of patches (B, F, U, D): (B, F, U', D)."""
    return index[:, None, :, None].expand(-1, patches.shape[1], -1, patches.shape[3])
