"""A data set's annotations and folders brought together: which file, which folders, and what only both tell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from madv.data.annotations import casme_sq, generic, smic
from madv.data.annotations.kinds import KINDS, find_file, find_files, read
from madv.data.annotations.places import LAYOUTS, Place, frame_numbers, locate
from madv.data.annotations.record import Annotated, Annotations, Correction
from madv.data.annotations.smic_folder import read_folder
from madv.errors import DataError, Problem


class Source(NamedTuple):
    """Where one data set is."""

    kind: str
    setting: str
    """What its path is set with: dataset.path, dataset.samm_path."""
    path: Path | None
    annotations: str | None
    """The file; None: found in the folder."""
    images: str = ""


class Gathered(NamedTuple):
    """One data set as it is on disk."""

    annotations: Annotations
    root: Path
    place: Place | None
    """None: the folder with the frames is missing, or any folder will do (a manifest's)."""

    def frames(self, clip: Annotated) -> str | None:
        """The folder (or film) of a clip, relative to the root; None where it is missing."""
        if self.annotations.kind == generic.KIND:
            return clip.folder if os.path.exists(self.root / clip.folder) else None  # a name too long is none
        return None if self.place is None else self.place.clip(clip.folder)


def gather(source: Source) -> Gathered:
    """Find and read the annotations of a data set, and find its frames.

    Raises:
        DataError: the folder or the annotations are not there, or are something else.
    """
    root = _root(source)
    place = None if source.kind == generic.KIND else locate(source.kind, root, source.images)
    file = Path(source.annotations).expanduser() if source.annotations else find_file(root, source.kind)
    if file is None:
        if source.kind != smic.KIND or place is None:
            raise _no_file(source, root)
        return Gathered(read_folder(place, None), root, place)
    annotations = read(file, source.kind)
    if source.kind == smic.KIND and place is not None:
        annotations = read_folder(place, annotations)
    if source.kind == casme_sq.KIND and place is not None:
        annotations = _end_with_film(annotations, place)
    return Gathered(annotations, root, place)


def missing(gathered: Gathered, source: Source) -> Iterator[Problem]:
    """What is missing as a whole; a clip's own folder is `Gathered.frames`'s matter."""
    if gathered.place is None and source.kind != generic.KIND:
        names = " or ".join(f"{name}/" for name in LAYOUTS[source.kind][source.images])
        there = [i for i in LAYOUTS[source.kind] if i != source.images and locate(source.kind, gathered.root, i)]
        way_out = f"set dataset.images={there[0]}" if there else f"{source.setting} must be the folder that holds it"
        yield Problem(place=str(gathered.root), message=f"holds no {names} with the subjects' folders; {way_out}")


def _root(source: Source) -> Path:
    title = KINDS[source.kind].title
    path = source.path
    if path is None and source.kind == generic.KIND and source.annotations:
        path = Path(source.annotations).parent
    if path is None:
        message = f"is not set; set {source.setting} to the folder of {title} as downloaded"
        raise DataError([Problem(place=source.setting, message=message)])
    path = path.expanduser()
    if not path.is_dir():
        message = f"is no folder; {source.setting} must be the folder of {title} as downloaded"
        raise DataError([Problem(place=str(path), message=message)])
    return path


def _no_file(source: Source, root: Path) -> DataError:
    others = [f"{file.name} ({KINDS[kind].title})" for kind, files in find_files(root).items() for file in files]
    but = f", but {', '.join(others)}" if others else ""
    setting = source.setting.replace("path", "annotations")
    message = f"holds no annotation file of {KINDS[source.kind].title}{but}; put it there or set {setting}"
    return DataError([Problem(place=str(root), message=message)])


def _end_with_film(annotations: Annotations, place: Place) -> Annotations:
    """An offset that was missing and is guessed cannot be after the end of the film."""
    guessed = {c.sample_id for c in annotations.corrections if c.kind == "missing offset"}
    clips: list[Annotated] = []
    corrections = list(annotations.corrections)
    for clip in annotations.clips:
        folder = place.clip(clip.folder) if clip.sample_id in guessed else None
        last = max(frame_numbers(place.root / folder), default=None) if folder else None
        if last is not None and clip.apex is not None and clip.offset is not None and clip.apex <= last < clip.offset:
            what = f"the film ends with frame {last}, before {clip.offset}: {last} is read"
            corrections.append(Correction(row=clip.row, sample_id=clip.sample_id, kind="end of the film", what=what))
            clip = replace(clip, offset=last)
        clips.append(clip)
    return replace(annotations, clips=tuple(clips), corrections=tuple(corrections))
