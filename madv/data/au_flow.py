"""Pseudo action units: how far the regions of the face have moved since the onset, each along its muscle.

No estimator is needed. The picture is a face cut to a square, as the cropped data sets have it and align=face makes it.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

# Centre (x, y) on the right of the picture, width, and direction (x, y) of the skin's movement (FACS), in face
# coordinates: the picture spans -1 to 1, y down. The left side mirrors the right.
REGIONS: dict[str, tuple[tuple[float, float], float, tuple[float, float]]] = {
    "AU1": ((0.14, -0.40), 0.15, (0.0, -1.0)),  # inner brow raiser
    "AU2": ((0.46, -0.42), 0.16, (0.1, -1.0)),  # outer brow raiser
    "AU4": ((0.20, -0.36), 0.17, (-0.6, 0.8)),  # brow lowerer
    "AU5": ((0.33, -0.24), 0.11, (0.0, -1.0)),  # upper lid raiser
    "AU6": ((0.46, 0.02), 0.19, (0.1, -1.0)),  # cheek raiser
    "AU7": ((0.33, -0.12), 0.11, (0.0, -1.0)),  # lid tightener: the lower lid rises
    "AU9": ((0.10, 0.02), 0.14, (0.0, -1.0)),  # nose wrinkler
    "AU10": ((0.14, 0.38), 0.12, (0.0, -1.0)),  # upper lip raiser
    "AU12": ((0.32, 0.47), 0.16, (0.7, -0.8)),  # lip corner puller
    "AU14": ((0.36, 0.50), 0.12, (-1.0, 0.0)),  # dimpler
    "AU15": ((0.29, 0.56), 0.15, (0.1, 0.9)),  # lip corner depressor
    "AU16": ((0.10, 0.66), 0.14, (0.0, 1.0)),  # lower lip depressor
    "AU17": ((0.08, 0.72), 0.16, (0.0, -1.0)),  # chin raiser
    "AU20": ((0.34, 0.53), 0.15, (1.0, 0.1)),  # lip stretcher
    "AU23": ((0.10, 0.51), 0.12, (-1.0, 0.0)),  # lip tightener
    "AU26": ((0.08, 0.78), 0.24, (0.0, 1.0)),  # jaw drop
}
NAMES = tuple(REGIONS)
GRID, GRID_WIDTH = (-0.7, -0.35, 0.0, 0.35, 0.7), 0.17
"""Where the head's movement is measured, in both coordinates."""
CELL = 2
"""Pixels are averaged two by two first: noise falls, and half a pixel of motion is a fair share of a cell."""


def pseudo_units(luminance: Array) -> Array:
    """Movement along each unit's muscle since the first frame, in hundredths of the picture's width.

    One step of Lucas and Kanade's least squares (IJCAI 1981) in a Gaussian window per region and side, less the head's
    own movement: the median over windows all over the face. Micro-expressions move by less than a cell: one step is
    enough.

    Args:
        luminance: (T, H, W), any scale; the first frame is the onset.

    Returns:
        (n_au, T), the mean of both sides; 0 at the onset.
    """
    frames = _averaged(luminance)  # (T, h, w)
    size = frames.shape[-1]
    onset = frames[0]
    slope_y, slope_x = np.gradient(onset)
    slope_x, slope_y = slope_x.ravel(), slope_y.ravel()
    change = (frames - onset).reshape(len(frames), -1)  # (T, P)
    windows = _windows(frames.shape[1], size)  # (P, R)
    xx, xy, yy = (slope_x**2) @ windows, (slope_x * slope_y) @ windows, (slope_y**2) @ windows  # (R,)
    xt, yt = (change * slope_x) @ windows, (change * slope_y) @ windows  # (T, R)
    # A region without texture says nothing: its movement shrinks to 0 instead of growing without bound.
    ridge = np.float32(1e-2) * (xx + yy).mean() + np.float32(1e-12)
    xx, yy = xx + ridge, yy + ridge
    scale = np.float32(100 / size) / (xx * yy - xy * xy)
    moved = np.stack([(xy * yt - yy * xt) * scale, (xy * xt - xx * yt) * scale], axis=-1)  # (T, R, 2)
    sides = len(_directions())
    head = sides + np.argsort(xx[sides:] + yy[sides:])[len(GRID) ** 2 // 2 :]  # the half with more texture: others lag
    moved = moved[:, :sides] - np.median(moved[:, head], axis=1, keepdims=True)
    along: Array = (moved * _directions()).sum(axis=-1).reshape(len(frames), 2, len(NAMES)).mean(axis=1)
    return np.ascontiguousarray(along.T, dtype=np.float32)


def _averaged(luminance: Array) -> Array:
    height, width = (side // CELL * CELL for side in luminance.shape[1:])
    averaged: Array = np.zeros((len(luminance), height // CELL, width // CELL), dtype=np.float32)
    for row, column in itertools.product(range(CELL), repeat=2):
        averaged += luminance[:, row:height:CELL, column:width:CELL]
    averaged /= CELL**2
    return averaged


@functools.cache
def _windows(rows: int, columns: int) -> Array:
    """(P, R) weights of every cell in each region, right sides before left ones, then in each window of the grid."""
    y = ((np.arange(rows) + 0.5) * 2 / rows - 1)[:, None]
    x = ((np.arange(columns) + 0.5) * 2 / columns - 1)[None]
    places = [(sign * x, y, spread) for sign in (1, -1) for (x, y), spread, _ in REGIONS.values()]
    places += [(x, y, GRID_WIDTH) for y in GRID for x in GRID]
    windows = [np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * width**2)).ravel() for at_x, at_y, width in places]
    return np.stack(windows, axis=1).astype(np.float32)


@functools.cache
def _directions() -> Array:
    """(R, 2) unit vectors x, y of the regions."""
    vectors = np.array([(sign * x, y) for sign in (1, -1) for _, _, (x, y) in REGIONS.values()])
    directions: Array = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return directions
