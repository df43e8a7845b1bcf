"""Three estimators' CSV files, aligned to frame numbers."""

from __future__ import annotations

import numpy as np
import pytest

from madv.data.au_files import align, at, find, read
from madv.errors import DataError

OPENFACE = "frame, face_id, timestamp, confidence, success, AU01_r, AU12_r, AU01_c, AU28_c\n"
THREE = {46: "reg_img46.jpg", 47: "reg_img47.jpg", 48: "reg_img48.jpg"}
CROSSING = {98: "img98.jpg", 99: "img99.jpg", 100: "img100.jpg"}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "clip.csv"


def openface(file, rows):
    lines = [f"{frame}, 0, 0.0, 0.98, {success}, {one}, {twelve}, 0.00, 0.00" for frame, success, one, twelve in rows]
    file.write_text(OPENFACE + "\n".join(lines) + "\n")
    return read(file)


def test_openface_has_spaces_and_presence_columns(file):
    found = openface(file, [(1, 1, 0.5, 2.0), (2, 1, 0.75, 3.5)])
    assert found.names == ("AU1", "AU12")
    assert found.values.tolist() == [[0.5, 0.75], [2.0, 3.5]]
    assert found.frames.tolist() == [1, 2]


def test_pyfeat_and_libreface(file):
    file.write_text("frame,input,AU12,AU01\n0,/a/reg_img46.jpg,.5,.25\n1,/a/reg_img48.jpg,.75,1\n")
    found = read(file)
    assert (found.names, found.frames.tolist(), found.images) == (("AU1", "AU12"), [46, 48], True)
    assert found.values.tolist() == [[0.25, 1], [0.5, 0.75]]
    file.write_text("frame_idx,au_1_intensity,au_12_intensity,au_1\n0,1.5,2,1\n")
    found = read(file)
    assert (found.names, found.values.tolist(), found.images) == (("AU1", "AU12"), [[1.5], [2.0]], False)


def test_rows_that_count_get_the_frames_numbers(file):
    counted = openface(file, [(1, 1, 0, 0), (2, 1, 1, 0), (3, 1, 4, 0)])
    aligned = align(file, counted, THREE, None)
    assert aligned.frames.tolist() == [46, 47, 48]
    assert at(file, aligned, np.array([46, 46.5, 48]))[0].tolist() == [0, 0.5, 4]
    numbered = openface(file, [(46, 1, 0, 0), (47, 1, 1, 0), (48, 1, 4, 0)])
    assert align(file, numbered, THREE, None).frames.tolist() == [46, 47, 48]


def test_the_order_of_names_that_are_not_padded(file):
    counted = openface(file, [(1, 1, 0, 0), (2, 1, 1, 0), (3, 1, 4, 0)])
    with pytest.raises(DataError, match=r"clip\.csv: only counts its rows.* dataset\.au\.order=names"):
        align(file, counted, CROSSING, None)
    assert align(file, counted, CROSSING, "names").frames.tolist() == [100, 98, 99]
    assert align(file, counted, CROSSING, "numbers").frames.tolist() == [98, 99, 100]


def test_frames_without_a_face_are_bridged(file):
    seen = openface(file, [(46, 1, 1, 2), (47, 0, 0, 0), (48, 1, 3, 2)])
    assert at(file, seen, np.array([46, 47, 48])).tolist() == [[1, 2, 3], [2, 2, 2]]
    blind = openface(file, [(46, 0, 0, 0), (47, 0, 0, 0), (48, 0, 0, 0)])
    with pytest.raises(DataError, match="found no face in frames 46 to 48"):
        at(file, blind, np.array([46.0, 48.0]))


def test_what_does_not_fit(file, tmp_path):
    with pytest.raises(DataError, match=r"has 2 rows for 3 frames \(46 to 48\)"):
        align(file, openface(file, [(1, 1, 0, 0), (2, 1, 0, 0)]), THREE, None)
    with pytest.raises(DataError, match="two rows for one frame"):
        openface(file, [(1, 1, 0, 0), (1, 1, 0, 0)])
    for text, message in [
        ("a,b\n1,2\n", "has no intensities: columns AU01_r"),
        ("", "has no intensities"),
        ("frame,AU01_r\n", "has no rows"),
        ("frame,AU01_r\n1\n", "line 2 breaks off"),
        ("frame,AU01_r\n1,high\n", "line 2: 'high' is no number"),
        ("frame,AU01_r\n1,1e99\n", "line 2: '1e99' is no number"),
        ("frame,AU01_r\n1e92,1\n", "line 2: '1e92' is no number"),
        ("frame,AU01_r\n1,1\n,2\n", "line 3 has no whole number as its frame"),
        (f"frame,AU{'9' * 5000}_r\n1,1\n", "has no intensities"),
    ]:
        file.write_text(text)
        with pytest.raises(DataError, match=message):
            read(file)
    with pytest.raises(DataError, match=r"has no action units of s1/c1; looked for s1/c1\.csv, A/c1\.csv, c1\.csv"):
        find(tmp_path, "s1/c1", "A/c1")
    (tmp_path / "c1.csv").touch()
    assert find(tmp_path, "s1/c1", "A/c1") == tmp_path / "c1.csv"
