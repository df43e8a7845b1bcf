"""A face as a height field with an albedo, and its action units as displacement fields.

Face coordinates: x to the right of the picture, y down, z towards the camera; the picture spans -1 to 1 in x and y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madv.data.action_units import AU_NAMES

Array = npt.NDArray[np.float32]
Coordinates = npt.NDArray[np.float64]

# Centre (x, y), width and direction (x, y, z) of the skin's movement on one side of the face. Directions are those of
# the muscles (FACS): a brow rises, a lip corner is pulled up and out, a dimple sinks in.
_MOVEMENTS: dict[str, tuple[tuple[float, float], float, tuple[float, float, float]]] = {
    "AU1": ((0.14, -0.40), 0.15, (0.0, -1.0, 0.5)),  # inner brow raiser
    "AU2": ((0.46, -0.42), 0.16, (0.1, -1.0, 0.5)),  # outer brow raiser
    "AU4": ((0.20, -0.36), 0.17, (-0.6, 0.8, 0.6)),  # brow lowerer
    "AU5": ((0.33, -0.24), 0.11, (0.0, -0.8, -0.5)),  # upper lid raiser
    "AU6": ((0.46, 0.02), 0.19, (0.1, -0.8, 0.9)),  # cheek raiser
    "AU7": ((0.33, -0.12), 0.11, (0.0, -0.7, 0.5)),  # lid tightener
    "AU9": ((0.10, 0.02), 0.14, (0.0, -0.9, 0.8)),  # nose wrinkler
    "AU12": ((0.32, 0.47), 0.16, (0.7, -0.8, 0.6)),  # lip corner puller
    "AU14": ((0.36, 0.50), 0.12, (-0.4, 0.0, -1.0)),  # dimpler
    "AU15": ((0.29, 0.56), 0.15, (0.1, 0.9, -0.6)),  # lip corner depressor
    "AU16": ((0.10, 0.66), 0.14, (0.0, 0.9, 0.7)),  # lower lip depressor
    "AU20": ((0.34, 0.53), 0.15, (1.0, 0.1, -0.5)),  # lip stretcher
    "AU23": ((0.10, 0.51), 0.12, (-0.6, 0.0, 0.8)),  # lip tightener
    "AU26": ((0.08, 0.78), 0.24, (0.0, 1.0, -0.7)),  # jaw drop
    # Not in the paper's Table 1, but coded in the data sets.
    "AU8": ((0.08, 0.51), 0.12, (-0.2, 0.0, 0.8)),  # lips towards each other
    "AU10": ((0.14, 0.38), 0.12, (0.1, -1.0, 0.5)),  # upper lip raiser
    "AU11": ((0.22, 0.26), 0.12, (0.3, -0.8, 0.5)),  # nasolabial deepener
    "AU13": ((0.30, 0.42), 0.13, (0.2, -1.0, 0.9)),  # sharp lip puller
    "AU17": ((0.08, 0.72), 0.16, (0.0, -1.0, 0.8)),  # chin raiser
    "AU18": ((0.14, 0.51), 0.14, (-1.0, 0.0, 0.9)),  # lip pucker
    "AU22": ((0.12, 0.52), 0.14, (-0.3, 0.0, 1.2)),  # lip funneler
    "AU24": ((0.12, 0.51), 0.10, (-0.3, 0.4, -0.8)),  # lip presser
    "AU25": ((0.08, 0.57), 0.12, (0.0, 0.9, -0.4)),  # lips part
    "AU27": ((0.08, 0.78), 0.26, (0.0, 1.3, -0.9)),  # mouth stretch
    "AU28": ((0.12, 0.51), 0.11, (0.0, 0.2, -1.2)),  # lip suck
    "AU31": ((0.52, 0.46), 0.16, (0.3, 0.0, 0.8)),  # jaw clencher
    "AU34": ((0.44, 0.42), 0.18, (0.3, 0.0, 1.0)),  # cheek puff
    "AU38": ((0.10, 0.20), 0.08, (0.9, 0.0, 0.4)),  # nostril dilator
    "AU39": ((0.10, 0.20), 0.08, (-0.9, 0.0, -0.4)),  # nostril compressor
    "AU42": ((0.33, -0.20), 0.10, (0.0, 0.8, 0.3)),  # slit
    "AU43": ((0.33, -0.20), 0.11, (0.0, 1.0, 0.4)),  # eyes closed
    "AU45": ((0.33, -0.20), 0.11, (0.0, 1.0, 0.4)),  # blink
}
SHOWN: tuple[str, ...] = tuple(_MOVEMENTS)
"""Action units that a face can show."""

# Centre (x, y), width (x, y) and height of the template's features; those off the middle are on both sides.
_RELIEF = (
    ((0.0, 0.05), (0.13, 0.28), 0.24),  # nose
    ((0.24, -0.38), (0.20, 0.08), 0.07),  # brow ridge
    ((0.33, -0.18), (0.15, 0.10), -0.08),  # eye socket
    ((0.46, 0.08), (0.20, 0.16), 0.07),  # cheek bone
    ((0.0, 0.51), (0.22, 0.10), 0.09),  # lips
    ((0.0, 0.84), (0.20, 0.12), 0.09),  # chin
)
_ALBEDO = (
    ((0.28, -0.38), (0.19, 0.05), -0.32),  # brow
    ((0.33, -0.18), (0.10, 0.05), -0.36),  # eye
    ((0.09, 0.22), (0.05, 0.04), -0.22),  # nostril
    ((0.0, 0.51), (0.24, 0.06), -0.22),  # lips
    ((0.28, 0.51), (0.06, 0.04), -0.12),  # lip corner
)
_SKIN = 0.72
_FLUSH = np.array([1.0, 0.86, 0.78])
"""Red, green and blue of the skin over its albedo."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Face:
    """One subject's face at rest, and how each action unit moves it."""

    height: Array
    """(H, W), towards the camera, in half widths of the picture."""
    albedo: Array
    """(H, W), share of light given back."""
    tint: Array
    """(3,), red, green and blue over the albedo."""
    movements: Array
    """(n_au, 2, 3, H, W): by unit and side of the picture (left, right), displacement x, y, z at strength 1."""


