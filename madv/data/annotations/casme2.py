"""CASME-II: 255 clips, 26 subjects, in the coding of 2014 or of 2019."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from madv.data.annotations.record import Annotated, Annotations, Findings
from madv.data.annotations.sheets import Sheet
from madv.data.annotations.tables import Row, Table, find_table

KIND, TITLE, FPS = "casme2", "CASME-II", 200.0
EMOTIONS = ("disgust", "fear", "happiness", "others", "repression", "sadness", "surprise")

SADNESS_OF_2014 = frozenset(
    f"sub{clip}"
    for clip in (
        "17/EP15_01",
        "17/EP15_03",
        "19/EP19_04",
        "24/EP07_01",
        "24/EP07_04f",
        "24/EP10_03",
        "26/EP15_01",
    )
)
"""Three of these became surprise in 2019: this tells the codings apart, whatever the file is called."""

_COLUMNS = ("subject", "filename", "onsetframe", "apexframe", "offsetframe", "estimatedemotion")
_KNOWN_OFFSETS = {60: 91}
"""One offset before its apex is a known error of some copies."""


def find(sheets: Sequence[Sheet]) -> Table | None:
    """The table, if this is CASME-II's."""
    table = find_table(sheets, _COLUMNS)
    return table if table and table.most("filename", r"EP\d+.*") else None


def read(table: Table, sheets: Sequence[Sheet], file: Path) -> Annotations:
    """All clips of the file."""
    findings = Findings(str(file))
    clips = [clip for row in table if (clip := _clip(row, findings)) is not None]
    return findings.finish(KIND, file, clips, _release(clips))


def _clip(row: Row, findings: Findings) -> Annotated | None:
    subject = findings.name(row, "subject", r"(sub)?0*(?P<number>\d{1,3})(\.0)?", "01")
    clip = findings.name(row, "filename", r"EP\w+", "EP02_01f")
    if subject is None or clip is None:
        return None
    folder = f"sub{int(subject['number']):02d}"
    name = f"{folder}/{clip[0]}"
    if subject[0] not in (folder, folder[3:]):
        findings.corrected(row, name, "lost zeros", f"subject {subject[0]} is read as {folder}")
    onset, apex, offset = (findings.frame(row, column) for column in _COLUMNS[2:5])
    if apex and offset in _KNOWN_OFFSETS and offset < apex <= _KNOWN_OFFSETS[offset]:
        what = f"{offset} before the apex {apex} is a known error: {_KNOWN_OFFSETS[offset]} is read"
        findings.corrected(row, name, "wrong offset", what)
        offset = _KNOWN_OFFSETS[offset]
    return findings.coded(row, name, folder, EMOTIONS, (onset, apex, offset), FPS)


def _release(clips: Sequence[Annotated]) -> str | None:
    """2014 or 2019; None where the file lacks the clips that tell."""
    emotions = {clip.emotion for clip in clips if clip.sample_id in SADNESS_OF_2014}
    if "surprise" in emotions:
        return "2019"
    return "2014" if emotions == {"sadness"} and _all_there(clips) else None


def _all_there(clips: Sequence[Annotated]) -> bool:
    return {clip.sample_id for clip in clips} >= SADNESS_OF_2014
