"""Faces: one crop for a whole clip, found in its onset frame, so that the crop itself does not move."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from madv.data.frames import Box
from madv.errors import DataError

MARGIN = 0.15
"""Of the found face's width, added on each side: the detector's box ends at the brows and the chin."""
LARGEST = 320
"""Pixels of the longer side that the detector sees; a larger picture is made smaller first."""


def find_face(picture: npt.NDArray[np.uint8]) -> Box | None:
    """The largest face of a picture (H, W, C) and a margin, a square within the picture; None where none is found.

    Raises:
        DataError: the detector is not installed.
    """
    image = Image.fromarray(picture.mean(axis=-1).astype(np.uint8))
    shrink = min(1.0, LARGEST / max(image.size))
    size = (round(image.width * shrink), round(image.height * shrink))
    grey = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    least, most = min(size) // 5, min(size)
    found = _detector().detect_multi_scale(
        np.stack([grey] * 3, axis=-1), scale_factor=1.1, step_ratio=1, min_size=(least, least), max_size=(most, most)
    )
    if not found:
        return None
    face = max(found, key=lambda face: face["width"])
    side = min(face["width"] * (1 + 2 * MARGIN), *size)
    left = min(max(0.0, face["c"] + face["width"] / 2 - side / 2), size[0] - side)
    top = min(max(0.0, face["r"] + face["height"] / 2 - side / 2), size[1] - side)
    return Box(left / size[0], top / size[1], (left + side) / size[0], (top + side) / size[1])


@functools.cache
def _detector() -> Any:
    """scikit-image's cascade of local binary patterns; its trained file comes with the package."""
    try:
        from skimage import data
        from skimage.feature import Cascade
    except ImportError:
        message = "dataset.align=face needs scikit-image: pip install madv[faces], or set dataset.align=none"
        raise DataError(message) from None
    return Cascade(data.lbp_frontal_face_cascade_filename())  # type: ignore[no-untyped-call]
