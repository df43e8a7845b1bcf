"""The frames of a recording: found by number, decoded, cut to a square and resized."""

from __future__ import annotations

import io
import math
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image, UnidentifiedImageError

from madv.data.video import SUFFIXES as VIDEOS
from madv.data.video import count_frames, decode_video
from madv.errors import DataError, Problem

Pixels = npt.NDArray[np.uint8]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
MAPS = (*SUFFIXES, ".npy")
"""What depth maps may be."""
MOST_PIXELS = 50_000_000
"""Of one frame; the data sets have less than a million."""
_JPEG = b"\xff\xd8"
_NUMBER = re.compile(r"([0-9]{1,18})$")


class Box(NamedTuple):
    """A part of a picture, as shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """Where the frames of a clip are."""

    path: Path
    """A folder with one image a frame, or a video file."""
    files: dict[int, str]
    """Name by frame number, in rising order; of a video the numbers alone, from 1."""

    @property
    def numbers(self) -> list[int]:
        """Rising."""
        return list(self.files)

    def file(self, number: int) -> str:
        """Path of one frame, or of the video."""
        return os.path.join(self.path, self.files[number]) if self.files[number] else str(self.path)


def index(path: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Recording:
    """Find the frames of a clip. The number of an image is the last one in its name, padded or not.

    Raises:
        DataError: with one problem whose place is the path.
    """
    if path.suffix.lower() in VIDEOS and path.is_file():
        return Recording(path=path, files=dict.fromkeys(range(1, count_frames(path) + 1), ""))
    try:
        names = sorted(name for name in os.listdir(path) if not name.startswith("."))
    except OSError as error:
        raise _wrong(path, f"cannot be listed: {error.strerror}; it should hold the frames of a clip") from None
    files: dict[int, str] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in suffixes:
            continue
        number = _NUMBER.search(stem)
        if number is None:
            raise _wrong(path, f"holds {name}, an image without a frame number; move it elsewhere")
        other = files.setdefault(int(number[1]), name)
        if other != name:
            raise _wrong(path, f"holds {other} and {name}, both frame {int(number[1])}; remove one of them")
    if not files:
        found = f"none of its {len(names)} files is an image" if names else "the folder is empty"
        raise _wrong(path, f"holds no frames: {found} ({', '.join(suffixes)})")
    return Recording(path=path, files=dict(sorted(files.items())))


def pictures(recording: Recording, numbers: Sequence[int], least: int | None = None) -> Iterator[Pixels]:
    """The frames of the numbers in their order, each (H, W, C) with C = 3, or 1 where it is grey.

    Args:
        recording: that has the numbers.
        numbers: rising.
        least: a JPEG may come at 1/2, 3/8, 1/4 ... of its size as long as neither side is below this: its decoder
            averages pixels for less than the resizing would cost.

    Raises:
        DataError: a file cannot be decoded, or is larger than any frame.
    """
    if not recording.files[numbers[0]]:
        yield from decode_video(recording.path, numbers)
        return
    for number in numbers:
        yield _picture(recording.file(number), least)


def decode(recording: Recording, numbers: Sequence[int], size: int, box: Box | None = None) -> Pixels:
    """Frames as (K, C, size, size), C = 3, or 1 where all are grey.

    Args:
        recording: that has the numbers.
        numbers: rising.
        size: height and width, pixels.
        box: what to keep of each; None: the centre square.

    Raises:
        DataError: as `pictures`.
    """
    least = size if box is None else round(size / min(box.right - box.left, box.bottom - box.top))
    frames = [_resized(picture, size, box) for picture in pictures(recording, numbers, least)]
    channels = max(frame.shape[-1] for frame in frames)
    pixels = np.empty((len(frames), channels, size, size), dtype=np.uint8)
    for row, frame in enumerate(frames):
        pixels[row] = frame.transpose(2, 0, 1)
    return pixels


def decode_maps(
    recording: Recording, numbers: Sequence[int], size: int, box: Box | None = None
) -> npt.NDArray[np.float32]:
    """Depth maps as (K, size, size), in the units of their files: grey images of 8 or 16 bits, or .npy (H, W).

    Raises:
        DataError: a file cannot be decoded or is not one map.
    """
    maps = np.empty((len(numbers), size, size), dtype=np.float32)
    for row, number in enumerate(numbers):
        image = _map(recording.file(number))
        maps[row] = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, _edges(box, image.size)))
    return maps


def square(picture: Pixels, box: Box | None) -> Image.Image:
    """The part of a picture that `decode` keeps, at full size."""
    height, width, _ = picture.shape
    left, top, right, bottom = map(round, _edges(box, (width, height)))
    return _image(picture[top:bottom, left:right])


def _picture(file: str, least: int | None) -> Pixels:
    try:
        with open(file, "rb", buffering=0) as raw:
            data = raw.read()
        picture = _decode_jpeg(data, least) if data.startswith(_JPEG) else _decode_other(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _wrong(file, f"has more than {MOST_PIXELS:,} pixels; this is no frame of a face") from None
    except (OSError, SyntaxError, ValueError) as error:
        message = "is no image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise _wrong(file, f"cannot be decoded: {message}; copy it again from the data set") from None
    return picture


def _decode_jpeg(data: bytes, least: int | None) -> Pixels:
    # For small frames three times as fast as Pillow, whose reading of the header takes longer than the decoding.
    height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    if height * width > MOST_PIXELS:
        raise Image.DecompressionBombError
    picture: Pixels = simplejpeg.decode_jpeg(
        data, "GRAY" if colours == "Gray" else "RGB", min_height=least or 0, min_width=least or 0
    )
    return picture


def _decode_other(data: bytes) -> Pixels:
    with (
        warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
        Image.open(io.BytesIO(data)) as image,
    ):
        if image.width * image.height > MOST_PIXELS:
            raise Image.DecompressionBombError
        pixels = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _resized(picture: Pixels, size: int, box: Box | None) -> Pixels:
    height, width, channels = picture.shape
    if box is None and height == width == size:
        return picture
    left, top, right, bottom = _edges(box, (width, height))
    x, y = int(left), int(top)
    kept = _image(picture[y : math.ceil(bottom), x : math.ceil(right)])  # what is not needed need not be copied
    resized = kept.resize((size, size), Image.Resampling.BILINEAR, (left - x, top - y, right - x, bottom - y))
    return np.asarray(resized).reshape(size, size, channels)


def _image(picture: Pixels) -> Image.Image:
    return Image.fromarray(picture[:, :, 0] if picture.shape[-1] == 1 else picture)


def _map(file: str) -> Image.Image:
    if not file.lower().endswith(".npy"):
        try:
            with Image.open(file) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise _wrong(file, f"has more than {MOST_PIXELS:,} pixels; this is no depth map of a face")
                return image.convert("F")
        except (OSError, SyntaxError, ValueError) as error:
            raise _wrong(file, f"cannot be decoded: {error}; make the depth map again") from None
    try:
        values = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _wrong(file, f"cannot be read: {error}; make the depth map again") from None
    values = values[0] if values.ndim == 3 and len(values) == 1 else values
    if values.ndim != 2 or values.size > MOST_PIXELS:
        raise _wrong(file, f"has shape {values.shape}; a depth map is (height, width)")
    return Image.fromarray(np.asarray(values, dtype=np.float32))


def _edges(box: Box | None, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the box, or of the centre square, in pixels."""
    width, height = size
    if box is not None:
        return box.left * width, box.top * height, box.right * width, box.bottom * height
    side = min(size)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _wrong(place: Path | str, message: str) -> DataError:
    return DataError([Problem(place=str(place), message=message)])
