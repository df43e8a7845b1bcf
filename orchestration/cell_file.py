"""A cell as the bytes of a Parquet file: predictions as columns, everything else as JSON in the schema's metadata."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import Any

import numpy as np

from madv.errors import Problem
from orchestration.cell_check import fits, read_rest
from orchestration.cell_columns import DIGEST, HEADER, Columns, read_columns
from orchestration.cells import BrokenCellError, Cell, CellError

COLUMNS = ("sample_id", "y_true", "y_pred", "probabilities")


def encode(cell: Cell) -> bytes:
    """A Parquet file with one row a sample; probabilities as a fixed-size list of C float32."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    probabilities = np.ascontiguousarray(cell.probabilities, np.float32).reshape(-1, max(len(cell.class_names), 1))
    y_true, y_pred = np.ascontiguousarray(cell.y_true, np.int64), np.ascontiguousarray(cell.y_pred, np.int64)
    rest = {field.name: getattr(cell, field.name) for field in fields(cell) if field.name not in COLUMNS}
    header = json.dumps(rest, sort_keys=True).encode()
    schema = pa.schema(
        [
            ("sample_id", pa.string()),
            ("y_true", pa.int64()),
            ("y_pred", pa.int64()),
            ("probabilities", pa.list_(pa.float32(), probabilities.shape[1])),
        ],
        metadata={HEADER: header, DIGEST: _digest(header, cell.sample_id, y_true, y_pred, probabilities)},
    )
    rows = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), probabilities.shape[1])
    table = pa.Table.from_arrays([pa.array(cell.sample_id, pa.string()), y_true, y_pred, rows], schema=schema)
    sink = pa.BufferOutputStream()
    # A few dozen rows: neither statistics nor dictionaries nor compression earn their bytes.
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def decode(content: bytes, key: str, place: str) -> Cell:
    """The cell of a file.

    Args:
        content: of the file.
        key: that the file's name claims.
        place: the file, for messages.

    Raises:
        BrokenCellError: the file was cut off or altered, is none of ours, or is another cell's.
        CellError: another version of this program wrote it.
    """
    found = read_columns(content)
    if found is None or not _intact(found):
        found = _by_library(content, place)
        if not _intact(found):
            raise _broken(place, "was altered after it was written")
    rest = read_rest(found.header)
    if rest is None or not fits(found, rest):
        message = "was written by another version of this program; use that one, or delete it: it is trained again"
        raise CellError([Problem(place=place, message=message)])
    if rest["key"] != key:
        raise _broken(place, f"holds another cell, {rest['key'][:12]}")
    return Cell(**{name: getattr(found, name) for name in COLUMNS}, **rest)


def _by_library(content: bytes, place: str) -> Columns:
    """The columns of any Parquet file that has ours."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # ParquetFile.read takes a third of the time of read_table, which scans for data sets first.
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        sample_id = tuple(table["sample_id"].to_pylist())
        if not all(isinstance(name, str) for name in sample_id):
            raise TypeError("names of clips are texts")
        column = table["probabilities"].combine_chunks()
        return Columns(
            header=table.schema.metadata[HEADER],
            digest=table.schema.metadata[DIGEST],
            sample_id=sample_id,
            y_true=table["y_true"].to_numpy(),
            y_pred=table["y_pred"].to_numpy(),
            probabilities=column.flatten().to_numpy().reshape(len(sample_id), column.type.list_size),
        )
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, AttributeError):
        raise _broken(place, "was cut off or is no cell of ours") from None


def _intact(found: Columns) -> bool:
    return found.digest == _digest(found.header, *(getattr(found, name) for name in COLUMNS))


def _broken(place: str, message: str) -> BrokenCellError:
    return BrokenCellError([Problem(place=place, message=message)])


def _digest(header: bytes, sample_id: tuple[str, ...], *arrays: np.ndarray[Any, Any]) -> bytes:
    """SHA-256, in hexadecimal, of what a reader gets; independent of Parquet's own layout."""
    content = hashlib.sha256(header)
    content.update(json.dumps(sample_id).encode())
    for array in arrays:
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest().encode()
