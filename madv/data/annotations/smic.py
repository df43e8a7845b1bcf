"""SMIC-HS: by its spreadsheet (157 clips) or by its folders (164); no action units and no apex."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from madv.data.annotations.record import Annotated, Annotations, Findings
from madv.data.annotations.sheets import Sheet
from madv.data.annotations.tables import Row, Table, find_table

KIND, TITLE, FPS = "smic", "SMIC-HS", 100.0
EMOTIONS = ("negative", "positive", "surprise")
NO_APEX = "no apex is annotated: the middle frame is read"
CLIP = re.compile(r"s0*(?P<number>\d{1,3})_(?P<emotion>ne|po|sur)_(?P<count>\d{1,4})", re.IGNORECASE)
"""s1_ne_01 or s01_ne_01."""

ONLY_SHORT = ("s01_ne_02", "s02_sur_05", "s03_ne_03", "s03_ne_20", "s04_ne_05", "s04_ne_06", "s09_sur_02")
"""Clips that neither the spreadsheet nor the long recordings have."""

_NAMES = {"ne": "negative", "po": "positive", "sur": "surprise"}
# The sheet of the fast camera has LastF, the one of the slow camera, which counts other frames, has not.
_COLUMNS = ("subject", "filename", "onsetf", "offsetf", "emotion", "lastf")


def find(sheets: Sequence[Sheet]) -> Table | None:
    """The table of the fast camera, if this is SMIC's."""
    table = find_table(sheets, _COLUMNS)
    return table if table and table.most("filename", CLIP.pattern) else None


def read(table: Table, sheets: Sequence[Sheet], file: Path) -> Annotations:
    """All clips of the file."""
    findings = Findings(str(file))
    clips = [clip for row in table if (clip := _clip(row, findings)) is not None]
    return findings.finish(KIND, file, clips)


def clip_of(name: str, row: int | None = None, onset: int | None = None, offset: int | None = None) -> Annotated:
    """The clip of that name, which says whose it is and what it shows."""
    parts = CLIP.fullmatch(name)
    assert parts is not None
    subject = f"s{int(parts['number']):02d}"
    clip = f"{subject}_{parts['emotion'].lower()}_{int(parts['count']):02d}"
    return Annotated(
        row=row,
        sample_id=f"{subject}/{clip}",
        subject=subject,
        emotion=_NAMES[parts["emotion"].lower()],
        folder=f"{subject}/{clip}",
        onset=onset,
        apex=None if onset is None or offset is None else (onset + offset) // 2,
        offset=offset,
        fps=FPS,
        notes=(NO_APEX,),
    )


def _clip(row: Row, findings: Findings) -> Annotated | None:
    name = findings.name(row, "filename", CLIP.pattern, "s01_ne_01")
    if name is None:
        return None
    onset, offset = findings.frame(row, "onsetf"), findings.frame(row, "offsetf")
    if onset is None or offset is None:
        findings.wrong(row, "has no onset or offset (a formula without its value? Open and save it in a spreadsheet)")
    elif onset > offset:
        findings.wrong(row, f"onset {onset} is after offset {offset}")
    clip = clip_of(name[0], row.number, onset, offset)
    emotion = findings.emotion(row, "emotion", clip.sample_id, EMOTIONS)
    if emotion != clip.emotion and emotion in EMOTIONS:
        what = f"{emotion!r}, but the clip's name and folder say {clip.emotion!r}, which is read"
        findings.corrected(row, clip.sample_id, "emotion", what)
    if row.text("subject").lstrip("sS0").removesuffix(".0") != name["number"]:
        findings.wrong(row, f"subject {row.text('subject')} has clip {name[0]}, which is another subject's")
    second = findings.frame(row, "onset2f")
    if second is None:
        return clip
    note = f"a second onset at {second}, offset {row.text('offset2f')}: the first is read"
    return replace(clip, notes=(*clip.notes, note))
