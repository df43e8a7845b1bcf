"""Cells whose content is not what a cell is, and what reads them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from damage import ODD, altered, damaged
from hostile_names import CELL, KEY, log_metrics
from hypothesis import strategies as st

from orchestration import cell_file, cli_logs, mlflow_values
from orchestration.cell_columns import DIGEST, HEADER

VALUES = {
    "sample_id": pa.array(CELL.sample_id),
    "y_true": pa.array(CELL.y_true),
    "y_pred": pa.array(CELL.y_pred),
    "probabilities": pa.FixedSizeListArray.from_arrays(pa.array(CELL.probabilities.ravel()), 2),
}
ARRAYS = (
    pa.array(["a", None, "c"]),
    pa.array([0, 1, 7]),
    pa.array([0, -1, None]),
    pa.array([0.5, 1.5, float("nan")]),
    pa.array([1, 2, 3], pa.timestamp("s")),
    pa.array([b"\xff", b"", b"a"]),
    pa.array([[0.5], [], None], pa.list_(pa.float32())),
    pa.array([["a"], ["b"], ["c"]], pa.list_(pa.string(), 1)),
    pa.array([None] * 3, pa.list_(pa.float32(), 2)),
    pa.array([[float("nan"), 9.0]] * 3, pa.list_(pa.float32(), 2)),
    pa.array(["a", "b", "a"]).dictionary_encode(),
    pa.nulls(3),
)


def _cell(header: object, columns: dict[str, Any]) -> bytes:
    """A file of this content with the digest that belongs to it, if one can be had."""

    def written(digest: bytes) -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns).replace_schema_metadata({HEADER: text, DIGEST: digest}), sink)
        content: bytes = sink.getvalue().to_pybytes()
        return content

    unsigned = written(b"")
    with contextlib.suppress(Exception):  # it is for decode to say so
        found = cell_file._by_library(unsigned, "")
        return written(cell_file._digest(found.header, *(getattr(found, name) for name in cell_file.COLUMNS)))
    return unsigned


def sound_cells() -> list[bytes]:
    """One that is done, one that failed."""
    failed = dict.fromkeys(("y_true", "y_pred"), np.empty(0, np.int64)) | {
        "probabilities": np.empty((0, 0), np.float32)
    }
    nothing = dataclasses.replace(CELL, state="failed", sample_id=(), class_names=(), reason="ValueError: x", **failed)
    return [cell_file.encode(CELL), cell_file.encode(nothing)]


def cells() -> st.SearchStrategy[bytes]:
    """Damaged, or whole with a digest that holds and something else in them."""
    sound = sound_cells()
    rest: dict[str, Any] = json.loads(pq.read_schema(pa.BufferReader(sound[0])).metadata[HEADER])
    headers = altered(rest) | ODD | damaged([json.dumps(rest).encode()])
    signed = st.builds(_cell, headers, st.just(VALUES) | altered(VALUES, st.sampled_from(ARRAYS)))
    return signed | damaged(sound)


def read_cell(folder: Path, content: bytes) -> None:
    """As a report, MLflow and `madv logs` do."""
    cell = cell_file.decode(content, KEY, str(folder / "hostile.parquet"))
    log_metrics([cell])
    mlflow_values.predictions_csv([cell])
    cli_logs._told([KEY], [], cell, None)
