"""Spreadsheets, CSV and Parquet files as plain rows of cells; a file that unpacks to an absurd size is refused."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from madv.errors import DataError, Problem

SUFFIXES = (".xlsx", ".csv", ".parquet")
MOST_BYTES = 32 * 2**20
"""Unpacked; the annotation files of all four data sets together have 0.6 MB."""
MOST_ROWS, MOST_COLUMNS = 50_000, 64

Cell = str | float | None
"""A number is an int where the file has a whole one."""


class Sheet(NamedTuple):
    """One table."""

    name: str
    rows: list[tuple[Cell, ...]]
    """Row 1 of the file is rows[0]; empty cells are None, and those at the end of a row are left out."""


def read_sheets(path: Path, most_rows: int = MOST_ROWS + 1) -> list[Sheet]:
    """All sheets of an .xlsx file, or the one table of a .csv or .parquet file with its header as row 1.

    Args:
        path: of the file.
        most_rows: stop there; a file with more than MOST_ROWS is refused.

    Raises:
        DataError: it cannot be read, or is no such file, or unpacks to more than MOST_BYTES.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise _wrong(path, f"is no annotation file that can be read; save it as one of {', '.join(SUFFIXES)}")
    try:
        sheets = reader(path, most_rows)
    except OSError as error:
        # Parquet's library calls damage an error of the system, and says it in several lines.
        reason = error.strerror or "the file is damaged or something else"
        raise _wrong(path, f"cannot be read: {reason}") from None
    if any(len(sheet.rows) > MOST_ROWS for sheet in sheets):
        raise _wrong(path, f"has more than {MOST_ROWS:,} rows; this is no annotation file")
    return sheets


def _wrong(path: Path, message: str) -> DataError:
    return DataError([Problem(place=str(path), message=message)])


def _read_csv(path: Path, most_rows: int) -> list[Sheet]:
    if path.stat().st_size > MOST_BYTES:
        raise _wrong(path, f"has more than {MOST_BYTES // 2**20} MB; this is no annotation file")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # Excel's older CSV; all that is read of it is ASCII
    try:
        return [Sheet(path.stem, _rows(csv.reader(io.StringIO(text, newline="")), most_rows))]
    except csv.Error as error:
        raise _wrong(path, f"cannot be read as CSV: {error}") from None


def _read_xlsx(path: Path, most_rows: int) -> list[Sheet]:
    from openpyxl import load_workbook
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

    try:
        # openpyxl would leave a file that it cannot read open, and warns of parts that nobody asks for.
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            with zipfile.ZipFile(file) as archive:
                # zipfile reads no more of a member than its header says: the sum is a bound.
                unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > MOST_BYTES:
                size = f"{unpacked / 2**20:,.0f} MB from {path.stat().st_size / 2**20:.1f} MB"
                message = f"unpacks to {size}, more than the {MOST_BYTES // 2**20} MB allowed; it is not opened"
                raise _wrong(path, message)
            # openpyxl parses with defusedxml, which refuses entities by a ValueError. A formula is its last value.
            book = load_workbook(file, read_only=True, data_only=True)
            sheets = [sheet for sheet in book.worksheets if isinstance(sheet, ReadOnlyWorksheet)]
            for sheet in sheets:
                sheet.reset_dimensions()  # the file's own may claim a million rows
            return [
                Sheet(sheet.title, _rows(sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True), most_rows))
                for sheet in sheets
            ]
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError, SyntaxError):
        raise _wrong(path, "cannot be read as a spreadsheet: the file is damaged or something else") from None


def _read_parquet(path: Path, most_rows: int) -> list[Sheet]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
            if sum(group.total_byte_size for group in groups) > MOST_BYTES or file.metadata.num_rows > MOST_ROWS:
                raise _wrong(path, f"holds more than {MOST_BYTES // 2**20} MB; this is no manifest")
            table = file.read()
    except pa.ArrowException:
        raise _wrong(path, "cannot be read as Parquet: the file is damaged or something else") from None
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return [Sheet(path.stem, _rows([table.column_names, *rows], most_rows))]


_READERS = dict(zip(SUFFIXES, (_read_xlsx, _read_csv, _read_parquet), strict=True))


def _rows(rows: Iterable[Iterable[object]], most_rows: int) -> list[tuple[Cell, ...]]:
    """The first rows; one more than allowed, so that the excess is seen and not stored."""
    return [_row(row) for row in islice(rows, most_rows)]


def _row(values: Iterable[object]) -> tuple[Cell, ...]:
    cells = [_cell(value) for value in values]
    while cells and cells[-1] is None:
        cells.pop()
    return tuple(cells)


def _cell(value: object) -> Cell:
    """Text without outer spaces, numbers as they are, anything else as text."""
    if isinstance(value, float) and value != value:
        return None  # how tables of floats say that there is nothing
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    return str(value).strip() or None