def make_face(size: int, rng: np.random.Generator, units: Sequence[str] = AU_NAMES) -> Face:
    """A subject: the template with its features a little displaced, scaled, raised and shaded.

    Subjects share the template because random faces would drown a micro-expression in the differences between them.
    """
    x, y = _template_coordinates(size, rng)
    height = 0.62 - 0.34 * x**2 - 0.22 * y**2
    albedo = np.full_like(x, _SKIN + rng.normal(0, 0.02))
    for features, field, spread in ((_RELIEF, height, 0.12), (_ALBEDO, albedo, 0.12)):
        for centre, width, amount in features:
            field += amount * (1 + rng.normal(0, spread)) * _bump(x, y, centre, width)
    for field, amount in ((height, 0.008), (albedo, 0.02)):
        field += amount * _blotches(x, y, rng)
    tint = _FLUSH * (1 + rng.normal(0, 0.02, 3))
    # Functions such as exp differ in their last bit between processors; rounded from float64, single precision
    # does not, and all that follows uses exact arithmetic: the same clips come out everywhere.
    return Face(
        height=height.astype(np.float32),
        albedo=albedo.astype(np.float32),
        tint=tint.astype(np.float32),
        movements=_movements(x, y, units),
    )


def _template_coordinates(size: int, rng: np.random.Generator) -> tuple[Coordinates, Coordinates]:
    """(H, W) x and y in the template of every pixel of this subject's face, which is a little moved and scaled."""
    axis = (np.arange(size) + 0.5) * 2 / size - 1
    shift, scale = rng.normal(0, 0.015, 2), 1 + rng.normal(0, 0.02, 2)
    y, x = np.meshgrid((axis - shift[1]) * scale[1], (axis - shift[0]) * scale[0], indexing="ij")
    return x, y


def _movements(x: Coordinates, y: Coordinates, units: Sequence[str]) -> Array:
    fields = np.zeros((len(units), 2, 3, *x.shape), dtype=np.float32)
    for unit, name in enumerate(units):
        (centre_x, centre_y), width, direction = _MOVEMENTS[name]
        for side, sign in enumerate((-1, 1)):
            weight = np.exp(-((x - sign * centre_x) ** 2 + (y - centre_y) ** 2) / (2 * width**2))
            for axis, amount in enumerate((sign * direction[0], direction[1], direction[2])):
                fields[unit, side, axis] = amount * weight
    return fields


def _bump(x: Coordinates, y: Coordinates, centre: tuple[float, float], width: tuple[float, float]) -> Coordinates:
    """A Gaussian hill, on both sides of the face where it is off the middle."""
    down = ((y - centre[1]) / width[1]) ** 2
    sides = (-1, 1) if centre[0] else (1,)
    hill: Coordinates = np.zeros_like(x)
    for side in sides:
        hill += np.exp(-0.5 * (((x - side * centre[0]) / width[0]) ** 2 + down))
    return hill


def _blotches(x: Coordinates, y: Coordinates, rng: np.random.Generator, number: int = 12) -> Coordinates:
    """Soft spots at random places, of unit standard deviation in strength."""
    field: Coordinates = np.zeros_like(x)
    for centre_x, centre_y, width, strength in zip(
        rng.uniform(-1, 1, number),
        rng.uniform(-1, 1, number),
        rng.uniform(0.1, 0.3, number),
        rng.normal(0, 1, number),
        strict=True,
    ):
        field += strength * np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2 * width**2))
    return field
