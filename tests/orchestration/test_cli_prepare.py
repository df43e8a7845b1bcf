"""`madv data prepare` on a folder of frames, and `madv data` without a command."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestration import cli


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MADV_CACHE", str(tmp_path / "clips"))
    monkeypatch.setenv("COLUMNS", "200")
    home = tmp_path / "own"
    rows = []
    for clip in range(2):
        (home / f"c{clip}").mkdir(parents=True)
        for number in range(1, 4):
            Image.fromarray(np.full((16, 16), 40 * number, np.uint8)).save(home / f"c{clip}" / f"img{number}.png")
        rows.append([f"c{clip}", f"s{clip}", "sad" if clip else "happy", f"c{clip}", 1, "", 3])
    with (home / "table.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([["sample_id", "subject", "emotion", "frames", "onset", "apex", "offset"], *rows])
    return home


def test_prepare_tells_what_there_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["dataset=manifest", f"dataset.path={home}", "dataset.clip.size=16", "dataset.clip.frames=4"]
    assert cli.main(["data", "prepare", *overrides]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line.startswith(("clips", "classes", "streams"))] == [
        "clips      2 of 2 subjects",
        "classes    happy 1, sad 1",
        "streams    texture 3x4x16x16, au 16x4",
    ]
    assert cli.main(["data", *overrides]) == 0
    assert "texture 3x4x16x16, au 16x4" in capsys.readouterr().out


def test_a_folder_that_is_not_there(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "prepare", "dataset=casme2", "dataset.path=nowhere"]) == 2
    assert capsys.readouterr().err.startswith("madv: nowhere: is no folder; dataset.path must be the folder of")
