"""The frames of a video file, by number from 1, through PyAV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from madv.errors import DataError, Problem

SUFFIXES = (".avi", ".mp4", ".mov", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg")
MOST_PIXELS = 50_000_000
"""Of one frame."""


def count_frames(path: Path) -> int:
    """Number of frames, without decoding any.

    Raises:
        DataError: PyAV is not installed, or the file is no video.
    """
    return len(_packets(path))


def decode_video(path: Path, numbers: Sequence[int]) -> Iterator[npt.NDArray[np.uint8]]:
    """The frames of the rising numbers, from 1 in the order that they are shown, as RGB (H, W, 3).

    Frames are told apart by their times, so that a seek to the last key frame before the first is exact, and a frame
    rate that varies does not matter.

    Raises:
        DataError: as `count_frames`, or the video breaks off.
    """
    packets = _packets(path)
    wanted = [packets[number - 1].shown for number in numbers]
    keys = [packet.decoded for packet in packets if packet.key and packet.shown <= wanted[0]]
    av = _av(path)
    found = 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if keys:
                container.seek(keys[-1], stream=stream)
            for frame in container.decode(stream):
                if frame.width * frame.height > MOST_PIXELS:
                    raise _wrong(path, f"has frames of more than {MOST_PIXELS:,} pixels; this is no video of a face")
                while found < len(wanted) and frame.pts == wanted[found]:
                    found += 1
                    yield frame.to_ndarray(format="rgb24")
                if found == len(wanted):
                    return
    except av.FFmpegError as error:
        raise _wrong(path, f"cannot be decoded at frame {numbers[found]}: {error.strerror}") from None
    raise _wrong(path, f"breaks off before frame {numbers[found]}; copy it again")


class _Packet(NamedTuple):
    """One frame in the file, in the file's units of time."""

    shown: int
    decoded: int
    """Seeking goes by this one, which is earlier where frames refer to later ones."""
    key: bool


def _packets(path: Path) -> list[_Packet]:
    """All frames in the order that they are shown."""
    av = _av(path)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise _wrong(path, "has no video in it")
            packets = sorted(
                _Packet(packet.pts, packet.pts if packet.dts is None else packet.dts, packet.is_keyframe)
                for packet in container.demux(container.streams.video[0])
                if packet.pts is not None
            )
    except av.FFmpegError as error:
        raise _wrong(path, f"cannot be read as a video: {error.strerror}") from None
    if not packets:
        raise _wrong(path, "has no frames; copy it again")
    return packets


def _av(path: Path) -> Any:
    try:
        import av
    except ImportError:
        raise _wrong(path, "is a video: install PyAV to read it: pip install madv[video]") from None
    return av


def _wrong(path: Path, message: str) -> DataError:
    return DataError([Problem(place=str(path), message=message)])
