"""Folders on this machine and behind a URI do the same."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from madv.errors import StorageError
from orchestration import folders
from orchestration.folders import LocalFolder, RemoteFolder, open_folder, patiently


@pytest.mark.parametrize("start", ["", "file://"])
def test_what_is_put_is_listed_with_size_and_time_and_can_be_removed(tmp_path: Path, start: str) -> None:
    folder = open_folder(f"{start}{tmp_path}/root/", "cells")
    assert isinstance(folder, RemoteFolder if start else LocalFolder)
    assert (folder.names(), folder.files(), folder.get("a")) == ([], [], None)
    folder.put("a", b"first")
    folder.put("a", b"123")
    folder.put("b", b"")
    os.utime(tmp_path / "root" / "cells" / "a", (1.7e9, 1.7e9))
    found = {one.name: one for one in pickle.loads(pickle.dumps(folder)).files()}
    assert sorted(found) == sorted(folder.names()) == ["a", "b"]
    assert (found["a"].size, found["a"].modified) == (3, pytest.approx(1.7e9))
    assert found["b"].size == 0
    assert found["b"].modified == pytest.approx((tmp_path / "root" / "cells" / "b").stat().st_mtime)
    assert folder.get("a") == b"123"
    folder.remove("a")
    folder.remove("a")
    assert folder.names() == ["b"]


def test_keys_in_an_address_are_in_no_word_of_it() -> None:
    folder = open_folder("s3://ME:S3CR3T@bucket/store?region=eu&token=S3CR3T", "cells")
    assert str(folder) == "s3://bucket/store/cells?region=eu&token=***"
    with pytest.raises(StorageError, match="Unexpected query parameter") as trouble:
        folder.names()
    assert "S3CR3T" not in str(trouble.value)


def test_options_of_an_address_stay_at_its_end(tmp_path: Path) -> None:
    folder = open_folder(f"file://{tmp_path}/store", "cells")
    folder.put("a", b"1")
    assert (tmp_path / "store" / "cells" / "a").read_bytes() == b"1"
    assert str(open_folder("s3://bucket/?endpoint_override=host:9000", "cells")) == (
        "s3://bucket/cells?endpoint_override=host:9000"
    )


def test_a_disk_that_refuses_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no folder")
    folder = open_folder(tmp_path / "store", "cells")
    for action in (folder.names, folder.files, lambda: folder.get("a"), lambda: folder.put("a", b"")):
        with pytest.raises(StorageError, match=r"store/cells: the storage is in trouble: Not a directory"):
            action()


def test_a_drive_that_is_no_longer_mounted_is_trouble(tmp_path: Path) -> None:
    """Its mount point is an empty folder, in which nothing is made."""
    folder = LocalFolder(str(tmp_path / "store" / "cells"))
    assert folder.names() == []
    folder.make()
    folder.put("a", b"1")
    worker = pickle.loads(pickle.dumps(folder))
    (tmp_path / "store").rename(tmp_path / "hidden")
    (tmp_path / "store").mkdir()
    for one in (folder, worker):
        for action in (one.names, one.files, lambda one=one: one.put("b", b"2")):
            with pytest.raises(StorageError, match="No such file or directory"):
                action()
    assert list((tmp_path / "store").iterdir()) == []


def test_patience_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(folders, "PAUSES", (0.0, 0.0))
    answers = iter([StorageError("away"), StorageError("away"), 7])

    def answer() -> int:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    assert patiently(answer) == 7
    assert caplog.messages == ["away; tried again in 0 s"] * 2
