"""A file system of a few megabytes that can be filled and made read-only: file modes do not bind root."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 30
"""Seconds."""


@contextlib.contextmanager
def small_disk(place: Path, *, megabytes: int) -> Iterator[Path]:
    """A tmpfs mounted at a folder."""
    place.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place))
    try:
        yield place
    finally:
        # Lazily: a process that is about to end may still hold a file.
        _run("umount", "--lazy", str(place))


def writable(place: Path, yes: bool) -> None:
    """Mount it read-only or writable once more. Nobody may be writing at that moment: a cell is written in one."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            _run("mount", "-o", f"remount,{'rw' if yes else 'ro'}", str(place))
        except subprocess.CalledProcessError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def fill(place: Path) -> Path:
    """Leave no byte free; the file to remove for space."""
    filler = place / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
