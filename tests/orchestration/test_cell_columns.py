"""Columns read from a cell's bytes are the library's; any other layout is left to the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.cell_columns import read_columns
from orchestration.cell_file import decode, encode
from orchestration.cells import Cell, CellError

KEY = "a" * 64


def cell(names: list[str], classes: int, **changes: Any) -> Cell:
    """A cell whose numbers tell its clips apart."""
    rows = len(names)
    fields: dict[str, Any] = {
        "key": KEY,
        "variant": "v" * 64,
        "seed": 1,
        "subject": "s1",
        "state": "done",
        "sample_id": tuple(names),
        "y_true": np.arange(rows) % classes,
        "y_pred": -np.arange(rows) % classes,
        "probabilities": np.arange(rows * classes, dtype=np.float32).reshape(rows, classes),
        "class_names": tuple(f"ü{place}" for place in range(classes)),
        "history": {"loss": [0.1] * rows},
        "seconds": 1.5,
        "device": "cpu",
        "started": 0.0,
        "finished": 1.5,
    }
    return Cell(**fields | changes)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=300), st.integers(1, 9))
def test_columns_are_the_library_s(names: list[str], classes: int) -> None:
    content = encode(cell(names, classes))
    found = read_columns(content)
    assert found is not None
    table = pq.ParquetFile(pa.BufferReader(content)).read()
    assert found.header == table.schema.metadata[b"madv"]
    assert found.digest == table.schema.metadata[b"madv_sha256"]
    assert list(found.sample_id) == table["sample_id"].to_pylist()
    assert found.y_true.tolist() == table["y_true"].to_pylist()
    assert found.y_pred.tolist() == table["y_pred"].to_pylist()
    assert found.probabilities.tolist() == table["probabilities"].to_pylist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False)), st.integers(0, 2**80), st.text(st.characters(exclude_categories=["Cs"])))
def test_numbers_and_texts_come_back_to_the_last_bit(values: list[float], seed: int, reason: str) -> None:
    written = cell(["a"], 2, history={"loss": values}, seed=seed, reason=reason)
    found = decode(encode(written), KEY, "x")
    assert (found.history, found.seed, found.reason) == (written.history, seed, reason)
    assert np.signbit(found.history["loss"]).tolist() == np.signbit(values).tolist()


def test_what_another_program_has_rewritten_is_read_by_the_library() -> None:
    content = encode(cell(["a", "b"], 3))
    sink = pa.BufferOutputStream()
    pq.write_table(pq.ParquetFile(pa.BufferReader(content)).read(), sink, compression="snappy")
    rewritten = sink.getvalue().to_pybytes()
    assert read_columns(rewritten) is None
    np.testing.assert_array_equal(decode(rewritten, KEY, "x").probabilities, [[0, 1, 2], [3, 4, 5]])


def test_no_altered_byte_of_the_columns_is_believed() -> None:
    content = encode(cell(["first", "second"], 3))
    footer = content.index(b"sample_id")
    for place in range(4, footer - 12):
        changed = content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :]
        try:
            found = decode(changed, KEY, "x")
        except CellError:
            continue
        assert found.sample_id == ("first", "second")
        np.testing.assert_array_equal(found.probabilities, [[0, 1, 2], [3, 4, 5]])
        np.testing.assert_array_equal(found.y_pred, [0, 2])


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\x15\x00\x15\xff" * 9 + b"PAR1"])
def test_what_is_no_cell_is_none(content: bytes) -> None:
    assert read_columns(content) is None
