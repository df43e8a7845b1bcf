"""The camera: a face moves, is lit and is seen, as texture and as depth. Exact arithmetic in single precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madv.data.face import Face

Array = npt.NDArray[np.float32]

AMBIENT = np.float32(0.35)
DIFFUSE = np.float32(0.75)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What happens during one clip besides the expression; all arrays are by frame."""

    shift: Array
    """(3, T): drift of the head in x, y, z, in half widths of the picture."""
    roll: Array
    """(T,): turn of the head in the picture, radians (small)."""
    light: Array
    """(3, T): direction to the light; its length is the brightness."""


def still(expression: Array | None, frames: int, size: int) -> Array:
    """(3, T, H, W) displacement of a face: the expression, or none."""
    return np.zeros((3, frames, size, size), dtype=np.float32) if expression is None else expression


def surface(face: Face, movement: Array, scene: Scene) -> tuple[Array, Array]:
    """Move the face: (T, H, W) height and albedo as the camera sees them.

    Args:
        face: at rest.
        movement: (3, T, H, W) displacement of the skin in x, y, z, half widths.
        scene: the drift of the head.
    """
    size = face.height.shape[-1]
    axis = ((np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2) / np.float32(size)) - np.float32(1)
    x, y = axis[None, None, :], axis[None, :, None]
    roll = scene.roll[:, None, None]
    # The skin that is seen at (x, y) was, at rest, at (x, y) less its displacement.
    back_x = x - movement[0] - scene.shift[0, :, None, None] + roll * y
    back_y = y - movement[1] - scene.shift[1, :, None, None] - roll * x
    height, albedo = _sample((face.height, face.albedo), back_x, back_y)
    return height + movement[2] + scene.shift[2, :, None, None], albedo


def shade(height: Array, albedo: Array, tint: Array, scene: Scene) -> Array:
    """(3, T, H, W) intensities of a matt surface, lit from one side and from all around.

    The normals are those of the height field: (-dz/dx, -dz/dy, 1), normalised.
    """
    half = np.float32(height.shape[-1] / 2)  # pixels in a half width
    slope_y, slope_x = np.gradient(height, axis=(1, 2))
    slope_x, slope_y = slope_x * half, slope_y * half
    light = scene.light[:, :, None, None]
    facing = (light[2] - light[0] * slope_x - light[1] * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
    grey = albedo * (AMBIENT + DIFFUSE * np.maximum(facing, np.float32(0)))
    seen: Array = tint[:, None, None, None] * grey
    return seen


def _sample(images: tuple[Array, ...], x: Array, y: Array) -> list[Array]:
    """Values of each (H, W) image at face coordinates (T, H, W), bilinear; beyond the edge, the edge."""
    size = images[0].shape[-1]
    column = np.clip((x + np.float32(1)) * np.float32(size / 2) - np.float32(0.5), np.float32(0), np.float32(size - 1))
    row = np.clip((y + np.float32(1)) * np.float32(size / 2) - np.float32(0.5), np.float32(0), np.float32(size - 1))
    left = np.minimum(column.astype(np.int32), size - 2)
    top = np.minimum(row.astype(np.int32), size - 2)
    right_share, bottom_share = column - left.astype(np.float32), row - top.astype(np.float32)
    corner = top * size + left
    samples = []
    for image in images:
        flat = image.ravel()
        upper = flat.take(corner)
        upper = upper + right_share * (flat.take(corner + 1) - upper)
        lower = flat.take(corner + size)
        lower = lower + right_share * (flat.take(corner + size + 1) - lower)
        samples.append(upper + bottom_share * (lower - upper))
    return samples
