"""CAS(ME)^2: 300 macro- and 57 micro-expressions in long videos; no header, and sheets that translate its names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from madv.data.annotations.record import Annotated, Annotations, Findings, present, units_text
from madv.data.annotations.sheets import Sheet
from madv.data.annotations.tables import Row, Table, as_text

KIND, TITLE, FPS = "casme_sq", "CAS(ME)^2", 30.0
EMOTIONS = ("negative", "others", "positive", "surprise")

_COLUMNS = ("subject", "video", "onset", "apex", "offset", "actionunits", "class", "expression", "felt")
_EXPRESSION = r"(macro|micro)-?expression"

SUBJECTS = (15, 16, *range(19, 28), *range(29, 39), 40)
"""Number in the folders' names of the subjects 1 to 22, where the file lacks the sheet that says so."""
VIDEOS = {
    "disgust1": "0101",
    "disgust2": "0102",
    "anger1": "0401",
    "anger2": "0402",
    "happy1": "0502",
    "happy2": "0503",
    "happy3": "0505",
    "happy4": "0507",
    "happy5": "0508",
}
"""Code in the folders' names of each video, likewise."""


def find(sheets: Sequence[Sheet]) -> Table | None:
    """The table, if this is CAS(ME)^2's: nine columns, the eighth says macro or micro."""
    columns = {name: place for place, name in enumerate(_COLUMNS)}
    for sheet in sheets:
        for start in (0, 1):  # a copy may have a header
            table = Table(sheet, columns, start)
            first = next(iter(table), None)
            if first and re.fullmatch(_EXPRESSION, first.text("expression")) and table.most("expression", _EXPRESSION):
                return table
    return None


def read(table: Table, sheets: Sequence[Sheet], file: Path) -> Annotations:
    """All clips of the file."""
    findings = Findings(str(file))
    subjects = dict(enumerate(SUBJECTS, start=1)) | _subject_rule(sheets)
    videos = VIDEOS | _video_rule(sheets)
    clips = [clip for row in table if (clip := _clip(row, findings, subjects, videos)) is not None]
    return findings.finish(KIND, file, clips)


def _subject_rule(sheets: Sequence[Sheet]) -> dict[int, int]:
    """Rows (15, 's15', 1): subject 1 is s15."""
    rows = [tuple(map(as_text, cells)) for sheet in sheets for cells in sheet.rows if len(cells) == 3]
    return {
        int(to): int(number)
        for number, name, to in rows
        if name == f"s{number}" and re.fullmatch(r"\d{1,3} \d{1,3}", f"{number} {to}")
    }


def _video_rule(sheets: Sequence[Sheet]) -> dict[str, str]:
    """Rows ('0401', 'anger1')."""
    rows = [cells for sheet in sheets for cells in sheet.rows if len(cells) == 2]
    return {str(name): str(code) for code, name in rows if re.fullmatch(r"\d{4}", str(code))}


def _clip(row: Row, findings: Findings, subjects: dict[int, int], videos: dict[str, str]) -> Annotated | None:
    given = findings.name(row, "subject", r"(?P<number>\d{1,3})(\.0)?", "1")
    video = findings.name(row, "video", r"(?P<film>[a-z]+\d)_(?P<count>\d+)", "anger1_1")
    which = findings.name(row, "expression", _EXPRESSION, "macro-expression or micro-expression")
    if given is None or video is None or which is None:
        return None
    number, code = subjects.get(int(given["number"])), videos.get(video["film"].lower())
    if number is None or code is None:
        stranger = f"subject {given[0]}" if number is None else f"video {video['film']}"
        findings.wrong(row, f"{stranger} is not among those of the naming rules")
        return None
    subject = f"s{number}"
    name = f"{subject}/{video[0]}"
    onset, apex, offset = (findings.frame(row, column) for column in ("onset", "apex", "offset"))
    onset, apex, offset = findings.times(row, name, onset, apex, offset, FPS)
    units, notes = units_text(row["actionunits"])
    felt = findings.emotion(row, "felt", name)
    expression: Literal["macro", "micro"] = "macro" if which[1].lower() == "macro" else "micro"
    return Annotated(
        row=row.number,
        sample_id=name,
        subject=subject,
        emotion=findings.emotion(row, "class", name, EMOTIONS),
        folder=f"{subject}/{number}_{code}*",
        onset=onset,
        apex=apex,
        offset=offset,
        action_units=units,
        expression=expression,
        fps=FPS,
        notes=present((*notes, f"{expression}-expression", felt and f"felt: {felt}")),
    )
