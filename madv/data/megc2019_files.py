"""The two layouts of the MEGC2019 flow images: one npz file, and the public folder of PNG images with a label CSV."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from madv.data.layouts import refuse_outside
from madv.errors import DataError, Problem

CLASS_NAMES = ("negative", "positive", "surprise")
LAYOUTS = "the npz file, or the folder with the PNG images and their label CSV"
SIZE = 28
MOST_PROBLEMS = 12
MOST_BYTES = 64 * 2**20
"""Of an npz file, unpacked; the public one has 1 MB."""

_ARRAYS = ("x", "y", "subject", "dataset", "clip")
_COLUMNS = ("dataset", "sub", "filename_o", "label")


class Raw(NamedTuple):
    """Either layout's content, in its own order."""

    images: npt.NDArray[np.uint8]
    """(N, 28, 28, 3): u, v, strain."""
    labels: npt.NDArray[np.int64]
    """(N,) indices into CLASS_NAMES."""
    dataset: list[str]
    subject: list[str]
    clip: list[str]

    def names(self) -> list[str]:
        """Data set, subject and clip of each image, e.g. "casme2/sub01/EP02_01f"."""
        return ["/".join(parts) for parts in zip(self.dataset, self.subject, self.clip, strict=True)]


def find(path: Path) -> list[Path]:
    """What dataset.path can be: the npz file itself, or of a folder the npz files in it, or it with its label CSV."""
    if not path.is_dir():
        return [path] if path.suffix == ".npz" else []
    found = [file for file in sorted(path.glob("*.npz")) if _has_arrays(file)]
    return found or ([path] if _label_tables(path) else [])


def source_files(path: Path) -> list[Path]:
    """The files that `path` stands for: itself, or a folder's label CSV and the images that it lists."""
    if not path.is_dir():
        return [path]
    table, rows = _label_table(path)
    return [table, *_images(path, table, rows)]


def read_npz(path: Path) -> Raw:
    """Arrays x (N, 28, 28, 3) uint8, y (N,), subject, dataset and clip (N,)."""
    try:
        # Opened here, since np.load leaves its own file open where it finds no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            unpacked = sum(member.file_size for member in archive.zip.infolist())
            if unpacked > MOST_BYTES:
                raise _wrong(path, [f"unpacks to {unpacked / 2**20:,.0f} MB, more than {MOST_BYTES // 2**20}: refused"])
            missing = [name for name in _ARRAYS if name not in archive]
            arrays = {name: archive[name] for name in _ARRAYS if name in archive}
            has = ", ".join(sorted(archive)) or "nothing"
    except (ValueError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile, MemoryError, OverflowError):
        raise _wrong(path, [f"cannot be read as an npz file; dataset.path must be {LAYOUTS}"]) from None
    problems = [f"has no array {name!r}; it has {has}" for name in missing] or _array_problems(arrays)
    if problems:
        raise _wrong(path, problems)
    dataset, subject, clip = ([str(value) for value in arrays[name]] for name in ("dataset", "subject", "clip"))
    raw = Raw(arrays["x"], arrays["y"].astype(np.int64), dataset, subject, clip)
    _check_unique(path, raw.names())
    return raw


def read_folder(path: Path) -> Raw:
    """Images `<sub>_<filename_o> .png` (the space is theirs) and a CSV with columns dataset, sub, filename_o, label."""
    table, rows = _label_table(path)
    images = [_read_image(file) for file in _images(path, table, rows)]
    problems = [image for image in images if isinstance(image, str)]
    if problems:
        raise _wrong(path, problems)
    return Raw(
        images=_flow_first(np.stack([image for image in images if not isinstance(image, str)])),
        labels=np.array([int(row["label"]) for row in rows], dtype=np.int64),
        dataset=[row["dataset"] for row in rows],
        subject=[row["sub"] for row in rows],
        clip=[row["filename_o"] for row in rows],
    )


def _wrong(place: Path, messages: list[str]) -> DataError:
    """Every problem of one place; a long list is cut."""
    shown = [Problem(place=str(place), message=message) for message in messages[:MOST_PROBLEMS]]
    if len(messages) > MOST_PROBLEMS:
        shown.append(Problem(place=str(place), message=f"... and {len(messages) - MOST_PROBLEMS} more of this kind"))
    return DataError(shown)


