"""An npz file that claims more than it has, or unpacks to more than it may, is one sentence."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from madv.data.layouts import no_folder
from madv.data.megc2019_files import read_npz
from madv.errors import DataError


def header(*shape: int, kind: str = "|u1") -> bytes:
    """An array's first bytes, and none of its content."""
    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(written, {"descr": kind, "fortran_order": False, "shape": shape})
    return written.getvalue()


@pytest.mark.parametrize(
    "content",
    [header(10**13), header(10**30), header(10**5, 28, 28, 3, kind="<U100000"), header(1, 28, 28, 3, kind="|O")],
)
def test_an_array_that_claims_what_is_not_there(content: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "flow.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(DataError, match="cannot be read as an npz file"):
        read_npz(tmp_path / "flow.npz")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "flow.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(70 * 2**20))
    assert (tmp_path / "flow.npz").stat().st_size < 2**20
    with pytest.raises(DataError, match="unpacks to 70 MB, more than 64: refused"):
        read_npz(tmp_path / "flow.npz")


@pytest.mark.parametrize("member", ["../home", "a/../../home", "/etc/passwd", "\\\\host\\share"])
def test_an_archive_whose_members_lead_out_is_not_recommended(member: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(member), "x")
    assert no_folder(tmp_path / "set.zip").startswith("is refused: its member ")
