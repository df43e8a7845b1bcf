"""The contact sheet: its numbers by hand, then that it is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dashboards.contact_sheet import panels, signed, write
from madv.data.clips import Clips
from orchestration import cli
from orchestration.cli_data_show import contact


def clips(*, depth=True, au=True, **columns):
    """One clip of 5 frames: frames 10 to 18, onset 12, apex 16; at the apex depth rises at a corner of the mouth."""
    texture = np.zeros((1, 3, 5, 40, 40), dtype=np.float32)
    texture[0, :, 3, 20:30, 5] = 2.0
    near = np.zeros((1, 1, 5, 40, 40), dtype=np.float32)
    near[0, 0] += np.linspace(0, 1, 40)[:, None]
    near[0, 0, 2:] += 0.25  # the head comes nearer
    near[0, 0, 3, 29, 26] += 0.5  # x 0.325, y 0.475: AU12
    streams = {"texture": texture}
    if depth:
        streams["depth"] = near
    if au:
        streams["au"] = np.array([[[0, 0, 1, 2, 1], [0, -1, 0, 0, 0]]], dtype=np.float32)
    row = {"sample_id": "s1/c1", "subject": "s1", "dataset": "own", "emotion": "joy", "label": 0}
    row |= {"onset": 12, "apex": 16, "offset": pd.NA, "first_frame": 10.0, "last_frame": 18.0} | columns
    return Clips(
        manifest=pd.DataFrame([row]),
        class_names=("positive",),
        streams=streams,
        au_targets=np.array([[1, 0]], dtype=np.float32) if au else None,
        au_names=("AU12", "AU4") if au else (),
        fingerprint="",
    )


def test_numbers():
    sheet = contact(clips(), 0)
    assert sheet.title == "s1/c1 (own)"
    assert sheet.facts == ("class positive, subject s1, emotion joy, onset 12, apex 16",)
    assert sheet.frames == ("10", "12 onset", "14", "16 apex", "18")
    assert sheet.texture.shape == (5, 40, 40, 3)
    assert sheet.difference[1].max() == 0 and sheet.difference[3].max() == 1  # of the largest change
    assert [unit.name for unit in sheet.units] == ["AU12", "AU4"] and sheet.units[0].coded
    first = sheet.regions[0]
    # AU12: centre 0.32, 0.47, width 0.16 -> x -0.64 to 0.64, y 0.15 to 0.79 of -1 to 1: pixels of 40.
    assert (first.name, first.box) == ("AU12 *", (7, 23, 33, 36))
    assert first.maps.shape == (5, 13, 26)
    assert np.argwhere(first.maps > 0.5).tolist() == [[3, 29 - 23, 26 - 7]]  # the head's own movement is taken off
    assert np.abs(first.maps[[0, 1, 2, 4]]).max() == pytest.approx(0, abs=1e-6)


def test_at_most_eight_frames_with_those_that_are_annotated():
    stretched = clips(first_frame=0.0, last_frame=4.0, onset=1, apex=2, offset=3)
    long = {name: np.repeat(array, 6, axis=2) for name, array in stretched.streams.items()}  # 30 frames
    sheet = contact(Clips(manifest=stretched.manifest, class_names=("positive",), streams=long, fingerprint=""), 0)
    assert len(sheet.frames) == 8
    assert [name.split()[1] for name in sheet.frames if " " in name] == ["onset", "apex", "offset"]


def test_what_a_data_set_lacks_is_said():
    sheet = contact(clips(depth=False, au=False, action_units="L10+61"), 0)
    assert sheet.facts[1:] == (
        "no depth stream: set dataset.depth.source",
        "no au stream: set dataset.au.source",
    )
    assert [(unit.name, unit.values) for unit in sheet.units] == [("AU10", None), ("AU61", None)]
    assert [panel.title for panel in panels(sheet)] == ["Frames", "Frame difference", "Action units"]


def test_colours():
    white, warm, cold = signed(np.array([0.0, 1.0, -1.0], dtype=np.float32))
    assert white.tolist() == [1, 1, 1]
    assert (warm * 255).round().tolist() == [213, 94, 0] and (cold * 255).round().tolist() == [0, 114, 178]


def test_files(tmp_path):
    sheet = contact(clips(), 0)
    write(sheet, tmp_path / "new" / "sheet.png")
    with Image.open(tmp_path / "new" / "sheet.png") as picture:
        assert picture.width > 800 and len(set(picture.convert("L").get_flattened_data())) > 20
    write(sheet, tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert page.count('<img src="data:image/png;base64,') == 5 and "http" not in page


def test_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MADV_CACHE", str(tmp_path))
    small = ["dataset=synthetic", "dataset.subjects=2", "dataset.clips_per_class=[2,2,2]", "dataset.size=16"]
    assert cli.main(["data", "show", *small, "--clip", "sub02_001", "--out", str(tmp_path / "a.png")]) == 0
    assert "sub02_001 (synthetic-0)" in capsys.readouterr().out
    assert cli.main(["data", "show", *small, "--clip", "sub2_1", "--out", str(tmp_path / "a.png")]) == 2
    assert "no clip 'sub2_1' among the 6; there are sub02_001, " in capsys.readouterr().err
    assert cli.main(["data", "show", *small, "--out", "a.gif"]) == 2
    assert "a contact sheet is a .png or an .html file" in capsys.readouterr().err
