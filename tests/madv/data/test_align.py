"""One crop a clip, around its face."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from madv.data import align
from madv.errors import DataError


def test_the_face_is_found_and_nothing_where_there_is_none():
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed: pip install madv[faces]")
    picture = data.astronaut()  # the face is about at column 220, row 115 of 512
    for box in (align.find_face(picture), align.find_face(picture.mean(axis=-1, keepdims=True).astype(np.uint8))):
        assert box is not None
        assert box.left < 190 / 512 < 250 / 512 < box.right
        assert box.top < 90 / 512 < 150 / 512 < box.bottom
        assert box.right - box.left == pytest.approx(box.bottom - box.top)
        assert box.right - box.left < 0.4
    assert align.find_face(np.zeros((60, 80, 3), np.uint8)) is None


def test_without_the_detector_the_extra_is_named(monkeypatch):
    align._detector.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(DataError, match=r"needs scikit-image: pip install madv\[faces\], or set dataset\.align=none"):
        align.find_face(np.zeros((60, 80, 3), np.uint8))
