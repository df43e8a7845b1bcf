"""Which data set an annotation file belongs to, by its content, and where it is in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from madv.data.annotations import casme2, casme_sq, generic, samm, smic
from madv.data.annotations.record import Annotations
from madv.data.annotations.sheets import SUFFIXES, Sheet, read_sheets
from madv.data.annotations.tables import Table
from madv.errors import DataError, Problem


class Kind(NamedTuple):
    """How the annotations of one data set are recognised and read."""

    title: str
    find: Callable[[Sequence[Sheet]], Table | None]
    read: Callable[[Table, Sequence[Sheet], Path], Annotations]


_ENOUGH = 80
"""Rows that tell one file from another."""

KINDS = {
    module.KIND: Kind(module.TITLE, module.find, module.read) for module in (casme2, samm, smic, casme_sq, generic)
}


def recognise(file: Path) -> str | None:
    """The kind of data set that a file annotates, or None.

    Raises:
        DataError: the file cannot be read.
    """
    sheets = read_sheets(file, most_rows=_ENOUGH)
    return next((name for name, kind in KINDS.items() if kind.find(sheets) is not None), None)


def read(file: Path, kind: str) -> Annotations:
    """All clips that a file annotates.

    Raises:
        DataError: the file is of another data set (named), or has wrong rows (all of them).
    """
    sheets = read_sheets(file)
    table = KINDS[kind].find(sheets)
    if table is not None:
        return KINDS[kind].read(table, sheets, file)
    wanted = f"not one of {KINDS[kind].title}"
    for name, other in KINDS.items():
        if other.find(sheets) is not None:
            message = f"is an annotation file of {other.title}, {wanted}: set dataset={name}, or another file"
            raise _wrong(file, message)
    raise _wrong(file, f"is {wanted}, nor of any data set known; set dataset.annotations to the file as published")


def find_files(root: Path) -> dict[str, list[Path]]:
    """Annotation files in a folder and in the folders right below, by kind and by nothing but their content."""
    found: dict[str, list[Path]] = {}
    for file in sorted(file for pattern in ("*", "*/*") for file in root.glob(pattern)):
        if file.suffix.lower() not in SUFFIXES or file.name.startswith(("~$", ".")):
            continue
        try:
            kind = recognise(file)
        except DataError:
            continue  # some other file; if it is the one that is missed, naming it tells what is wrong with it
        if kind is not None:
            found.setdefault(kind, []).append(file)
    return found


def find_file(root: Path, kind: str) -> Path | None:
    """The annotation file of a data set in its folder, or None.

    Raises:
        DataError: there are several.
    """
    files = find_files(root).get(kind, [])
    if len(files) > 1:
        names = ", ".join(str(file.relative_to(root)) for file in files)
        raise _wrong(root, f"holds several of {KINDS[kind].title}: {names}; set dataset.annotations to one of them")
    return files[0] if files else None


def _wrong(place: Path, message: str) -> DataError:
    return DataError([Problem(place=str(place), message=message)])
