"""Cells come back as they were written, from a folder and from a URI; damage is found, never trusted."""

from __future__ import annotations

import dataclasses
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestration.cell_file import encode
from orchestration.cells import Cell, CellError, CellStore, cell_key
from orchestration.folders import LocalFolder

KEY = "a" * 64
OTHER = "b" * 64


def cell(**changes: Any) -> Cell:
    """Three clips of subject s01, two of them right."""
    settings: dict[str, Any] = {
        "key": KEY,
        "variant": "v" * 64,
        "seed": 1,
        "subject": "casme2/sub01",
        "state": "done",
        "sample_id": ("EP02_01f", "ü 2", "c"),
        "y_true": np.array([0, 1, 1]),
        "y_pred": np.array([0, 1, 0]),
        "probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32),
        "class_names": ("negative", "positive"),
        "history": {"loss": [1.5, 0.1 + 0.2], "accuracy": [0.5, 1.0]},
        "seconds": 1.25,
        "peak_memory": None,
        "parameters": 1234,
        "device": "cpu",
        "versions": {"torch": "2.13.0"},
        "started": 1000.5,
        "finished": 1001.75,
    }
    return Cell(**settings | changes)


def failed(**changes: Any) -> Cell:
    nothing: dict[str, Any] = {"sample_id": (), "y_true": np.array([], int), "y_pred": np.array([], int), "history": {}}
    none = {"probabilities": np.empty((0, 2), np.float32), "parameters": None}
    return cell(**nothing | none | {"state": "failed", "reason": 'Traceback ...\nValueError: "x"'} | changes)


