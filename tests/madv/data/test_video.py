"""A video's frames by number: the same as if each were an image."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from madv.data.frames import decode, index
from madv.errors import DataError

FRAMES = 24


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Grey level 10 x number, a key frame every 10 frames and frames that refer to later ones."""
    av = pytest.importorskip("av", reason="PyAV is not installed: pip install madv[video]")
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30, options={"g": "10", "bf": "2"})
        stream.width = stream.height = 32
        stream.pix_fmt, stream.bit_rate = "yuv420p", 8_000_000
        for number in range(1, FRAMES + 1):
            pixels = np.full((32, 32, 3), 10 * number, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_frames_by_number(video):
    recording = index(video)
    assert recording.numbers == list(range(1, FRAMES + 1))
    for numbers in ([1], [3, 4, 5, 12], [23, 24]):
        levels = decode(recording, numbers, 16)[:, 0].mean(axis=(1, 2))
        np.testing.assert_allclose(levels, 10 * np.array(numbers), atol=4)


def test_what_is_no_video(tmp_path, video):
    (tmp_path / "clip.avi").write_bytes(b"no video at all")
    with pytest.raises(DataError, match=r"clip\.avi: cannot be read as a video"):
        index(tmp_path / "clip.avi")
    (tmp_path / "short.mp4").write_bytes(video.read_bytes()[:200])
    with pytest.raises(DataError, match=r"short\.mp4: "):
        index(tmp_path / "short.mp4")


def test_without_pyav_the_way_out_is_named(video, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match=r"clip\.mp4: is a video: install PyAV to read it: pip install madv\[video\]"):
        index(video)
