"""Twins: folders, names and numbers of each data set, faces that do what is annotated, and runs that go on."""

from __future__ import annotations

import csv
import shlex
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from real_files import real_file
from small_twins import FILES, annotation_file, small_twin

from madv.config_data import Casme2Config, CasmeSqConfig, SammConfig, SmicConfig
from madv.data.annotations import kinds
from madv.data.annotations.sheets import read_sheets
from madv.data.check import check
from madv.data.frames import index
from madv.data.manifest import read_manifest
from madv.data.twin_layouts import Twin, films
from madv.data.twins import pictures, synthesize
from madv.errors import DataError
from orchestration import cli

CONFIGS = {
    "casme2": Casme2Config(classes=7),
    "samm": SammConfig(classes=8),
    "smic": SmicConfig(),
    "casme_sq": CasmeSqConfig(expressions="both"),
}


def files_below(folder):
    found = {}
    for file in folder.rglob("*.jpg"):
        found.setdefault(str(file.parent.relative_to(folder)), []).append(file.name)
    return {name: sorted(names) for name, names in found.items()}


@pytest.mark.parametrize("kind", FILES)
def test_folders_files_and_what_the_readers_make_of_them(kind, tmp_path):
    twin = small_twin(kind, tmp_path)
    assert files_below(twin) == {folder: sorted(names) for folder, names in FILES[kind].items()}
    (report,) = check(twin)
    assert (report.kind, report.twin, report.wrong) == (kind, True, False)
    with Image.open(next(twin.rglob("*.jpg"))) as picture:
        assert (picture.size, picture.mode) == ((16, 16), "L" if kind == "samm" else "RGB")
    sheet = {clip.sample_id: clip for clip in kinds.read(annotation_file(kind, tmp_path), kind).clips}
    table = read_manifest(CONFIGS[kind], twin).table
    assert set(table["sample_id"]) == set(sheet) | ({"s01/s01_ne_02"} if kind == "smic" else set())
    for row in table.itertuples():
        if (clip := sheet.get(row.sample_id)) is not None:
            times = (clip.onset, clip.apex, clip.offset)
            assert (row.subject, row.emotion, row.onset, row.apex, row.offset) == (clip.subject, clip.emotion, *times)
            assert clip.action_units is None or row.action_units == clip.action_units


@pytest.mark.parametrize("kind", FILES)
def test_a_few_clips_of_the_real_file(kind, tmp_path):
    sheet = next(sheet for sheet in read_sheets(real_file(kind)) if len(sheet.rows) > 100)
    head = {"samm": 14, "casme_sq": 0}.get(kind, 1)
    short = tmp_path / "short.csv"
    with short.open("w", newline="") as out:
        rows = [row for row in sheet.rows[head:] if row]
        csv.writer(out).writerows([*sheet.rows[:head], *rows[:1], *rows[-2:]])
    clips = kinds.read(short, kind).clips
    assert len(clips) == 3
    synthesize(kind, short, tmp_path / "twin", size=16)
    (report,) = check(tmp_path / "twin")
    assert (report.kind, report.wrong) == (kind, False)
    table = read_manifest(CONFIGS[kind], tmp_path / "twin").table.set_index("sample_id")
    for clip in clips:
        row = table.loc[clip.sample_id]
        assert (row["subject"], row["emotion"], row["onset"]) == (clip.subject, clip.emotion, clip.onset)
        assert {*range(clip.onset, clip.offset + 1)} <= {*index(tmp_path / "twin" / row["frames"]).numbers}


@pytest.mark.parametrize(
    ("kind", "folders", "clips", "frames"),
    [("casme2", 255, 255, 17138), ("samm", 159, 159, 11816), ("smic", 164, 164, 5577), ("casme_sq", 95, 357, 12020)],
)
def test_counts_of_the_real_files(kind, folders, clips, frames):
    plan = films(kinds.read(real_file(kind), kind))
    inside = [clip for film in plan for clip in film.clips]
    assert (len(plan), len(inside), sum(len(film.numbers) for film in plan)) == (folders, clips, frames)
    if kind == "smic":
        assert Counter(clip.emotion for clip in inside) == {"negative": 70, "positive": 51, "surprise": 43}
        assert len({clip.subject for clip in inside}) == 16


SWEEP = """
cluster_name: twin
provider: {type: local, head_ip: 127.0.0.1, worker_ips: []}
metadata:
  sweep:
    question: Do action units help?
    base: [%s]
    design: factorial
    factors: {au: {on: [], off: [model.streams.au=false]}}
    seeds: 1
"""


