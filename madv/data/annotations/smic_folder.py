"""SMIC-HS as its folders have it, with the spreadsheet where there is one: 164 clips in HS, 157 in HS_long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from madv.data.annotations.places import HS, Place, frame_numbers
from madv.data.annotations.record import Annotated, Annotations, Correction
from madv.data.annotations.smic import CLIP, KIND, clip_of
from madv.errors import DataError, Problem


def read_folder(place: Place, sheet: Annotations | None) -> Annotations:
    """All clips of the folder and of the spreadsheet.

    The short clips of HS are cut from onset to offset, so that their frames tell both; the long recordings of HS_long
    need the spreadsheet.

    Raises:
        DataError: there are only long recordings, and no spreadsheet.
    """
    if place.layout != HS:
        if sheet is None:
            message = (
                "holds long recordings: set dataset.annotations to SMIC-HS-E_annotation.xlsx, which has the onsets"
            )
            raise DataError([Problem(place=str(place.root / place.base), message=message)])
        return sheet
    listed = {clip.sample_id: clip for clip in (sheet.clips if sheet else ())}
    corrections = list(sheet.corrections if sheet else ())
    clips = {name: replace(clip, folder=_short(clip)) for name, clip in listed.items()}
    for folder in _folders(place):
        numbers = frame_numbers(place.root / folder)
        clip = clip_of(folder.name, None, numbers[0] if numbers else None, numbers[-1] if numbers else None)
        clip = replace(clip, folder=str(folder.relative_to(place.base)))
        old = listed.get(clip.sample_id)
        if old is not None:
            if numbers and (old.onset, old.offset) != (clip.onset, clip.offset):
                what = f"{old.onset} to {old.offset}, but the folder has {clip.onset} to {clip.offset}, which is read"
                kind = "onset and offset"
                corrections.append(Correction(row=old.row, sample_id=clip.sample_id, kind=kind, what=what))
            clip = replace(clip, row=old.row, notes=old.notes)
        clips[clip.sample_id] = clip
    return Annotations(
        kind=KIND, file=sheet.file if sheet else None, clips=tuple(clips.values()), corrections=tuple(corrections)
    )


def _short(clip: Annotated) -> str:
    subject, name = clip.folder.split("/")
    return f"{subject}/micro/{clip.emotion}/{name}"


def _folders(place: Place) -> Iterator[PurePosixPath]:
    for subject in place.names():
        for emotion in place.names(place.base / subject / "micro"):
            for name in place.names(place.base / subject / "micro" / emotion):
                if CLIP.fullmatch(name):
                    yield place.base / subject / "micro" / emotion / name
