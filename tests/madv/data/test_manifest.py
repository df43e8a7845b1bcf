"""From the configured folder to one row a clip: folders in the published layouts, and what is missing of them."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from real_files import ANNOTATIONS, real_file

from madv.config_data import Casme2Config, CasmeSqConfig, CompositeConfig, ManifestConfig, SammConfig, SmicConfig
from madv.data.annotations.kinds import read
from madv.data.annotations.places import locate
from madv.data.annotations.smic import ONLY_SHORT
from madv.data.manifest import COLUMNS, read_manifest
from madv.errors import DataError

NAMES = {"ne": "negative", "po": "positive", "sur": "surprise"}


def _frames(folder, *numbers):
    folder.mkdir(parents=True)
    for number in numbers:
        (folder / f"image{number}.jpg").touch()


def _smic_short(root, clips):
    """HS with two frames a clip, onset and offset; the names of most releases have one digit less."""
    for clip in clips:
        _frames(root / "HS" / clip.subject / "micro" / clip.emotion / clip.sample_id[4:], clip.onset, clip.offset)
    for name in ONLY_SHORT:
        _frames(root / "HS" / name[:3] / "micro" / NAMES[name.split("_")[1]] / name, 5, 9)


def _folders(root, clips):
    for clip in clips:
        (root / clip.folder.replace("*", "film")).mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    """The four data sets as downloaded, folders without pictures."""
    root = tmp_path_factory.mktemp("downloads")
    clips = {}
    for kind in ("casme2", "samm", "smic", "casme_sq"):
        (root / kind).mkdir()
        shutil.copy(real_file(kind), root / kind)
        clips[kind] = read(real_file(kind), kind).clips
    _folders(root / "casme2/Cropped", clips["casme2"])
    _folders(root / "samm/SAMM", clips["samm"])
    _folders(root / "casme_sq/rawpic", clips["casme_sq"])
    _smic_short(root / "smic", clips["smic"])
    return root


def test_casme2(downloads):
    manifest = read_manifest(Casme2Config(path=str(downloads / "casme2")))
    table = manifest.table
    assert table.dtypes.astype(str).to_dict() == COLUMNS
    assert (len(table), table["subject"].nunique()) == (246, 26)
    assert np.bincount(table["label"]).tolist() == [63, 32, 99, 27, 25]
    assert manifest.class_names == ("disgust", "happiness", "others", "repression", "surprise")
    assert (manifest.releases, manifest.problems) == ({"casme2": "2014"}, ())
    assert len(manifest.excluded) == 9
    row = table.set_index("sample_id").loc["sub01/EP02_01f"]
    assert (row["frames"], row["onset"], row["apex"], row["offset"]) == ("Cropped/sub01/EP02_01f", 46, 59, 86)
    assert (row["action_units"], row["fps"], row["dataset"]) == ("12", 200, "casme2")
    assert manifest.places["sub01/EP02_01f"].endswith("casme2/CASME2-coding-20140508.xlsx, row 2")


def test_samm_and_casme_sq(downloads):
    samm = read_manifest(SammConfig(path=str(downloads / "samm"), classes=3))
    assert (len(samm.table), samm.table["subject"].nunique(), samm.problems) == (133, 28, ())
    assert samm.table["frames"].iloc[0] == "SAMM/006/006_1_2"
    sq = read_manifest(CasmeSqConfig(path=str(downloads / "casme_sq"), expressions="both"))
    assert (len(sq.table), sq.table["subject"].nunique(), sq.problems) == (357, 22, ())
    assert sq.table.set_index("sample_id")["frames"]["s15/anger1_1"] == "rawpic/s15/15_0401film"


def test_smic_by_its_folder_and_by_its_spreadsheet(downloads, tmp_path):
    manifest = read_manifest(SmicConfig(path=str(downloads / "smic")))
    table = manifest.table.set_index("sample_id")
    assert (len(table), table["subject"].nunique(), manifest.problems) == (164, 16, ())
    assert np.bincount(table["label"]).tolist() == [70, 51, 43]
    added = table.loc["s01/s01_ne_02"]
    assert (added["frames"], added["onset"], added["apex"], added["offset"]) == (
        "HS/s01/micro/negative/s01_ne_02",
        5,
        7,
        9,
    )
    assert added["notes"] == "no apex is annotated: the middle frame is read"
    # Without the spreadsheet the folder alone says the same.
    shutil.copytree(downloads / "smic/HS", tmp_path / "HS")
    alone = read_manifest(SmicConfig(path=str(tmp_path))).table.set_index("sample_id")
    columns = ["subject", "label", "onset", "apex", "offset", "frames"]
    assert alone[columns].equals(table[columns])


def test_smic_of_other_names_and_frames(tmp_path):
    shutil.copy(real_file("smic"), tmp_path / "a.xlsx")
    _frames(tmp_path / "HS/s1/micro/negative/s1_ne_01", 559741, 559776)
    manifest = read_manifest(SmicConfig(path=str(tmp_path)))
    row = manifest.table.set_index("sample_id").loc["s01/s01_ne_01"]
    assert (row["frames"], row["onset"], row["offset"]) == ("HS/s1/micro/negative/s1_ne_01", 559741, 559776)
    what = [(c.row, c.what) for c in manifest.corrections if c.kind == "onset and offset"]
    assert what == [(73, "559740 to 559775, but the folder has 559741 to 559776, which is read")]
    assert len(manifest.problems) == 156


def test_the_long_recordings_of_smic_need_the_spreadsheet(tmp_path):
    root = tmp_path / "HS_long/SMIC_HS_E"
    for clip in read(real_file("smic"), "smic").clips:
        _frames(root / clip.subject / clip.sample_id[4:].replace("s0", "s"), 1)
    with pytest.raises(DataError, match=r"set dataset\.annotations to SMIC-HS-E_annotation\.xlsx"):
        read_manifest(SmicConfig(path=str(tmp_path)))
    manifest = read_manifest(SmicConfig(path=str(tmp_path), annotations=str(real_file("smic"))))
    assert (len(manifest.table), manifest.problems) == (157, ())
    assert manifest.table["frames"].iloc[0] == "HS_long/SMIC_HS_E/s01/s1_ne_01"
    assert [clip.sample_id[4:] for clip in manifest.excluded] == list(ONLY_SHORT)


def test_the_composite_is_the_official_one(downloads):
    manifest = read_manifest(
        CompositeConfig(
            casme2_path=str(downloads / "casme2"), samm_path=str(downloads / "samm"), smic_path=str(downloads / "smic")
        )
    )
    table = manifest.table
    assert table.groupby("dataset").size().to_dict() == {"casme2": 145, "samm": 133, "smic": 164}
    assert np.bincount(table["label"]).tolist() == [250, 109, 83]
    assert table["subject"].nunique() == 68
    assert manifest.class_names == ("negative", "positive", "surprise")
    assert manifest.roots["samm"] == downloads / "samm"
    flow = ANNOTATIONS.parent / "megc2019_flow28.npz"
    if not flow.is_file():
        pytest.skip("the official list of clips is not here: no megc2019_flow28.npz")
    with np.load(flow) as official:
        names = ["/".join(parts) for parts in zip(*(official[c] for c in ("dataset", "subject", "clip")), strict=True)]
        labels = dict(zip(names, official["y"].tolist(), strict=True))
    assert dict(zip(table["sample_id"], table["label"], strict=True)) == labels


def test_one_folder_can_hold_all_three_and_an_emotion_be_in_some_of_them(downloads):
    manifest = read_manifest(CompositeConfig(path=str(downloads), emotions=("repression", "surprise")))
    assert manifest.class_names == ("negative", "surprise")
    assert np.bincount(manifest.table["label"]).tolist() == [27, 25 + 15 + 43]
    assert manifest.table["frames"].iloc[0].startswith("casme2/Cropped/sub")
    assert manifest.problems == ()


def test_every_data_set_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        read_manifest(CompositeConfig(casme2_path=str(tmp_path), samm_path=str(tmp_path / "no")))
    problems = [str(problem).replace(str(tmp_path), "ROOT") for problem in caught.value.problems]
    assert problems == [
        "ROOT: holds no annotation file of CASME-II; put it there or set dataset.casme2_annotations",
        "ROOT/no: is no folder; dataset.samm_path must be the folder of SAMM as downloaded",
        "dataset.smic_path: is not set; set dataset.smic_path to the folder of SMIC-HS as downloaded",
    ]


def test_missing_frames_are_problems_of_the_result(downloads, tmp_path):
    root = tmp_path / "CASME2_RAW_selected"
    _folders(root, read(real_file("casme2"), "casme2").clips)
    (root / "sub01/EP02_01f").rmdir()
    config = {"path": str(tmp_path), "annotations": str(real_file("casme2"))}
    (problem,) = read_manifest(Casme2Config(**config, images="raw")).problems
    assert problem.place.endswith("CASME2-coding-20140508.xlsx, row 2")
    assert "clip sub01/EP02_01f has no folder CASME2_RAW_selected/sub01/EP02_01f" in problem.message
    cropped = read_manifest(Casme2Config(**config))
    assert "holds no Cropped/ with the subjects' folders; set dataset.images=raw" in str(cropped.problems[0])
    assert (len(cropped.problems), cropped.table["frames"].isna().all()) == (1, True)


def test_a_guessed_offset_ends_with_the_film(tmp_path):
    _frames(tmp_path / "rawpic/s15/15_0401angry", *range(2150, 2169))
    with (tmp_path / "gt.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow([1, "anger1_1", 2155, 2163, 0, 4, "negative", "micro-expression", "anger"])
        writer.writerow([1, "anger1_2", 2151, 2153, 0, 4, "negative", "micro-expression", "anger"])
    manifest = read_manifest(CasmeSqConfig(path=str(tmp_path)))
    assert manifest.table["offset"].tolist() == [2168, 2155]  # 2171 would be the mirror image
    assert [c.kind for c in manifest.corrections] == ["missing offset", "missing offset", "end of the film"]


@pytest.mark.parametrize(("below", "base"), [("Cropped", "Cropped"), ("CASME2/Cropped", "CASME2/Cropped"), (".", ".")])
def test_the_folder_is_found_where_downloads_put_it(tmp_path, below, base):
    (tmp_path / below / "sub01/EP02_01f").mkdir(parents=True)
    place = locate("casme2", tmp_path, "cropped")
    assert str(place.base) == base
    assert place.clip("sub01/EP02_01f") == f"{base}/sub01/EP02_01f".removeprefix("./")
    assert place.clip("sub1/ep02_1F") is not None
    assert place.clip("sub01/EP02_02f") is None


def test_two_folders_that_fit_are_none(tmp_path):
    for name in ("EP01_02", "EP1_2"):
        (tmp_path / "Cropped/sub03" / name).mkdir(parents=True)
    place = locate("casme2", tmp_path, "cropped")
    assert place.clip("sub03/EP01_02") == "Cropped/sub03/EP01_02"
    assert place.clip("sub03/EP01_2") is None


def test_a_manifest_of_ones_own(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.mp4").touch()
    with (tmp_path / "clips.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["sample_id", "subject", "emotion", "frames", "apex"])
        writer.writerows([["z", "p1", "joy", "b", 4], ["y", "p2", "awe", "a.mp4", ""], ["x", "p2", "awe", "gone", ""]])
    for config in (ManifestConfig(path=str(tmp_path)), ManifestConfig(annotations=str(tmp_path / "clips.csv"))):
        manifest = read_manifest(config)
        assert manifest.class_names == ("awe", "joy")
        assert manifest.table["sample_id"].tolist() == ["x", "y", "z"]
        assert manifest.table["frames"].fillna("-").tolist() == ["-", "a.mp4", "b"]
        assert manifest.table["apex"].fillna(-1).tolist() == [-1, -1, 4]
        assert "row 4: clip x has no folder gone" in str(manifest.problems[0])
