"""Mirrored and shifted training clips: the subject stays the same, and so do the labels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from madv.config import TrainConfig
from madv.data.clips import Clips

MOVED = 28
"""A copy is moved by the width over this: 4 of 112 pixels."""


class Changes(NamedTuple):
    """What is done to each clip of a batch."""

    mirrored: npt.NDArray[np.bool_]
    """(B,)"""
    shifts: npt.NDArray[np.int64]
    """(B, 2) pixels, vertical and horizontal."""


def draw_changes(size: int, train: TrainConfig, rng: np.random.Generator) -> Changes:
    """Of a batch of that size: drawn alike whatever streams are on."""
    return Changes(rng.random(size) < 0.5, rng.integers(-train.shift, train.shift + 1, size=(size, 2)))


def augment(
    clip: dict[str, torch.Tensor], clips: Clips, train: TrainConfig, changes: Changes
) -> dict[str, torch.Tensor]:
    """Mirror and shift each clip of a batch, as the recipe allows, all its streams alike."""
    if train.mirror:
        mirrored = torch.from_numpy(changes.mirrored)
        clip = {name: mirror(name, x, mirrored.to(x.device), clips) for name, x in clip.items()}
    if train.shift:
        clip = {name: x if name == "au" else translate(x, changes.shifts, train.shift) for name, x in clip.items()}
    return clip


def copied(clip: dict[str, torch.Tensor], copies: npt.NDArray[np.int64], clips: Clips) -> dict[str, torch.Tensor]:
    """Each clip of a batch as its copy: 0 itself, 1 its mirror image, 2 moved up and left, 3 both.

    Args:
        clip: streams (B, C, T, H, W); au (B, n_au, T).
        copies: (B,)
        clips: the data set, for what a mirror does to its channels and units.
    """
    found = {}
    for name, x in clip.items():
        mirrored = mirror(name, x, torch.from_numpy(copies % 2 == 1).to(x.device), clips)
        pixels = math.ceil(x.shape[-1] / MOVED)
        shifts = np.repeat(pixels * (copies >= 2)[:, None], 2, axis=1)
        found[name] = mirrored if name == "au" else translate(mirrored, shifts, pixels)
    return found


def mirror(name: str, x: torch.Tensor, chosen: torch.Tensor, clips: Clips) -> torch.Tensor:
    """Mirror the chosen clips: flip the width, turn signed channels, swap left and right action units."""
    if name == "au":
        other = x[:, list(clips.mirrored_aus)] if clips.mirrored_aus else x
    else:
        other = x.flip(-1)
        if name == "texture" and clips.signed_channels:
            sign = torch.ones(x.shape[1], device=x.device)
            sign[list(clips.signed_channels)] = -1
            other = other * sign[:, None, None, None]
    return torch.where(chosen.view(-1, *[1] * (x.ndim - 1)), other, x)


def translate(x: torch.Tensor, shifts: npt.NDArray[np.int64], largest: int) -> torch.Tensor:
    """Move each clip (B, C, T, H, W) by its (vertical, horizontal) pixels; the edge is filled with 0, no signal."""
    height, width = x.shape[-2:]
    padded = torch.nn.functional.pad(x, (largest,) * 4)
    rows = torch.from_numpy(shifts[:, :1] + largest + np.arange(height)).to(x.device)  # (B, H)
    columns = torch.from_numpy(shifts[:, 1:] + largest + np.arange(width)).to(x.device)  # (B, W)
    index = torch.arange(len(x), device=x.device)[:, None, None]
    moved = padded.permute(0, 3, 4, 1, 2)[index, rows[:, :, None], columns[:, None, :]]  # (B, H, W, C, T)
    return moved.permute(0, 3, 4, 1, 2)
