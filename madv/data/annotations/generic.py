"""Your own data set: a table (CSV, Parquet, xlsx) with a row a clip; every other reader gives what it would say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from madv.data.annotations.record import Annotated, Annotations, Findings, plain_emotion, present, units_text
from madv.data.annotations.sheets import Sheet
from madv.data.annotations.tables import Row, Table, find_table

KIND, TITLE = "manifest", "a manifest"

_COLUMNS = ("sampleid", "subject", "emotion", "frames")


def find(sheets: Sequence[Sheet]) -> Table | None:
    """The table, if this is a manifest: columns sample_id, subject, emotion and frames."""
    return find_table(sheets, _COLUMNS)


def read(table: Table, sheets: Sequence[Sheet], file: Path) -> Annotations:
    """All clips of the file; onset, apex, offset, action_units, fps, depth, estimates and notes may be absent."""
    findings = Findings(str(file))
    clips = [_clip(row, findings) for row in table]
    return findings.finish(KIND, file, clips)


def _clip(row: Row, findings: Findings) -> Annotated:
    for column in _COLUMNS:
        if not row.text(column):
            findings.wrong(row, f"has no {column.replace('sampleid', 'sample_id')}")
    onset, apex, offset = (findings.frame(row, column) for column in ("onset", "apex", "offset"))
    there = [number for number in (onset, apex, offset) if number is not None]
    if there != sorted(there):
        findings.wrong(row, f"onset {onset}, apex {apex}, offset {offset} are not in order")
    fps = row.text("fps")
    if fps and not (re.fullmatch(r"\d{1,4}(\.\d+)?", fps) and float(fps) > 0):
        findings.wrong(row, f"fps {fps!r} is no number of frames a second")
        fps = ""
    units, notes = units_text(row["actionunits"])
    return Annotated(
        row=row.number,
        sample_id=row.text("sampleid"),
        subject=row.text("subject"),
        emotion=plain_emotion(row.text("emotion")),
        folder=_inside(row, "frames", findings),
        onset=onset,
        apex=apex,
        offset=offset,
        action_units=units,
        fps=float(fps) if fps else None,
        depth=_inside(row, "depth", findings) if row.text("depth") else None,
        estimates=_inside(row, "estimates", findings) if row.text("estimates") else None,
        notes=present((*notes, row.text("notes"))),
    )


def _inside(row: Row, column: str, findings: Findings) -> str:
    """The folder or file of a column, which must not lead out of the data set."""
    text = row.text(column)
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", str(path)):
        findings.wrong(row, f"{column} {text!r} lead out of the data set's folder")
    return str(path)
