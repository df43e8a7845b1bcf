"""Sizes of token grids, from settings and clip shapes alone."""

from __future__ import annotations

from madv.config_model import ModelConfig, TokenizerConfig

Grid = tuple[int, int, int]
"""(T, H, W)."""


def tokens_grid(shape: Grid, config: TokenizerConfig) -> Grid:
    """The grid (T', H', W') that the tokenizer makes of a clip of (T, H, W); a size below 1 leaves no token."""
    if config.kind == "tubelet":
        return boxes_grid(shape, tubelet_box(config))
    grid = []
    for size, kernel, stride, pool, pool_stride in zip(
        shape, config.kernel, config.stride, config.pool, config.pool_stride, strict=True
    ):
        convolved = (size + 2 * (kernel // 2) - kernel) // stride + 1
        grid.append((convolved + 2 * (pool // 2) - pool) // pool_stride + 1)
    return (grid[0], grid[1], grid[2])


def boxes_grid(shape: Grid, box: Grid) -> Grid:
    """How many boxes (t, h, w) go into a clip of (T, H, W), along each axis."""
    t, h, w = (size // step for size, step in zip(shape, box, strict=True))
    return (t, h, w)


def tubelet_box(config: TokenizerConfig) -> Grid:
    """Frames, rows and columns of a tubelet: as far apart as the convolution's tokens."""
    t, h, w = (stride * pool for stride, pool in zip(config.stride, config.pool_stride, strict=True))
    return (t, h, w)


def level_grids(shape: Grid, config: ModelConfig) -> list[Grid]:
    """The grids (T', H', W') of the levels for clips of (T, H, W); each level halves height and width, rounding up."""
    grids = [tokens_grid(shape, config.tokenizer)]
    for _ in range(1, config.levels):
        frames, height, width = grids[-1]
        grids.append((frames, (height + 1) // 2, (width + 1) // 2))
    return grids
