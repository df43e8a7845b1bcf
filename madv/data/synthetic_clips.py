"""The streams of one synthetic clip: its expression in the stream that carries it, a still face in the others."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from madv.config_model import STREAMS
from madv.config_synthetic import SyntheticConfig
from madv.data.action_units import AU_NAMES, Display
from madv.data.face import Face
from madv.data.render import Scene, shade, still, surface

Array = npt.NDArray[np.float32]

DISPLACEMENT = 0.075
"""Movement of the skin at unit strength and amplitude, half widths of the picture."""
RESIDUE = 0.15
"""What is left of an expression at its offset."""
TEXTURE_CENTRE, TEXTURE_UNIT = 0.5, 0.25
"""Stored texture = (intensity - centre) / unit, of intensities 0 (black) to 1."""
DEPTH_CENTRE, DEPTH_UNIT = 0.45, 0.15
"""Stored depth = (height - centre) / unit, of heights in half widths of the picture."""
SENSOR_NOISE = 0.012
"""Standard deviation of an intensity."""
DEPTH_NOISE = 0.004
"""Standard deviation of a height, half widths."""
CODER_NOISE, CODER_BIAS = 0.10, 0.15
"""Standard deviations of a coded intensity, frame by frame and constant over a clip; 1 is intensity B."""


class Times(NamedTuple):
    """Frames of the clip, from 0."""

    onset: float
    apex: float
    offset: float


def render_clip(
    config: SyntheticConfig,
    rng: np.random.Generator,
    face: Face,
    displays: tuple[Display, ...],
    carrier: str,
    times: Times,
) -> dict[str, Array]:
    """Texture (3, T, H, W), depth (1, T, H, W) and action units (n_au, T) of one clip.

    The streams share head drift and light; each has its own sensor noise. The times are in frames of the clip; the
    expression may go on after its last.
    """
    scene = make_scene(config.frames, config.noise, rng)
    strength = config.amplitude * rng.uniform(0.8, 1.2, len(displays))
    profile = course(np.arange(config.frames), times)
    acted = list(zip(displays, strength.tolist(), strict=True))
    shown = {name: acted if name == carrier else [] for name in STREAMS}
    return {
        "texture": _texture(config, rng, face, _expression(face, shown["texture"], profile), scene),
        "depth": _depth(config, rng, face, _expression(face, shown["depth"], profile), scene),
        "au": _intensities(config, rng, shown["au"], profile),
    }


def _texture(
    config: SyntheticConfig, rng: np.random.Generator, face: Face, expression: Array | None, scene: Scene
) -> Array:
    """(3, T, H, W). Unless texture is the carrier the surface that is lit is at rest: shading would tell its depth."""
    height, albedo = surface(face, still(expression, config.frames, config.size), scene)
    seen = shade(height, albedo, face.tint, scene)
    seen += rng.normal(0, SENSOR_NOISE * config.noise, seen.shape).astype(np.float32)
    stored: Array = (np.clip(seen, np.float32(0), np.float32(1)) - np.float32(TEXTURE_CENTRE)) / np.float32(
        TEXTURE_UNIT
    )
    return stored


def _depth(
    config: SyntheticConfig, rng: np.random.Generator, face: Face, expression: Array | None, scene: Scene
) -> Array:
    """(1, T, H, W)."""
    height, _ = surface(face, still(expression, config.frames, config.size), scene)
    height += rng.normal(0, DEPTH_NOISE * config.noise, height.shape).astype(np.float32)
    return ((height - np.float32(DEPTH_CENTRE)) / np.float32(DEPTH_UNIT))[None]


def _intensities(
    config: SyntheticConfig, rng: np.random.Generator, displays: list[tuple[Display, float]], profile: Array
) -> Array:
    """(n_au, T), as a coder would rate them: 1 is intensity B; the bias makes the change since onset what matters."""
    coded = rng.normal(0, CODER_NOISE * config.noise, (len(AU_NAMES), config.frames))
    coded += rng.normal(0, CODER_BIAS * config.noise, (len(AU_NAMES), 1))
    for display, amount in displays:
        coded[AU_NAMES.index(display.action_unit)] += amount * display.strength * profile
    return coded.astype(np.float32)


def _expression(face: Face, displays: list[tuple[Display, float]], profile: Array) -> Array | None:
    """(3, T, H, W) displacement of the skin, or None for a face at rest."""
    if not displays:
        return None
    peak = np.zeros(face.movements.shape[2:], dtype=np.float32)
    for display, amount in displays:
        left, right = face.movements[AU_NAMES.index(display.action_unit)]
        # The person's right is on the left of the picture.
        movement = left if display.side == "right" else left + right
        peak += np.float32(amount * display.strength * DISPLACEMENT) * movement
    return peak[:, None] * profile[:, None, None]


def course(time: npt.NDArray[Any], times: Times) -> Array:
    """(T,): 0 until onset, 1 at the apex, the residue from the offset on, in half cosine waves."""
    onset, apex, offset = times
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip((time - onset) / (apex - onset), 0, 1))
    fall = 0.5 - 0.5 * np.cos(np.pi * np.clip((time - apex) / (offset - apex), 0, 1))
    return (rise - (1 - RESIDUE) * fall).astype(np.float32)


def make_scene(frames: int, noise: float, rng: np.random.Generator) -> Scene:
    """Head drift and changes of the light: each a slow path that starts at 0."""
    drift = _paths(frames, noise, rng, np.array([0.012, 0.012, 0.006, 0.006]))
    change = _paths(frames, noise, rng, np.array([0.03, 0.03, 0.03]))
    direction = np.array([0.35, -0.35, 0.87]) + noise * rng.normal(0, 0.03, 3)
    return Scene(
        shift=drift[:3].astype(np.float32),
        roll=drift[3].astype(np.float32),
        light=(direction[:, None] + change).astype(np.float32),
    )


def _paths(
    frames: int, noise: float, rng: np.random.Generator, spread: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(K, T) smooth paths from 0, whose ends have the standard deviations `spread`."""
    time = np.linspace(0, 1, frames)
    line, wave, phase = rng.normal(0, 1, (3, len(spread), 1))
    path = line * time + 0.5 * wave * (np.sin(np.pi * (2 * time + phase)) - np.sin(np.pi * phase))
    scaled: npt.NDArray[np.float64] = noise * spread[:, None] * path
    return scaled
