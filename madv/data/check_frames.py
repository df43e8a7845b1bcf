"""A data set's frames as they are on disk against its annotations: what is missing, damaged or leads elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from madv.data.annotations import generic
from madv.data.annotations.gather import Gathered
from madv.data.annotations.places import Place
from madv.data.annotations.record import Annotated
from madv.data.frames import Recording, index
from madv.data.layouts import leaves
from madv.errors import DataError, Problem

FIRST = 10
"""Examples of each kind of finding."""
_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND", b"BM": b""}
"""What the last bytes of a file hold, by its first two: JPEG, PNG, and BMP, which has no end mark."""
_TAIL = 64
_OUTSIDE = "paths that lead out of the folder, refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One kind of thing that is wrong or odd."""

    what: str
    """"clips without a folder"."""
    wrong: bool
    """Preparing fails or leaves clips out; otherwise it is only worth knowing."""
    number: int
    first: tuple[str, ...]
    """At most FIRST of them."""


@dataclass(slots=True)
class Notes:
    """Findings while they are gathered."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    odd: dict[str, list[str]] = field(default_factory=dict)

    def problems(self, what: str, problems: Iterable[Problem]) -> None:
        """Things of a DataError."""
        self.wrong.setdefault(what, []).extend(map(str, problems))

    def finish(self) -> tuple[Finding, ...]:
        """What is wrong, then what is odd."""
        return tuple(
            Finding(what=what, wrong=wrong, number=len(items), first=tuple(items[:FIRST]))
            for wrong, group in ((True, self.wrong), (False, self.odd))
            for what, items in group.items()
            if items
        )


def look(gathered: Gathered, notes: Notes) -> None:
    """Go through the clips and their folders."""
    for correction in gathered.annotations.corrections:
        row = f"row {correction.row}, " if correction.row else ""
        line = f"{row}{correction.sample_id}: {correction.what}"
        notes.odd.setdefault(f"corrections: {correction.kind}", []).append(line)
    if gathered.place is None and gathered.annotations.kind != generic.KIND:
        return  # said already, once for all clips
    folders: dict[str, list[Annotated]] = {}
    for clip in gathered.annotations.clips:
        folder = gathered.frames(clip)
        if folder is None:
            notes.wrong.setdefault("clips without a folder", []).append(f"{clip.sample_id}: {clip.folder}")
        else:
            folders.setdefault(folder, []).append(clip)
    for folder, clips in folders.items():
        path = gathered.root / folder
        if leaves(gathered.root, path):
            notes.wrong.setdefault(_OUTSIDE, []).append(f"{folder} -> {path.resolve()}")
            continue
        try:
            recording = index(path)
        except DataError as error:
            notes.problems("folders without usable frames", error.problems)
            continue
        _frames(recording, folder, clips, gathered.root, notes)
    if gathered.place is not None:
        notes.odd["folders that the annotations do not list"] = list(_strangers(gathered.place, set(folders)))


def _frames(recording: Recording, folder: str, clips: list[Annotated], root: Path, notes: Notes) -> None:
    """Numbers that are missing in each clip, and files that are broken or lead elsewhere."""
    used: set[int] = set()
    for clip in clips:
        there = recording.files
        first, last = clip.onset or min(there), clip.offset or max(there)
        lost = [number for number in range(first, last + 1) if number not in there]
        used.update(number for number in there if first <= number <= last)
        if lost:
            some = ", ".join(map(str, lost[:3])) + (" ..." if len(lost) > 3 else "")
            line = f"{clip.sample_id}: {len(lost)} of {last - first + 1} ({some}) in {folder}"
            notes.wrong.setdefault("clips with missing frames", []).append(line)
    for number in sorted(used):
        file = Path(recording.file(number))
        if file.is_symlink() and leaves(root, file):
            notes.wrong.setdefault(_OUTSIDE, []).append(f"{file.relative_to(root)} -> {file.resolve()}")
        elif recording.files[number] and (damage := _damage(file)) is not None:
            notes.wrong.setdefault("damaged files", []).append(f"{file.relative_to(root)}: {damage}")


def _damage(file: Path) -> str | None:
    """What is wrong with an image by its first and last bytes; None: nothing."""
    try:
        with file.open("rb") as data:
            start = data.read(2)
            size = data.seek(0, os.SEEK_END)
            data.seek(max(0, size - _TAIL))
            tail = data.read()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not size:
        return "empty"
    if start not in _ENDS:
        return "no image"
    return "cut short" if _ENDS[start] not in tail else None


def _strangers(place: Place, known: set[str]) -> Iterator[str]:
    """Folders of frames, as deep as those of the clips, that no clip is in."""
    if not known:
        return
    depth = len(PurePosixPath(next(iter(known))).parts) - len(place.base.parts)
    level = [place.base]
    for _ in range(depth):
        level = [folder / name for folder in level for name in place.names(folder)]
    for folder in level:
        if str(folder) not in known and (place.root / folder).is_dir():
            yield str(folder)
