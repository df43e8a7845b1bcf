"""A true band split of a clip's spatial frequency: the Laplacian pyramid (Burt and Adelson, 1983)."""

from __future__ import annotations

import torch
from torch.nn import functional


def split_bands(clip: torch.Tensor, bands: int) -> list[torch.Tensor]:
    """Split every frame into bands an octave apart, the lowest frequencies first.

    A frame less its blurred copy at half the size is its highest band; the copy is split further. Blurring weighs
    four neighbours along each axis by (1, 3, 3, 1) / 8: nothing of the finest checkerboard is left but at the border.

    Args:
        clip: (B, C, T, H, W).
        bands: their number; 1 is the clip itself.

    Returns:
        Bands of the clip's shape; their sum is the clip.
    """
    if bands == 1:
        return [clip]
    frames = clip.transpose(1, 2).flatten(0, 1)  # (B T, C, H, W)
    return [band.unflatten(0, (clip.shape[0], clip.shape[2])).transpose(1, 2) for band in _split(frames, bands)]


def _split(frames: torch.Tensor, bands: int) -> list[torch.Tensor]:
    if bands == 1:
        return [frames]
    height, width = frames.shape[-2:]
    half = _resize(frames, (height + 1) // 2, (width + 1) // 2)
    below = [_resize(band, height, width) for band in _split(half, bands - 1)]
    return [*below, frames - torch.stack(below).sum(0)]


def _resize(frames: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Linear; a triangle twice as wide on the way down, so that what is too fine for the new size is not folded in."""
    return functional.interpolate(frames, size=(height, width), mode="bilinear", antialias=True)
