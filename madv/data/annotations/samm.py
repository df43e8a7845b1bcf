"""SAMM: 159 clips of 29 subjects, as a spreadsheet whose header is on row 14, or a CSV copy without leading zeros."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from madv.data.annotations.record import Annotated, Annotations, Findings, present
from madv.data.annotations.sheets import Sheet
from madv.data.annotations.tables import Row, Table, find_table

KIND, TITLE, FPS = "samm", "SAMM", 200.0
EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "others", "sadness", "surprise")

_COLUMNS = ("subject", "filename", "onsetframe", "apexframe", "offsetframe", "estimatedemotion")
_KNOWN_APEXES = {("028_4_1", 1143): 1113, ("032_3_1", 1930): 4930}
"""Errors of the published file, mended in later copies."""


def find(sheets: Sequence[Sheet]) -> Table | None:
    """The table, if this is SAMM's."""
    table = find_table(sheets, _COLUMNS)
    return table if table and table.most("filename", r"\d+_\d+_\d+") else None


def read(table: Table, sheets: Sequence[Sheet], file: Path) -> Annotations:
    """All clips of the file."""
    findings = Findings(str(file))
    clips = [clip for row in table if (clip := _clip(row, findings)) is not None]
    return findings.finish(KIND, file, clips)


def _clip(row: Row, findings: Findings) -> Annotated | None:
    subject = findings.name(row, "subject", r"0*(?P<number>\d{1,3})(\.0)?", "006")
    clip = findings.name(row, "filename", r"0*(?P<number>\d{1,3})(?P<rest>_\d+_\d+)", "006_1_2")
    if subject is None or clip is None:
        return None
    if int(subject["number"]) != int(clip["number"]):
        findings.wrong(row, f"subject {subject[0]} has clip {clip[0]}, which is another subject's")
    folder = f"{int(subject['number']):03d}"
    film = f"{int(clip['number']):03d}{clip['rest']}"
    name = f"{folder}/{film}"
    if (subject[0], clip[0]) != (folder, film):
        findings.corrected(row, name, "lost zeros", f"subject {subject[0]}, clip {clip[0]} is read as {name}")
    onset, apex, offset = (findings.frame(row, column) for column in _COLUMNS[2:5])
    if apex is not None and (known := _KNOWN_APEXES.get((film, apex))) is not None:
        findings.corrected(row, name, "wrong apex", f"{apex} is a known error: {known} is read")
        apex = known
    coded = findings.coded(row, name, folder, EMOTIONS, (onset, apex, offset), FPS)
    return dataclasses.replace(coded, notes=present((*coded.notes, row.text("notes"))))
