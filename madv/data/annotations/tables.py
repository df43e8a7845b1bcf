"""Rows below a header, by the names of their columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from madv.data.annotations.sheets import Cell, Sheet

_PREAMBLE = 40
"""A header is looked for in this many rows; SAMM's is row 14."""


class Row:
    """The cells of one row."""

    def __init__(self, number: int, cells: Sequence[Cell], columns: Mapping[str, int]) -> None:
        self.number = number  # as a spreadsheet counts
        self._cells, self._columns = cells, columns

    def __getitem__(self, column: str) -> Cell:
        """The cell; None where it is empty or there is no such column."""
        place = self._columns.get(column, len(self._cells))
        return self._cells[place] if place < len(self._cells) else None

    def text(self, column: str) -> str:
        """The cell as text, empty where there is none; a whole number has no decimals."""
        return as_text(self[column])


class Table:
    """The rows of a sheet from `start` on; `columns` gives the place of each column."""

    def __init__(self, sheet: Sheet, columns: Mapping[str, int], start: int) -> None:
        self.columns = columns
        self._sheet, self._start = sheet, start

    def __iter__(self) -> Iterator[Row]:
        for number, cells in enumerate(self._sheet.rows[self._start :], start=self._start + 1):
            if cells:
                yield Row(number, cells, self.columns)

    def most(self, column: str, pattern: str) -> bool:
        """Whether most cells of a column match: one typing error does not disguise a file."""
        found = Counter(re.fullmatch(pattern, row.text(column), re.IGNORECASE) is not None for row in self)
        return found[True] > found[False]


def as_text(cell: Cell) -> str:
    """As the reader of a spreadsheet sees it: 12 for 12.0."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


def plain(cell: Cell) -> str:
    """A column's name without case, spaces and signs: "Onset Frame" -> "onsetframe"."""
    return re.sub(r"[^a-z0-9]", "", str(cell or "").casefold())


def find_table(sheets: Iterable[Sheet], wanted: Iterable[str]) -> Table | None:
    """The first table whose header has all `wanted` columns, by plain names; of two of a name the first counts."""
    for sheet in sheets:
        for place, cells in enumerate(sheet.rows[:_PREAMBLE]):
            columns = {plain(cell): column for column, cell in reversed(list(enumerate(cells)))}
            if set(wanted) <= set(columns):
                return Table(sheet, columns, place + 1)
    return None
