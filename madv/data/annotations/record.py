"""What an annotation file says of its clips, and the corrections that the readers share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from madv.data.annotations.sheets import Cell
from madv.data.annotations.tables import Row, as_text
from madv.data.facs import parse
from madv.errors import DataError, Problem, unknown

SWAP_SECONDS = 0.25
"""An apex at most this long after its offset has changed places with it; one that is later is a wrong number."""

_MISSING = frozenset({"", "/", "-", "?", "nan", "none", "null"})
_SPELLINGS = {"happyiness": "happiness"}
_SYNONYMS = {"other": "others"}  # SAMM's word, not wrong


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """A value of the file that is read as another."""

    row: int | None
    """Of the sheet as a spreadsheet counts; None: not of one row."""
    sample_id: str
    kind: str
    """A few words, the same for all of a kind: "missing apex"."""
    what: str
    """What the file says and what is read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotated:
    """One clip as annotated."""

    row: int | None
    """Of the sheet; None: the clip is in the folder only."""
    sample_id: str
    """Subject and clip, "sub01/EP02_01f": the same in every copy of the data set."""
    subject: str
    """As in the names of folders: sub01, 006, s01, s15."""
    emotion: str
    """Lower case, empty where there is none; CAS(ME)^2: the class, not what was felt."""
    folder: str
    """Of the frames, below the folder that `places.locate` finds; `*` where the annotation does not give all of it."""
    onset: int | None = None
    apex: int | None = None
    offset: int | None = None
    action_units: str | None = None
    """The cell's text."""
    expression: Literal["macro", "micro"] = "micro"
    fps: float | None = None
    depth: str | None = None
    """A manifest's own: folder of the depth maps."""
    estimates: str | None = None
    """A manifest's own: CSV file of estimated action units."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotations:
    """A whole annotation file."""

    kind: str
    """The data set, as in dataset.kind."""
    file: Path | None
    """None: the names of the folders say it all."""
    clips: tuple[Annotated, ...]
    corrections: tuple[Correction, ...] = ()
    release: str | None = None
    """Of the coding, where a data set has several and the content tells which."""


@dataclass(slots=True)
class Findings:
    """Corrections and problems of one file, gathered while it is read."""

    place: str
    corrections: list[Correction] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def corrected(self, row: Row, sample_id: str, kind: str, what: str) -> None:
        """List a correction."""
        self.corrections.append(Correction(row=row.number, sample_id=sample_id, kind=kind, what=what))

    def wrong(self, row: Row, message: str) -> None:
        """List a problem; the way out is the same for all."""
        message = f"{message}; mend the cell or remove the row"
        self.problems.append(Problem(place=f"{self.place}, row {row.number}", message=message))

    def frame(self, row: Row, column: str) -> int | None:
        """A frame number, or None where there is none; anything else is a problem."""
        text = row.text(column)
        if text.casefold() in _MISSING:
            return None
        whole = re.fullmatch(r"([0-9]{1,9})(\.0*)?", text)
        if whole is None:
            self.wrong(row, f"{column} {text!r} is no frame number")
            return None
        return int(whole[1])

    def emotion(self, row: Row, column: str, sample_id: str, known: Sequence[str] | None = None) -> str:
        """An emotion in lower case and known spelling; empty where there is none."""
        text = row.text(column).casefold()
        if text in _MISSING:
            return ""
        if text in _SPELLINGS:
            self.corrected(row, sample_id, "spelling", f"{row.text(column)!r} is read as {_SPELLINGS[text]!r}")
        text = plain_emotion(text)
        if known is not None and text not in known:
            self.wrong(row, unknown("emotion", text, known))
        return text

    def times(
        self, row: Row, sample_id: str, onset: int | None, apex: int | None, offset: int | None, fps: float
    ) -> tuple[int | None, int | None, int | None]:
        """Onset, apex and offset in order; where no correction is known there is a problem.

        A missing offset (0 in CAS(ME)^2) is as long after the apex as the onset is before, a missing apex is the middle
        frame, and an apex shortly after the offset changes places with it.
        """
        if onset is None or not (apex or offset):
            self.wrong(row, f"has no {'onset' if onset is None else 'apex and no offset'} frame")
            return onset, apex, offset
        if not offset:
            offset = 2 * (apex or 0) - onset
            what = f"there is none: {offset} is read, as long after the apex {apex} as the onset {onset} is before"
            self.corrected(row, sample_id, "missing offset", what)
        if not apex:
            apex = (onset + offset) // 2
            self.corrected(row, sample_id, "missing apex", f"there is none: the middle frame {apex} is read")
        if onset < offset < apex <= offset + SWAP_SECONDS * fps:
            what = f"apex {apex} is after offset {offset}: they are read the other way round"
            self.corrected(row, sample_id, "swapped apex and offset", what)
            apex, offset = offset, apex
        if not onset <= apex <= offset:
            self.wrong(row, f"onset {onset}, apex {apex}, offset {offset} are not in order")
        return onset, apex, offset

    def coded(
        self,
        row: Row,
        sample_id: str,
        subject: str,
        emotions: Sequence[str],
        times: tuple[int | None, int | None, int | None],
        fps: float,
    ) -> Annotated:
        """The clip of a row with the columns that CASME-II and SAMM share; its folder is its sample id.

        Args:
            times: onset, apex and offset as annotated, known errors mended.
        """
        onset, apex, offset = self.times(row, sample_id, *times, fps)
        units, notes = units_text(row["actionunits"])
        return Annotated(
            row=row.number,
            sample_id=sample_id,
            subject=subject,
            emotion=self.emotion(row, "estimatedemotion", sample_id, emotions),
            folder=sample_id,
            onset=onset,
            apex=apex,
            offset=offset,
            action_units=units,
            fps=fps,
            notes=notes,
        )

    def name(self, row: Row, column: str, pattern: str, example: str) -> re.Match[str] | None:
        """A name that becomes part of a path: only what the pattern allows."""
        match = re.fullmatch(pattern, row.text(column), re.IGNORECASE)
        if match is None:
            self.wrong(row, f"{column} {row.text(column)!r} is not of the form {example}")
        return match

    def finish(self, kind: str, file: Path, clips: Sequence[Annotated], release: str | None = None) -> Annotations:
        """The record of a file without problems.

        Raises:
            DataError: with all problems that were found, repeated sample ids among them.
        """
        first: dict[str, int | None] = {}
        for clip in clips:
            if clip.sample_id in first:
                message = f"lists {clip.sample_id} again, as row {first[clip.sample_id]} does; remove one of them"
                self.problems.append(Problem(place=f"{self.place}, row {clip.row}", message=message))
            first.setdefault(clip.sample_id, clip.row)
        if not clips and not self.problems:
            self.problems.append(Problem(place=self.place, message="lists no clips"))
        if self.problems:
            raise DataError(self.problems)
        return Annotations(
            kind=kind, file=file, clips=tuple(clips), corrections=tuple(self.corrections), release=release
        )


def plain_emotion(text: str) -> str:
    """Lower case, with known wrong spellings and synonyms replaced."""
    text = text.strip().casefold()
    return _SYNONYMS.get(text, _SPELLINGS.get(text, text))


def units_text(cell: Cell) -> tuple[str | None, tuple[str, ...]]:
    """The text of an action-unit cell that says anything, and a note where part of it is no action unit."""
    parsed = parse(cell)
    if not parsed.units and not parsed.rest:
        return None, ()
    text = as_text(cell)
    return text, (f"action units {text!r}: {parsed.rest!r} is not read",) if parsed.rest else ()


def present(values: Iterable[str]) -> tuple[str, ...]:
    """Those that are not empty."""
    return tuple(value for value in values if value)
