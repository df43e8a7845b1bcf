"""Action units as coders write them: `4+L10`, `(R6 or R12)+R15`, `10A/B`, `ref(7B)+43C`, `T18+39`, `?`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

INTENSITIES = "ABCDE"
"""A trace to E maximum, in rising order."""
UNMARKED = 2.0
"""Intensity of a unit that was coded without one: B, slight, what most coded units of a micro-expression have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One coded action unit."""

    number: int
    """1 to 99."""
    side: Literal["L", "R"] | None = None
    """Of the person's face; None: both."""
    intensity: Literal["A", "B", "C", "D", "E"] | None = None
    """None: coded without one. Of a range (A/B) the first."""
    uncertain: bool = False
    """An alternative (`or`, `/`), a range, a reference (`ref`) or marked with `?`: the coder did not commit to it."""
    part: Literal["A", "B", "T"] | None = None
    """A: both sides, one stronger (asymmetric); T and B: top or bottom lip only."""

    def __str__(self) -> str:
        mark = "?" if self.uncertain else ""
        prefix = "/".join(letter for letter in (self.part, self.side) if letter)
        return f"{prefix}{self.number}{self.intensity or ''}{mark}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedUnits:
    """What a cell says."""

    units: tuple[Unit, ...]
    """In the order of the text; a unit may occur twice (L1+R1)."""
    rest: str
    """What is no action unit, for a report: `soft focus`, `?`."""


_TOKENS = re.compile(
    r"""(?<!\w)(?:AU\s*)?(?:(?P<first>[LRATB])(?:/(?P<second>[LRATB]))?)?
        (?P<number>[0-9]{1,2})
        (?P<intensity>[A-E])?(?:(?<=[A-E])\s*[/-]\s*(?P<upper>[A-E]))?(?!\w)
    |(?P<mark>(?<!\w)(?:or|and|ref)(?!\w)|[+,;&()?/])
    |(?P<word>\w+|\S)""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_EMPTY = frozenset({"", "nan", "none", "null"})


class _Group:
    """What has been read inside one pair of parentheses."""

    def __init__(self, start: int) -> None:
        self.start = start  # of its units
        self.last = start  # of the last atom's units: what `or` and `?` refer to
        self.alternative = False  # an `or` waits for its second side
        self.reference = False  # a `ref` waits for what it refers to


def parse(cell: str | float | None) -> ParsedUnits:
    """Read a cell of an annotation file; never fails: what is not understood is in `rest`.

    Understood are units joined by `+`, commas or spaces, sides (L, R), asymmetry (A), lips (T, B), intensities in
    either case, ranges of intensities, alternatives, parentheses, references, and bare numbers as Excel keeps them.
    """
    text = unicodedata.normalize("NFKC", "" if cell is None else str(cell)).strip()
    text = re.sub(r"^([0-9]+)\.0$", r"\1", text)  # a number that went through a table of floats
    if text.casefold() in _EMPTY:
        return ParsedUnits(units=(), rest="")
    units: list[Unit] = []
    rest: list[str] = []
    groups = [_Group(0)]
    for token in _TOKENS.finditer(text):
        unit, mark = _unit(token), (token["mark"] or "").lower()
        if unit is not None:
            units.append(unit)
            _close_atom(groups[-1], units, len(units) - 1)
        elif mark == "(":
            groups.append(_Group(len(units)))
        elif mark == ")" and len(groups) > 1:
            inner = groups.pop()
            _close_atom(groups[-1], units, inner.start)
        elif mark in ("or", "/"):
            _doubt(units, groups[-1].last)
            groups[-1].alternative = True
        elif mark == "ref":
            groups[-1].reference = True
        elif mark == "?" and groups[-1].last < len(units):
            _doubt(units, groups[-1].last)
        else:
            if mark not in ("+", ",", ";", "&", "and"):
                rest.append(token[0])
            groups[-1].last = len(units)
            groups[-1].alternative = groups[-1].reference = False
    return ParsedUnits(units=tuple(units), rest=" ".join(rest))


def intensity_vector(
    units: Iterable[Unit], names: Sequence[str], unmarked: float = UNMARKED, uncertain: float = 1.0
) -> npt.NDArray[np.float32]:
    """Intensities of the named action units, sides taken together.

    Args:
        units: of one clip.
        names: "AU12" and the like.
        unmarked: intensity of a unit without one.
        uncertain: share of its intensity that an uncertain unit has; 0 leaves such units out.

    Returns:
        (len(names),): 0 absent, A..E -> 1..5; the strongest where a unit occurs twice.
    """
    strongest: dict[int, float] = {}
    for unit in units:
        value = unmarked if unit.intensity is None else INTENSITIES.index(unit.intensity) + 1.0
        value *= uncertain if unit.uncertain else 1.0
        strongest[unit.number] = max(value, strongest.get(unit.number, 0.0))
    return np.array([strongest.get(int(name.removeprefix("AU")), 0.0) for name in names], dtype=np.float32)


def _unit(token: re.Match[str]) -> Unit | None:
    if token["number"] is None or not int(token["number"]):
        return None
    prefixes = [token[name].upper() for name in ("first", "second") if token[name]]
    return Unit(
        number=int(token["number"]),
        side=_first(prefixes, "LR"),
        part=_first(prefixes, "ATB"),
        intensity=_first([(token["intensity"] or "-").upper()], INTENSITIES),
        uncertain=len(prefixes) > 1 or token["upper"] is not None,
    )


def _first(prefixes: list[str], letters: str) -> Any:
    return next((prefix for prefix in prefixes if prefix in letters), None)


def _close_atom(group: _Group, units: list[Unit], start: int) -> None:
    """A unit or a group of units from `start` on is complete."""
    if group.alternative or group.reference:
        _doubt(units, start)
    group.last, group.alternative, group.reference = start, False, False


def _doubt(units: list[Unit], start: int) -> None:
    units[start:] = [replace(unit, uncertain=True) for unit in units[start:]]
