"""A cell that is not what was written does not count: it is set aside, and a sweep trains its fold again."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_cells import KEY, OTHER, cell

from orchestration.cells import Cell, CellError, CellStore
from orchestration.collect import old_ones
from orchestration.references import References


def run_sweep(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A sweep of eight simulated cells, with its report."""
    here = Path(__file__).parent
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(here.parents[1]), str(here)]),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
    }
    command = [sys.executable, str(here / "simulated_sweep.py"), "train", "2", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)


def test_a_sweep_trains_broken_cells_again(tmp_path: Path, ledger: Callable[..., None]) -> None:
    first = run_sweep(tmp_path)
    assert first.returncode == 0, first.stderr
    cells = sorted((tmp_path / "store" / "cells").iterdir())
    table = (tmp_path / "reports" / "simulated" / "ablation.csv").read_bytes()
    assert len(cells) == 8
    whole = {path: path.stat().st_ino for path in cells[4:]}
    altered = bytearray(cells[0].read_bytes())
    altered[40] ^= 1
    cells[0].write_bytes(altered)
    cells[1].write_bytes(cells[1].read_bytes()[:100])
    cells[2].write_bytes(b"")
    cells[3].unlink()
    cells[3].mkdir()

    again = run_sweep(tmp_path)
    assert again.returncode == 0, again.stderr
    assert "Traceback" not in again.stderr
    assert "4 cells are trained once more" in again.stdout
    for path in cells[:4]:
        (line,) = [line for line in again.stderr.splitlines() if line.startswith(f"madv: {path}: ")]
        assert "it was set aside as" in line
    store = CellStore(tmp_path / "store")
    found = store.read_many(store.states())
    twice = sum(path.stat().st_ino != file for path, file in whole.items())
    ledger("a cell altered, cut off, emptied, replaced", tried=4, lost=8 - len(found), twice=twice)
    assert (len(found), twice) == (8, 0)
    assert len(list((tmp_path / "store" / "cells").glob("*.broken"))) == 4
    assert (tmp_path / "reports" / "simulated" / "ablation.csv").read_bytes() == table


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_what_is_whole_is_read_and_the_rest_set_aside(tmp_path: Path, scheme: str) -> None:
    store = CellStore(f"{scheme}{tmp_path}")
    folder = tmp_path / "cells"
    for key in (KEY, OTHER, "c" * 64):
        store.write(cell(key=key))
    (folder / f"{OTHER}.parquet").write_bytes(b"PAR1")
    (folder / f"{'c' * 64}.parquet").unlink()
    (folder / f"{'c' * 64}.parquet").mkdir()
    assert store.states() == {KEY: "done", OTHER: "done", "c" * 64: "done"}  # one listing, no reading
    assert list(store.read_whole([KEY, OTHER, "c" * 64])) == [KEY]
    assert store.states() == {KEY: "done"}
    store.write(cell(key=OTHER))
    assert list(store.read_whole([OTHER, KEY])) == [OTHER, KEY]
    assert len(list(folder.glob("*.broken"))) == 2


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Later(Cell):
    """A cell with one more field."""

    colour: str = "red"


def test_a_cell_of_a_later_version_stays(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write(Later(**{field.name: getattr(cell(), field.name) for field in dataclasses.fields(Cell)}))
    with pytest.raises(CellError, match="was written by another version"):
        store.read(KEY)
    assert store.states() == {KEY: "done"}


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": "1"},
        {"history": {"loss": 1.0}},
        {"class_names": (1, 2)},
        {"started": float("inf")},
        {"y_true": np.array([0, 1, 2])},
        {"state": "lost"},
        {"sample_id": (), **dict.fromkeys(("y_true", "y_pred"), np.empty(0, int)), "probabilities": np.empty((0, 2))},
    ],
)
def test_a_digest_is_no_licence(tmp_path: Path, changes: dict[str, Any]) -> None:
    """What was written as it is, and is no cell."""
    store = CellStore(tmp_path)
    store.write(cell(**changes))
    with pytest.raises(CellError, match="was written by another version"):
        store.read(KEY)


def test_names_of_clips_are_texts(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write(cell())
    file = tmp_path / "cells" / f"{KEY}.parquet"
    table = pq.read_table(file)
    pq.write_table(table.set_column(0, "sample_id", pa.array([1, 2, 3], pa.timestamp("s"))), file)
    with pytest.raises(CellError, match="was cut off or is no cell of ours"):
        store.read(KEY)


def test_storage_that_cannot_be_written_is_read_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CellStore(tmp_path)
    store.write(cell())
    (tmp_path / "cells" / f"{KEY}.parquet").write_bytes(b"PAR1")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    assert store.read_whole([KEY]) == {}
    with pytest.raises(CellError, match=r"could not be set aside \(the storage is in trouble: Read-only file system\)"):
        store.read(KEY)


def test_what_was_set_aside_goes_when_it_is_old(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write(cell())
    (tmp_path / "cells" / f"{KEY}.parquet").write_bytes(b"PAR1")
    store.read_whole([KEY])
    store.write(cell())
    kept = References(keys=frozenset([KEY]), data=frozenset())
    aside = tmp_path / "clips" / ".broken-synthetic-1"
    aside.mkdir(parents=True)
    (aside / "facts.json").write_text("{}")
    old, clips = old_ones(str(tmp_path), tmp_path / "clips", kept, before=2e10)
    assert old.name.endswith(".broken")
    clips.remove()
    assert not aside.exists()