def _check_unique(place: Path, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise _wrong(place, [f"has clip {name} more than once" for name in twice])


def _array_problems(arrays: dict[str, npt.NDArray[Any]]) -> list[str]:
    problems = []
    images, labels = arrays["x"], arrays["y"]
    number = labels.size
    if images.shape != (number, SIZE, SIZE, 3) or not number:
        problems.append(f"x has shape {images.shape}, not (N, {SIZE}, {SIZE}, 3) with N = {number}, the labels of y")
    if images.dtype != np.uint8:
        problems.append(f"x holds {images.dtype}, not uint8")
    if labels.dtype.kind not in "iu" or not np.isin(labels, range(len(CLASS_NAMES))).all():
        problems.append("y must hold 0 (negative), 1 (positive) and 2 (surprise) only")
    for name in _ARRAYS[1:]:
        if arrays[name].shape != (number,):
            problems.append(f"{name} has shape {arrays[name].shape}, not ({number},)")
    return problems


def _has_arrays(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return {f"{name}.npy" for name in _ARRAYS} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _label_tables(path: Path) -> list[tuple[Path, list[dict[str, str]]]]:
    """The CSV files with the columns of the labels, in the folder or one below, and their rows."""
    tables = []
    for file in sorted([*path.glob("*.csv"), *path.glob("*/*.csv")]):
        try:
            with file.open(newline="", encoding="utf-8-sig") as lines:
                reader = csv.DictReader(lines)
                if set(_COLUMNS) <= set(reader.fieldnames or ()):
                    tables.append((file, [{name: (row[name] or "").strip() for name in _COLUMNS} for row in reader]))
        except (OSError, UnicodeDecodeError, csv.Error):
            continue  # some other table
    return tables


def _label_table(path: Path) -> tuple[Path, list[dict[str, str]]]:
    """The only one."""
    tables = _label_tables(path)
    if not tables:
        columns = ", ".join(_COLUMNS)
        raise _wrong(path, [f"holds no CSV with columns {columns}; dataset.path must be {LAYOUTS}"])
    if len(tables) > 1:
        raise _wrong(path, ["holds several label tables: " + ", ".join(str(t.relative_to(path)) for t, _ in tables)])
    table, rows = tables[0]
    if not rows:
        raise _wrong(table, ["lists no clips"])
    digits = {str(label) for label in range(len(CLASS_NAMES))}
    # Row 1 is the header.
    wrong = [(number, row["label"]) for number, row in enumerate(rows, start=2) if row["label"] not in digits]
    if wrong:
        raise _wrong(table, [f"row {number}: label {label!r} is not 0, 1 or 2" for number, label in wrong])
    _check_unique(table, ["/".join((row["dataset"], row["sub"], row["filename_o"])) for row in rows])
    return table, rows


def _images(path: Path, table: Path, rows: list[dict[str, str]]) -> list[Path]:
    """The image of each row, in the one folder (here or at most two below) that holds most of them."""
    wanted = [f"{row['sub']}_{row['filename_o']} .png" for row in rows]
    folders = [path, *(child for depth in ("*", "*/*") for child in sorted(path.glob(depth)) if child.is_dir())]
    best, here = path, set[str]()
    for folder in folders:
        try:
            found = {file.name for file in folder.iterdir()} & set(wanted)
        except OSError:
            continue  # not ours to read
        if len(found) > len(here):
            best, here = folder, found
    missing = [name for name in wanted if name not in here]
    if missing:
        raise _wrong(best, [f"has no image {name!r}, which {table.name} lists" for name in missing])
    files = [best / name for name in wanted]
    refuse_outside(path, (file for file in files if file.is_symlink()))
    return files


def _read_image(file: Path) -> npt.NDArray[np.uint8] | str:
    """(28, 28, 3) pixels, or what is wrong."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if image.size != (SIZE, SIZE):
                return f"{file.name!r} is {image.width} x {image.height}, not {SIZE} x {SIZE}"
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return f"{file.name!r} is no image"


def _flow_first(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(N, 28, 28, 3) as u, v, strain, also where the images were saved by a library that puts blue first.

    Strain is zero nearly everywhere and flow is not: the channel of the strain is dark.
    """
    first, last = np.median(images[..., 0]), np.median(images[..., 2])
    return np.ascontiguousarray(images[..., ::-1]) if first < last / 2 else images
