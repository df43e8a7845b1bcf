"""Which data sets a folder holds: by its annotation files' content and by the names of its folders."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from madv.data.annotations import kinds
from madv.data.annotations.places import LAYOUTS, Place, locate
from madv.data.annotations.sheets import SUFFIXES
from madv.errors import DataError, Problem

_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".rar", ".7z")
_MOST_UNPACKED = 100
"""Times its size; frames are compressed already."""
_FIRST = 10


class Found(NamedTuple):
    """What there is of one data set."""

    kind: str
    files: list[Path]
    """Annotation files."""
    places: dict[str, Place]
    """Folders of frames, by kind of images."""


def recognise(root: Path) -> list[Found]:
    """The data sets in a folder, by kind; none where nothing is known."""
    files = kinds.find_files(root)
    found = []
    for kind in kinds.KINDS:
        layouts = LAYOUTS.get(kind, {})
        places = {images: place for images in layouts if (place := locate(kind, root, images)) is not None}
        if kind in files or places:
            found.append(Found(kind, files.get(kind, []), places))
    # Subjects' folders alone, s01 or 006, may be anybody's: they count where nothing else says whose they are.
    sure = [each for each in found if each.files or any(_named(place) for place in each.places.values())]
    return sure or found


def _named(place: Place) -> bool:
    """Whether the folder of frames has the name that it is downloaded with."""
    return (place.root / place.base).resolve().name == PurePosixPath(place.layout).name


def unreadable(root: Path) -> Iterator[Problem]:
    """What is wrong with tables of the folder that cannot be read: damaged, or of an absurd size once unpacked."""
    for file in sorted(file for pattern in ("*", "*/*") for file in root.glob(pattern)):
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(("~$", ".")):
            try:
                kinds.recognise(file)
            except DataError as error:
                yield from error.problems


def leaves(root: Path, path: Path) -> bool:
    """Whether a path below the root leads out of it, by a link or by `..`."""
    return not path.resolve().is_relative_to(root.resolve())


def refuse_outside(root: Path, paths: Iterable[Path]) -> None:
    """Stop at paths below the root that lead out of it.

    Raises:
        DataError: with all of them.
    """
    outside = [path for path in paths if leaves(root, path)]
    if outside:
        way = "copy there what it leads to, or name a folder that holds both"
        raise DataError(
            [Problem(place=str(path), message=f"leads out of {root}, to {path.resolve()}; {way}") for path in outside]
        )


def no_folder(path: Path) -> str:
    """Why a path cannot be looked at, with the way out. Archives are not unpacked."""
    if not path.exists():
        return "does not exist; name the folder of a data set as downloaded"
    if path.suffix.lower() not in _ARCHIVES:
        return "is a file; name the folder of a data set as downloaded"
    try:
        with zipfile.ZipFile(path) as archive:
            members: list[Any] = archive.infolist()
    except (OSError, zipfile.BadZipFile):
        return "is an archive; unpack it and name the folder"
    size, packed = sum(member.file_size for member in members), path.stat().st_size
    away = next(
        (m.filename for m in members if ".." in PurePosixPath(m.filename).parts or m.filename[:1] in "/\\"), None
    )
    if away is not None:
        return f"is refused: its member {away!r} leads out of the folder that it is unpacked to"
    if size > _MOST_UNPACKED * packed:
        return f"is refused: it unpacks to {size / 2**20:,.1f} MB from {packed / 2**20:,.1f} MB, as no data set does"
    return f"is an archive of {size / 2**20:,.1f} MB; unpack it and name the folder"


def unknown_folder(root: Path) -> str:
    """Why nothing in a folder is known, with the way out."""
    there = sorted(entry.name for entry in os.scandir(root) if not entry.name.startswith("."))
    holds = f"{', '.join(there[:_FIRST])}{' ...' if len(there) > _FIRST else ''}" if there else "nothing"
    archives = [name for name in there if name.lower().endswith(_ARCHIVES)]
    way_out = (
        f"unpack {archives[0]}"
        if archives
        else "name the folder as downloaded, put its annotation file there, or write a manifest"
    )
    titles = ", ".join(kind.title for kind in kinds.KINDS.values())
    return f"is none of {titles}; it holds {holds}: {way_out}"
