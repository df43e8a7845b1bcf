"""Folders on this machine and behind a URI do the same."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from orchestration.folders import LocalFolder, RemoteFolder, open_folder


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
