"""The arrays of a cache while it is made: written row by row by several processes, and taken up again after a kill."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LOG = "done.jsonl"
"""One line a finished row: stage, row, key, digest."""


class Layout(NamedTuple):
    """One array."""

    shape: tuple[int, ...]
    dtype: str

    def size(self) -> int:
        """Bytes."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


def allocate(folder: Path, arrays: Mapping[str, Layout]) -> None:
    """Make the files of all arrays at their full size, so that a disk without room for them is found out now.

    Raises:
        OSError: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, layout in arrays.items():
        file = folder / f"{name}.npy"
        array = _mapped(file)
        if array is not None and (array.shape, array.dtype) == (layout.shape, np.dtype(layout.dtype)):
            continue
        with file.open("wb") as out:
            header = {"descr": np.dtype(layout.dtype).str, "fortran_order": False, "shape": layout.shape}
            np.lib.format.write_array_header_1_0(out, header)
            out.flush()
            size = out.tell() + layout.size()
            # A sparse file would end a process with a bus error where the disk is full. macOS has no fallocate.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(out.fileno(), 0, size)
            else:
                out.truncate(size)


def write_row(folder: Path, name: str, row: int, values: npt.NDArray[Any]) -> None:
    """Write one row of an array; its type is the array's.

    Raises:
        OSError: the disk is full.
    """
    file = folder / f"{name}.npy"
    array = np.load(file, mmap_mode="r", allow_pickle=False)
    data = np.ascontiguousarray(values, dtype=array.dtype).reshape(-1).view(np.uint8).data
    assert len(data) == array[0].nbytes, f"{name}: {len(data)} bytes for a row of {array[0].nbytes}"
    # Not through the map: where the disk is full a write fails with an error, a page with a bus error.
    with file.open("r+b", buffering=0) as out:
        out.seek(array.offset + row * len(data))
        written = 0
        while written < len(data):
            written += out.write(data[written:])


def row_digest(streams: Mapping[str, npt.NDArray[Any]]) -> str:
    """SHA-256 of a clip's rows."""
    content = hashlib.sha256()
    for name, values in sorted(streams.items()):
        content.update(f"{name} {values.dtype.str}".encode())
        content.update(np.ascontiguousarray(values).data)
    return content.hexdigest()


def record(folder: Path, stage: str, row: int, key: str, digest: str) -> None:
    """Note that a row is done: after it was written."""
    line = json.dumps({"stage": stage, "row": row, "key": key, "digest": digest})
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(line + "\n")


def finished(folder: Path, stage: str, keys: Mapping[int, str], rows: Callable[[int], dict[str, int]]) -> set[int]:
    """Rows of a stage that a preparation before has left whole.

    Args:
        folder: being made.
        stage: of the log.
        keys: of what each row is made from, now.
        rows: row of each array that belongs to a row of the stage.
    """
    try:
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    noted: dict[int, str] = {}
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # the last line may be cut short
            entry = json.loads(line)
            if entry["stage"] == stage and keys.get(entry["row"]) == entry["key"]:
                noted[entry["row"]] = entry["digest"]
    names = {name for row in noted for name in rows(row)}
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}
    return {
        row for row, digest in noted.items() if row_digest({n: arrays[n][at] for n, at in rows(row).items()}) == digest
    }


@contextlib.contextmanager
def alone(lock: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock that ends with the process; `wait` is called once if somebody else holds it."""
    try:
        import fcntl
    except ImportError:  # Windows: nobody to wait for is known of
        yield
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _mapped(file: Path) -> npt.NDArray[Any] | None:
    try:
        array: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return array
