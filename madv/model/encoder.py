"""One level's encoder: class token, learned positions, attention blocks (Eq. 13, 15, 16), token dropping."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn

from madv.config_model import AttentionKind, ModelConfig, ProjectionConfig
from madv.model.attention import ATTENTION, Attended
from madv.model.dropping import TokenDropping, Tokens
from madv.model.grids import Grid
from madv.model.projection import LINEAR
from madv.noise import Dropout


class Encoded(NamedTuple):
    """What an encoder makes of a grid of tokens."""

    cls: torch.Tensor
    """(B, D), the class token."""
    patches: torch.Tensor
    """(B, L, D), the whole grid; dropped positions are zero."""
    auxiliary: torch.Tensor | None
    """() own loss of a learned rule for dropping, weighted as its paper does; None without such a rule."""


class Block(nn.Module):
    """LN - attention - residual, LN - MLP - residual (Eq. 15 and 16); or a second attention in place of the MLP."""

    def __init__(self, kind: str, level: int, grid: Grid, config: ModelConfig, projection: ProjectionConfig) -> None:
        super().__init__()
        width, heads, dropout = config.widths[level], config.heads[level], config.dropout
        hidden = max(1, round(width * config.mlp_ratio))
        double = config.attention.double
        self.norm_attention = nn.LayerNorm(width)
        self.attention = ATTENTION[kind](width, heads, projection, dropout, grid)
        self.norm_mlp = nn.LayerNorm(width)
        self.again = ATTENTION[kind](width, heads, projection, dropout, grid) if double else None
        self.mlp = (
            None
            if double
            else nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width), Dropout(dropout))
        )

    def forward(self, x: torch.Tensor, grid: Grid, mask: torch.Tensor | None = None) -> tuple[torch.Tensor, Attended]:
        """x (B, E + L, D), mask (B, L) -> the same shape as x, and what the (first) attention gave."""
        attended = self.attention(self.norm_attention(x), grid, mask)
        x = x + attended.change
        y = self.norm_mlp(x)
        if self.again is not None:
            return x + self.again(y, grid, mask).change, attended
        assert self.mlp is not None
        return x + self.mlp(y), attended


class Encoder(nn.Module):
    """Class token and learned positions (Eq. 13), then blocks: one level's attention over its grid.

    The factorised encoder (ViViT model 2) has two parts. Each frame is a sequence of its own in all configured blocks,
    with a class token of the frame; then a third as many blocks (ViViT-B: 12 and 4), rounded up, let the class token
    and the frames' tokens attend to each other. What these change in a frame's token is added to the frame's patches.
    A convolution over the volume has no time to see there: it is one over frames.
    """

    def __init__(self, kind: AttentionKind, level: int, grid: Grid, config: ModelConfig, *, spatial: bool) -> None:
        """Args:
        kind: who attends to whom.
        level: of the pyramid; decides width, blocks and heads.
        grid: (T, H, W) of the patches.
        config: the network's settings.
        spatial: whether patches have neighbours within a frame (a visual stream): then the configured projection and
            token dropping hold; else the projection is linear and nothing is dropped.
        """
        super().__init__()
        width, blocks = config.widths[level], config.blocks[level]
        frames, positions = grid[0], grid[1] * grid[2]
        projection = config.projection if spatial else LINEAR
        frame_by_frame = kind == "factorised_encoder" and frames > 1 and blocks > 0
        self.grid = (1, *grid[1:]) if frame_by_frame else grid
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.position_token = nn.Parameter(torch.empty(1, 1 + frames * positions, width))
        self.frame_token = nn.Parameter(torch.empty(1, frames, width)) if frame_by_frame else None
        kind = "joint" if kind == "factorised_encoder" else kind
        self.blocks = nn.ModuleList(Block(kind, level, self.grid, config, projection) for _ in range(blocks))
        self.frame_blocks = nn.ModuleList(
            Block("joint", level, (frames, 1, 1), config, LINEAR)
            for _ in range(math.ceil(blocks / 3) if frame_by_frame else 0)
        )
        self.norm = nn.LayerNorm(width)

        self.drop_after = range(0)
        self.dropping = None
        if spatial and config.dropping.keep < 1:
            rule = config.dropping
            # Halting decides after every block but the last, the others once.
            self.drop_after = range(rule.after, blocks)[: None if rule.by == "halting" else 1]
        if self.drop_after:
            linear = projection.kind == "linear"
            assert linear or rule.how != "remove", "a convolution needs the whole grid"
            remove = linear and rule.how != "mask"
            self.dropping = TokenDropping(rule, width, frames, positions, remove=remove)

    def forward(self, x: torch.Tensor) -> Encoded:
        """x (B, L, D)."""
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.position_token
        if self.frame_token is None:
            tokens, auxiliary = self._attend(x)
        else:
            frames = x[:, 1:].unflatten(1, (self.frame_token.shape[1], -1))  # (B, T, n, D)
            starts = self.frame_token[:, :, None].expand(len(x), -1, -1, -1)
            tokens, auxiliary = self._attend(torch.cat([starts, frames], dim=2).flatten(0, 1))
            tokens = self._over_frames(x[:, :1], tokens)
        x = self.norm(tokens.x)
        patches = x[:, tokens.extra() :]
        if self.dropping is not None:
            patches = self.dropping.restore(patches, tokens)
        return Encoded(x[:, 0], patches, auxiliary)

    def _attend(self, x: torch.Tensor) -> tuple[Tokens, torch.Tensor | None]:
        """All blocks, with dropping between them: x (N, 1 + L, D)."""
        tokens, losses = Tokens(x, self.grid), []
        for done, block in enumerate(self.blocks, start=1):
            x, attended = block(tokens.x, tokens.grid, tokens.mask)
            tokens = tokens._replace(x=x)
            if self.dropping is not None and done in self.drop_after:
                tokens, loss = self.dropping(tokens, attended)
                losses.append(loss)
        learned = [loss for loss in losses if loss is not None]
        return tokens, torch.stack(learned).mean() if learned else None

    def _over_frames(self, cls: torch.Tensor, tokens: Tokens) -> Tokens:
        """Class token (B, 1, D) and frames as sequences (B T, E + n, D) -> one sequence (B, 1 + T n, D)."""
        before = tokens.x[:, 0].unflatten(0, (len(cls), -1))  # (B, T, D)
        x = torch.cat([cls, before], dim=1)
        frames = before.shape[1]
        for block in self.frame_blocks:
            x, _ = block(x, (frames, 1, 1))
        patches = tokens.x[:, tokens.extra() :].unflatten(0, (len(cls), frames)) + (x[:, 1:] - before)[:, :, None]
        return tokens._replace(x=torch.cat([x[:, :1], patches.flatten(1, 2)], dim=1), grid=(frames, *tokens.grid[1:]))