@pytest.fixture(params=["folder", "uri"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CellStore:
    folder = tmp_path / "some" / "store"
    return CellStore(str(folder) if request.param == "folder" else folder.as_uri())


def assert_same(found: Cell, expected: Cell) -> None:
    for field in dataclasses.fields(Cell):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            np.testing.assert_array_equal(one, other)
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
        else:
            assert one == other, field.name


@pytest.mark.parametrize(
    "expected", [cell(), failed(), failed(class_names=(), probabilities=np.empty((0, 1), np.float32))]
)
def test_round_trip(store: CellStore, expected: Cell) -> None:
    store.write(expected)
    assert_same(store.read(KEY), expected)


def test_an_empty_store_has_nothing(store: CellStore) -> None:
    assert store.states() == {}
    assert store.attempts(KEY) == 0
    store.clear_failed(KEY)
    with pytest.raises(CellError, match=r"there is no cell aaaaaaaaaaaa$"):
        store.read(KEY)


def test_states_from_one_listing(store: CellStore) -> None:
    store.write(cell())
    store.write(failed(key=OTHER))
    store.record_attempt("c" * 64)
    assert store.states() == {KEY: "done", OTHER: "failed"}
    assert store.states([OTHER, "d" * 64]) == {OTHER: "failed"}


def test_done_beats_failed(store: CellStore) -> None:
    store.write(cell())
    store.write(failed())
    assert store.states() == {KEY: "done"}
    assert store.read(KEY).state == "done"


def test_done_ends_failures_and_attempts(store: CellStore) -> None:
    assert [store.record_attempt(KEY), store.record_attempt(KEY), store.attempts(KEY)] == [1, 2, 2]
    store.write(failed())
    assert store.attempts(KEY) == 2
    store.write(cell())
    assert store.attempts(KEY) == 0
    assert store.folder.names() == [f"{KEY}.parquet"]


def test_each_run_counts_its_own_attempts(store: CellStore) -> None:
    other, copy = CellStore(str(store.folder)[:-6]), pickle.loads(pickle.dumps(store))
    assert [store.record_attempt(KEY), other.record_attempt(KEY), copy.record_attempt(KEY)] == [1, 1, 2]
    store.clear_failed(KEY)
    assert [one.attempts(KEY) for one in (store, other, copy)] == [0, 1, 0]


def test_counts_of_runs_that_are_long_over_go(tmp_path: Path) -> None:
    old, young, new = CellStore(tmp_path), CellStore(tmp_path), CellStore(tmp_path)
    old.record_attempt(KEY)
    (file,) = (tmp_path / "cells").iterdir()
    os.utime(file, (0, 0))
    young.record_attempt(KEY)
    new.begin()
    assert [one.attempts(KEY) for one in (old, young)] == [0, 1]


def test_clear_failed(store: CellStore) -> None:
    store.record_attempt(KEY)
    store.write(failed())
    store.clear_failed(KEY)
    assert store.states() == {}
    assert store.attempts(KEY) == 0


def test_read_many_keeps_the_order(store: CellStore) -> None:
    wanted = [digit * 64 for digit in "0987654321"]
    for number, key in enumerate(wanted):
        store.write(cell(key=key, seed=number))
    assert [found.seed for found in store.read_many(wanted)] == list(range(10))


def test_read_many_names_every_problem(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write(cell())
    (tmp_path / "cells" / f"{OTHER}.parquet").write_bytes(b"")
    with pytest.raises(CellError) as caught:
        store.read_many([KEY, OTHER, "c" * 64])
    assert len(caught.value.problems) == 2


def test_every_truncation_is_found(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write(cell())
    path = tmp_path / "cells" / f"{KEY}.parquet"
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(
            CellError,
            match=rf"^{path}: was cut off or is no cell of ours: it was set aside as {KEY}\.parquet\.\w+\.broken;",
        ):
            store.read(KEY)


def test_an_altered_byte_never_changes_a_result(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write(cell())
    path = tmp_path / "cells" / f"{KEY}.parquet"
    content = path.read_bytes()
    found = 0
    for position in range(0, len(content), 5):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            # Bytes that say nothing, such as the name of the writer, may change.
            assert_same(store.read(KEY), cell())
        except CellError as error:
            assert str(path) in str(error)
            found += 1
    assert found > 50


def test_altered_predictions_are_found(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    store = CellStore(tmp_path)
    store.write(cell())
    path = tmp_path / "cells" / f"{KEY}.parquet"
    table = pq.read_table(path)
    schema = table.schema
    pq.write_table(table.set_column(2, schema.field(2), [[0, 1, 1]]).replace_schema_metadata(schema.metadata), path)
    with pytest.raises(CellError, match="was altered after it was written"):
        store.read(KEY)


def test_a_cell_under_another_name_is_found(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write(cell())
    os.rename(tmp_path / "cells" / f"{KEY}.parquet", tmp_path / "cells" / f"{OTHER}.parquet")
    with pytest.raises(CellError, match="holds another cell, aaaaaaaaaaaa"):
        store.read(OTHER)


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CellStore(tmp_path)
    store.write(cell(key=OTHER))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.write(cell())
    assert store.folder.names() == [f"{OTHER}.parquet"]


def test_temporary_files_of_a_killed_writer_do_not_count(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write(cell())
    (tmp_path / "cells" / f"{OTHER}.parquet.0123.tmp").write_bytes(b"half")
    assert store.states() == {KEY: "done"}


def test_writers_of_one_key_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    writers = [threading.Thread(target=store.write, args=(cell(),)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert store.folder.names() == [f"{KEY}.parquet"]
    assert_same(store.read(KEY), cell())


def test_a_store_travels_to_workers(store: CellStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(cell())
    monkeypatch.chdir("/")
    assert pickle.loads(pickle.dumps(store)).states() == {KEY: "done"}


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = CellStore("store")
    monkeypatch.chdir("/")
    store.write(cell())
    assert (tmp_path / "store" / "cells" / f"{KEY}.parquet").is_file()


def test_layout_of_the_file(tmp_path: Path) -> None:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    LocalFolder(str(tmp_path)).put("cell.parquet", encode(cell()))
    table = pq.read_table(tmp_path / "cell.parquet")
    assert table.schema.names == ["sample_id", "y_true", "y_pred", "probabilities"]
    assert table.schema.field("probabilities").type == pa.list_(pa.float32(), 2)
    header = json.loads(table.schema.metadata[b"madv"])
    assert (header["key"], header["state"], header["subject"]) == (KEY, "done", "casme2/sub01")


def test_key_ignores_order_and_tells_all_parts_apart() -> None:
    parts: dict[str, Any] = {"data_fingerprint": "d", "seed": 1, "subject": "s1", "code": "c"}
    key = cell_key({"loss": {"alpha": 0.0, "beta": 1}}, **parts)
    assert len(key) == 64
    assert cell_key({"loss": {"beta": 1, "alpha": -0.0}}, **parts) == key
    changed: list[dict[str, Any]] = [{"data_fingerprint": "e"}, {"seed": 2}, {"subject": "s2"}, {"code": "k"}]
    others = {cell_key({"loss": {"alpha": 0.0, "beta": 1}}, **parts | change) for change in changed}
    others.add(cell_key({"loss": {"alpha": 0.5, "beta": 1}}, **parts))
    assert len(others | {key}) == 6


def test_key_refuses_what_json_does_not_have() -> None:
    with pytest.raises(ValueError, match="JSON"):
        cell_key({"loss": float("nan")}, "d", 0, "s", "c")
