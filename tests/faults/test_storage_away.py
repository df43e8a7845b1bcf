"""Storage that is full, read-only or gone for a while: a sweep stops with what it has, whole, and goes on later."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from drill import FULL, PATIENCE, Undisturbed, ended, twice, wait_for
from small_disk import fill, small_disk, writable

from orchestration.cells import CellStore

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


def full(disk: Path) -> Callable[[], object]:
    """No space; what gives it back."""
    return fill(disk).unlink


def read_only(disk: Path) -> Callable[[], object]:
    """No writing; what allows it again."""
    writable(disk, False)
    return lambda: writable(disk, True)


def gone(disk: Path) -> Callable[[], object]:
    """Another folder in its place, as when a network drive is not mounted; what brings it back."""
    (disk / "store").rename(disk / "hidden")
    (disk / "store").write_text("not a folder")

    def back() -> None:
        (disk / "store").unlink()
        (disk / "hidden").rename(disk / "store")

    return back


def unmounted(disk: Path) -> Callable[[], object]:
    """The empty folder that a network drive was mounted at; what mounts it again finds it empty still."""
    (disk / "store").rename(disk / "hidden")
    (disk / "store").mkdir()

    def back() -> None:
        (disk / "store").rmdir()
        (disk / "hidden").rename(disk / "store")

    return back


TROUBLES = {"full": full, "read-only": read_only, "gone": gone, "unmounted": unmounted}


@pytest.mark.parametrize("trouble", TROUBLES if FULL else ["full"])
def test_storage_in_trouble(
    trouble: str, undisturbed: Undisturbed, tmp_path: Path, ledger: Callable[..., None]
) -> None:
    with small_disk(tmp_path / "disk", megabytes=8) as disk:
        sweep = undisturbed.again(tmp_path / "sweep")
        sweep.folder.mkdir()
        (disk / "store").mkdir()
        (sweep.folder / "store").symlink_to(disk / "store")
        # The log stays open, and a disk that is written to cannot be made read-only.
        (sweep.folder / "logs").mkdir()
        (disk / "store" / "logs").symlink_to(sweep.folder / "logs")
        with ended(sweep.start()) as process:
            wait_for(lambda: process.poll() is not None or len(sweep.finished()) >= 3)
            give_back = TROUBLES[trouble](disk)
            code = process.wait(PATIENCE)
        said = sweep.output()
        assert code == 2, said
        assert "Traceback" not in said, said
        give_back()
        before = sweep.finished()
        assert 3 <= len(before) < len(undisturbed.predictions)
        store = CellStore(disk / "store")
        store.read_many(store.states())  # each whole
        assert sweep.run() == 0, sweep.output()
        after = sweep.finished()
        lost = len(undisturbed.predictions) - len(after)
        ledger(f"storage {trouble}", lost=lost, twice=twice(before, after))
        assert sweep.predictions() == undisturbed.predictions
        assert sweep.table() == undisturbed.table
        assert twice(before, after) == 0
        assert not list((disk / "store").rglob("*.tmp"))


@pytest.mark.skipif(not FULL, reason="make faults")
def test_no_room_for_the_report(undisturbed: Undisturbed, tmp_path: Path, ledger: Callable[..., None]) -> None:
    """The cells are elsewhere: what is missing is written by the same command."""
    with small_disk(tmp_path / "disk", megabytes=8) as disk:
        sweep = undisturbed.again(tmp_path / "sweep")
        sweep.folder.mkdir()
        (disk / "reports").mkdir()
        (sweep.folder / "reports").symlink_to(disk / "reports")
        filler = fill(disk)
        assert sweep.run() == 2, sweep.output()
        assert "cannot be written: No space left on device" in sweep.output()
        assert "Traceback" not in sweep.output()
        before = sweep.finished()
        filler.unlink()
        assert sweep.run() == 0, sweep.output()
        after = sweep.finished()
        lost = len(undisturbed.predictions) - len(after)
        ledger("no room for the report", lost=lost, twice=twice(before, after))
        assert sweep.table() == undisturbed.table
        assert twice(before, after) == 0
