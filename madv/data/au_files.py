"""Estimated action units from the CSV files of OpenFace 2, py-feat and LibreFace, aligned to frame numbers."""

from __future__ import annotations

import csv
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from madv.errors import DataError, Problem

# Intensities: OpenFace AU01_r (0 to 5, after a space), py-feat AU01 (0 to 1), LibreFace au_1_intensity (0 to 5).
_UNIT = re.compile(r"(?:AU0*([0-9]{1,2})(?:_r)?|au_0*([0-9]{1,2})_intensity)")
_FRAME = ("frame", "frame_idx")
_IMAGE = ("input", "image", "filename")
"""py-feat names the image of each row."""
_NUMBER = re.compile(r"(?<![0-9])([0-9]{1,15})\.[A-Za-z]+$")
LARGEST = 1e9
"""Far beyond any intensity and any frame number."""

Order = Literal["numbers", "names"]


class Estimates(NamedTuple):
    """One CSV file."""

    names: tuple[str, ...]
    """AU1, AU2 ... by number."""
    values: npt.NDArray[np.float32]
    """(n_au, frames) intensities; not a number where no face was found."""
    frames: npt.NDArray[np.int64]
    """(frames,) numbers as the file counts them."""
    images: bool
    """The numbers are those of the images, not a count of rows."""


def find(folder: Path, sample_id: str, frames: str) -> Path:
    """The CSV file of a clip: <sample id>.csv, or the path of its frames with .csv, or their folder's name with .csv.

    Raises:
        DataError: there is none.
    """
    names = dict.fromkeys((f"{sample_id}.csv", f"{frames}.csv", f"{Path(frames).name}.csv"))
    for name in names:
        if os.path.isfile(folder / name):
            return folder / name
    raise _wrong(folder, f"has no action units of {sample_id}; looked for {', '.join(names)}")


def read(file: Path) -> Estimates:
    """Read one file; columns that are no intensities are passed over.

    Raises:
        DataError: it is none of the three formats, or a value is no number.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            table = list(csv.reader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _wrong(file, f"cannot be read: {error}") from None
    header = [name.strip() for name in table[0]] if table else []
    rows = [row for row in table[1:] if row]
    units = _unit_columns(header)
    if not units or not rows:
        message = "has no intensities: columns AU01_r ... (OpenFace), AU01 ... (py-feat) or au_1_intensity (LibreFace)"
        raise _wrong(file, message if not units else "has no rows")
    short = next((number for number, row in enumerate(rows, start=2) if len(row) < len(header)), None)
    if short is not None:
        raise _wrong(file, f"line {short} breaks off; estimate this clip again")
    values = np.array([[_number(file, line, row[c]) for c in units.values()] for line, row in enumerate(rows, start=2)])
    for name in ("success", "face_success"):
        if name in header:
            seen = np.array([_number(file, line, row[header.index(name)]) for line, row in enumerate(rows, start=2)])
            values[seen == 0] = np.nan
    frames, images = _frame_numbers(file, header, rows)
    return Estimates(names=tuple(units), values=values.T.astype(np.float32), frames=frames, images=images)


def align(file: Path, estimates: Estimates, recorded: Mapping[int, str], order: Order | None) -> Estimates:
    """Give each row the number of its frame.

    Rows whose numbers are not those of the frames count the frames from 0 or 1, in the order of the frames' numbers
    or of their names, which differ where numbers are not padded.

    Args:
        file: for messages.
        estimates: of the file.
        recorded: name by number of all frames of the recording, rising; names are empty in a video.
        order: of rows that only count.

    Raises:
        DataError: numbers of rows and frames differ, or the order cannot be told.
    """
    numbers = np.array(list(recorded), dtype=np.int64)
    if estimates.images or set(estimates.frames.tolist()) == set(recorded):
        return estimates
    if len(estimates.frames) != len(numbers):
        count = f"{len(estimates.frames)} rows for {len(numbers)} frames ({numbers[0]} to {numbers[-1]})"
        raise _wrong(file, f"has {count}; estimate this clip again from the same frames")
    by_name = np.array(sorted(recorded, key=recorded.__getitem__), dtype=np.int64)
    if order is None and (by_name != numbers).any():
        way = "set dataset.au.order=names if the folder was read by name, numbers if a video was read"
        raise _wrong(file, f"only counts its rows, and the frames' names and numbers are in different orders: {way}")
    frames = (by_name if order == "names" else numbers)[np.argsort(np.argsort(estimates.frames, kind="stable"))]
    return estimates._replace(frames=frames)


def at(file: Path, estimates: Estimates, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Intensities (n_au, T) at fractional frame numbers, linear between frames in which a face was found.

    Raises:
        DataError: no face was found between the first and the last position.
    """
    known = np.isfinite(estimates.values).all(axis=0)
    inside = known & (estimates.frames >= np.floor(positions[0])) & (estimates.frames <= np.ceil(positions[-1]))
    if not inside.any():
        where = f"frames {positions[0]:g} to {positions[-1]:g}"
        raise _wrong(file, f"found no face in {where}; estimate this clip again or leave it out")
    order = np.argsort(estimates.frames[known], kind="stable")
    frames, values = estimates.frames[known][order], estimates.values[:, known][:, order]
    return np.stack([np.interp(positions, frames, row) for row in values]).astype(np.float32)


def _unit_columns(header: Sequence[str]) -> dict[str, int]:
    """Column by action unit, by number."""
    found = [(_UNIT.fullmatch(name), place) for place, name in enumerate(header)]
    numbered = [(int(match[1] or match[2]), place) for match, place in found if match]
    # OpenFace's AU28 has no intensity; a unit with two columns keeps the first.
    return {
        f"AU{number}": next(places)[1] for number, places in itertools.groupby(sorted(numbered), lambda pair: pair[0])
    }


def _frame_numbers(
    file: Path, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[npt.NDArray[np.int64], bool]:
    for name in _IMAGE:
        if name in header:
            matches = [_NUMBER.search(row[header.index(name)].strip()) for row in rows]
            numbers = [int(match[1]) for match in matches if match]
            if len(set(numbers)) == len(rows):
                return np.array(numbers, dtype=np.int64), True
    for name in _FRAME:
        if name in header:
            values = [_number(file, line, row[header.index(name)]) for line, row in enumerate(rows, start=2)]
            odd = next((line for line, value in enumerate(values, start=2) if not value.is_integer()), None)
            if odd is not None:
                raise _wrong(file, f"line {odd} has no whole number as its {name}; estimate this clip again")
            if len(set(values)) < len(values):
                raise _wrong(file, "has two rows for one frame (two faces?); keep one face a frame")
            return np.array(values).astype(np.int64), False
    return np.arange(len(rows), dtype=np.int64), False


def _number(file: Path, line: int, cell: str) -> float:
    try:
        number = float(cell) if cell.strip() else float("nan")
    except ValueError:
        number = float("inf")
    if abs(number) > LARGEST:
        raise _wrong(file, f"line {line}: {cell.strip()!r} is no number that can be; estimate this clip again")
    return number


def _wrong(place: Path, message: str) -> DataError:
    return DataError([Problem(place=str(place), message=message)])