def test_from_the_annotation_file_to_a_report_by_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    small = ["--like", "samm", "--annotations", str(annotation_file("samm", tmp_path)), "--out", "twin", "--size", "32"]
    assert cli.main(["data", "synthesize", *small]) == 0
    assert cli.main(["data", "check", "twin"]) == 0
    command = next(line for line in capsys.readouterr().out.splitlines() if "prepare with" in line)
    overrides = [*shlex.split(command)[5:], "dataset.classes=8", "dataset.clip.frames=8", "dataset.clip.size=32"]
    assert cli.main(["data", "prepare", *overrides]) == 0
    told = capsys.readouterr().out
    assert "twin       samm: synthetic frames, not the data set itself" in told
    assert "clips      3 of 3 subjects" in told
    overrides += ["model=madv_tiny", "train=demo", "train.epochs=1", "model.streams.depth=false"]
    assert cli.main(["train", *overrides]) == 0
    assert "UF1 " in capsys.readouterr().out
    (tmp_path / "twin.yaml").write_text(SWEEP % ", ".join(overrides))
    assert cli.main(["report", "twin.yaml"]) == 0
    assert "Note: Twin of samm: synthetic frames" in capsys.readouterr().out
    assert "Twin of samm: synthetic frames" in (tmp_path / "reports/twin/index.html").read_text()


def rendered(film, units, **changes):
    clip = replace(film.clips[0], action_units=units, **({"emotion": ""} if units is None else {}), **changes)
    twin = Twin(like="samm", annotations="", images="all", size=32, seed=0)
    return np.stack([*pictures(replace(film, clips=(clip,)), twin)]).astype(float)


def test_a_face_does_what_is_annotated(tmp_path):
    film = films(kinds.read(annotation_file("samm", tmp_path), "samm"))[0]  # 998 to 1002, apex 1000
    still = rendered(film, None)
    smile = np.abs(rendered(film, "12E") - still)  # head, light and noise are the same
    assert smile[0].max() <= 1 and smile[2].max() > 20
    assert smile[2].mean() > smile[1].mean() > smile[0].mean()
    rows, columns = smile[2].sum(axis=1), smile[2].sum(axis=0)
    assert rows[20:28].sum() > 0.7 * rows.sum()  # the mouth is three quarters down
    left = np.abs(rendered(film, "L12E") - still)[2].sum(axis=0)
    assert left[16:].sum() > 0.9 * left.sum() and 0.4 < columns[16:].sum() / columns.sum() < 0.6
    assert np.abs(rendered(film, "12A") - still)[2].sum() < smile[2].sum() / 2
    # What cannot be shown is shown as its emotion, here anger: brows are lowered.
    assert np.abs(rendered(film, "61") - rendered(film, "4+5+7+23"))[2].max() <= 1


def test_a_stopped_run_goes_on_and_gives_the_same_files(tmp_path):
    twin = small_twin("casme2", tmp_path)
    gone, kept = twin / "Cropped/sub01/EP02_01f", twin / "Cropped/sub17/EP05_02"
    before = {file.name: file.read_bytes() for file in gone.iterdir()}
    times = {file: file.stat().st_mtime_ns for file in kept.iterdir()}
    for file in gone.iterdir():
        file.unlink()
    gone.rmdir()
    seen = []
    synthesize(
        "casme2", tmp_path / "casme2.csv", twin, size=16, progress=lambda done, total: seen.append((done, total))
    )
    assert {file.name: file.read_bytes() for file in gone.iterdir()} == before
    assert {file: file.stat().st_mtime_ns for file in kept.iterdir()} == times
    assert seen == [(10, 15), (15, 15)]
    assert sorted(path.name for path in twin.iterdir() if path.name.startswith(".")) in ([], [".making"])


def test_folders_of_others_are_refused(tmp_path):
    twin = small_twin("smic", tmp_path)
    with pytest.raises(DataError, match=r"holds a twin with size 16, not 24: name another folder"):
        synthesize("smic", tmp_path / "smic.csv", twin, size=24)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").touch()
    with pytest.raises(DataError, match=r"holds 'thesis.tex' and is no twin"):
        synthesize("smic", tmp_path / "smic.csv", tmp_path / "mine")
    with pytest.raises(DataError, match="unknown kind of images 'raw'; choose from long, short for smic"):
        synthesize("smic", tmp_path / "smic.csv", tmp_path / "new", images="raw")
    assert not (tmp_path / "new").exists()


def test_other_frames_of_the_same_data_sets(tmp_path):
    for kind, images, folder in (
        ("casme2", "raw", "CASME2_RAW_selected/sub01/EP02_01f/img8.jpg"),
        ("smic", "long", "HS_long/SMIC_HS_E/s20/s20_sur_01/image17581039.jpg"),
    ):
        synthesize(kind, annotation_file(kind, tmp_path), tmp_path / kind, size=16, images=images)
        assert (tmp_path / kind / folder).is_file()
        (report,) = check(tmp_path / kind)
        assert not report.wrong
        assert report.command.endswith(" dataset.images=raw") is (kind == "casme2")
