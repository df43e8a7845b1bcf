"""What stands in a synthetic clip for rendered depth and for coded action units: estimates and controls."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from madv.config_synthetic import SyntheticConfig
from madv.data.action_units import AU_NAMES
from madv.data.au_flow import NAMES, pseudo_units
from madv.data.depth import derangement, to_onset

Array = npt.NDArray[np.float32]

SHOWN = {
    "rendered": {"depth"},
    "per_frame": {"depth"},
    "luminance": {"texture"},
    "zero": set[str](),
    "shuffled": set[str](),
    "coded": {"au"},
    "flow": {"texture"},
}
"""Of each source, the carriers whose label it can show."""


def shown(config: SyntheticConfig) -> dict[str, set[str]]:
    """Stream -> carriers whose label it can show."""
    return {"texture": {"texture"}, "depth": SHOWN[config.depth], "au": SHOWN[config.au]}


def unit_names(config: SyntheticConfig) -> tuple[str, ...]:
    """Action units of the au stream."""
    return NAMES if config.au == "flow" else AU_NAMES


def substituted(config: SyntheticConfig, clip: dict[str, Array]) -> dict[str, Array]:
    """A rendered clip with its streams from the configured sources, but for depth that another clip lends.

    Args:
        config: its depth and au.
        clip: texture (3, T, H, W), depth (1, T, H, W) and au (n_au, T), as rendered.
    """
    streams = dict(clip)
    luminance = clip["texture"].mean(axis=0)
    if config.depth == "per_frame":
        streams["depth"] = to_onset(clip["depth"][0], "frame")[None]
    elif config.depth == "luminance":
        streams["depth"] = to_onset(luminance, "clip")[None]
    elif config.depth == "zero":
        streams["depth"] = np.zeros_like(clip["depth"])
    if config.au == "flow":
        streams["au"] = pseudo_units(luminance)
    return streams


def lent(config: SyntheticConfig, depth: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(N, 1, T, H, W) depth of all clips: each its own or, shuffled, another's."""
    return depth[derangement(len(depth))] if config.depth == "shuffled" else depth
