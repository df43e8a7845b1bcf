"""The real benchmark: both layouts give the same clips, and whatever else is at the path is said so."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from madv.config_data import Megc2019Config
from madv.data.cache import load
from madv.data.clips import MANIFEST_COLUMNS
from madv.data.folds import leave_one_subject_out
from madv.data.megc2019 import cache_key, read
from madv.errors import DataError

BESIDE_THE_REPOSITORY = Path(__file__).parents[3] / "shared/data/megc2019_flow28.npz"


@pytest.fixture(scope="module")
def npz():
    path = Path(os.environ.get("MADV_MEGC2019") or BESIDE_THE_REPOSITORY)
    if not path.is_file():
        pytest.skip("the MEGC2019 flow images are not here: set MADV_MEGC2019 to the npz file")
    return path


@pytest.fixture
def small():
    """Six clips in the arrays of the npz; two subjects of different data sets share a name."""
    rng = np.random.default_rng(0)
    images = rng.integers(90, 160, (6, 28, 28, 3), dtype=np.uint8)
    images[..., 2] //= 8  # strain is dark
    return {
        "x": images,
        "y": np.array([0, 1, 2, 0, 1, 2]),
        "subject": np.array(["s01", "s01", "006", "s01", "006", "006"]),
        "dataset": np.array(["smic", "smic", "samm", "casme2", "samm", "samm"]),
        "clip": np.array(["a", "b", "c", "d", "e", "f"]),
    }


def _save(arrays, path):
    np.savez(path, **arrays)
    return path


def _folder(arrays, folder, blue_first=False):
    images = folder / "images"
    images.mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["", "dataset", "sub", "filename_o", "label", "imagename"])
        for row, (pixels, label, sub, dataset, clip) in enumerate(
            zip(*(arrays[name] for name in ("x", "y", "subject", "dataset", "clip")), strict=True)
        ):
            writer.writerow([row, dataset, sub, clip, label, "apex.jpg"])
            Image.fromarray(pixels[..., ::-1] if blue_first else pixels).save(images / f"{sub}_{clip} .png")
    return folder


def _read(path):
    return read(Megc2019Config(path=str(path)))


def _problems(path):
    with pytest.raises(DataError) as caught:
        cache_key(Megc2019Config(path=str(path)))
        _read(path)
    return [str(problem) for problem in caught.value.problems]


def test_the_published_counts(npz):
    clips = _read(npz)
    assert clips.streams["texture"].shape == (442, 3, 1, 28, 28)
    counts = clips.manifest.groupby(["dataset", "emotion"]).size().to_dict()
    published = {"casme2": (88, 32, 25), "smic": (70, 51, 43), "samm": (92, 26, 15)}
    assert counts == {
        (name, emotion): count
        for name, row in published.items()
        for emotion, count in zip(("negative", "positive", "surprise"), row, strict=True)
    }
    assert clips.manifest.groupby("dataset")["subject"].nunique().to_dict() == {"casme2": 24, "smic": 16, "samm": 28}
    assert len(leave_one_subject_out(clips.subjects)) == 68
    assert "casme2/sub01" in clips.subjects
    assert tuple(clips.manifest.columns) == MANIFEST_COLUMNS
    assert clips.manifest["sample_id"].is_unique
    assert np.abs(clips.streams["texture"]).max() < 4
    assert 0.3 < clips.streams["texture"].std() < 1.5


def test_the_public_folder_gives_the_same_clips_as_the_npz(npz, tmp_path):
    with np.load(npz) as archive:
        folder = _folder(dict(archive), tmp_path / "public")
    one, other = _read(npz), _read(folder)
    assert one.fingerprint == other.fingerprint
    assert one.manifest.equals(other.manifest)
    assert (one.streams["texture"] == other.streams["texture"]).all()


def test_the_cache_gives_back_what_was_read(small, tmp_path):
    path = _save(small, tmp_path / "flow.npz")
    cached, direct = load(Megc2019Config(path=str(path)), tmp_path / "cache"), _read(path)
    assert cached.manifest.equals(direct.manifest)
    assert (cached.streams["texture"] == direct.streams["texture"]).all()
    assert (cached.signed_channels, cached.au_targets) == ((0,), None)


def test_flow_is_centred_on_its_median_and_strain_on_zero(small, tmp_path):
    pixels = np.full((28, 28, 3), (100, 180, 0), dtype=np.uint8)
    pixels[:4, :4] = (164, 116, 64)
    small["x"][:] = pixels
    texture = _read(_save(small, tmp_path / "flow.npz")).streams["texture"][0, :, 0]
    assert (texture[:, 10, 10].tolist(), texture[:, 0, 0].tolist()) == ([0, 0, 0], [1, -1, 1])


def test_a_mirrored_u_is_the_negative_of_itself(small, tmp_path):
    mirrored = {**small, "x": small["x"][:, :, ::-1].copy()}
    mirrored["x"][..., 0] = 255 - mirrored["x"][..., 0]
    one = _read(_save(small, tmp_path / "one.npz"))
    other = _read(_save(mirrored, tmp_path / "other.npz"))
    flipped = one.streams["texture"][..., ::-1].copy()
    flipped[:, list(one.signed_channels)] *= -1
    np.testing.assert_array_equal(other.streams["texture"], flipped)


@pytest.mark.parametrize("blue_first", [False, True])
def test_the_order_of_the_channels_is_found(small, tmp_path, blue_first):
    expected = _read(_save(small, tmp_path / "flow.npz"))
    folder = _folder(small, tmp_path / "public", blue_first=blue_first)
    assert _read(folder).fingerprint == expected.fingerprint


def test_the_order_of_the_clips_does_not_matter(small, tmp_path):
    reordered = {name: array[::-1] for name, array in small.items()}
    one, other = (_read(_save(arrays, tmp_path / "flow.npz")) for arrays in (small, reordered))
    assert one.fingerprint == other.fingerprint


def test_no_path_says_where_to_set_it():
    (problem,) = _problems("")
    assert problem.startswith("dataset.path: is not set; set dataset.path=... or the environment variable MADV_MEGC")


def test_a_missing_path(tmp_path):
    (problem,) = _problems(tmp_path / "nowhere")
    assert "nowhere: does not exist; dataset.path must be the npz file, or the folder" in problem


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_npz(tmp_path, content):
    path = tmp_path / "flow.npz"
    path.write_bytes(content)
    (problem,) = _problems(path)
    assert "cannot be read as an npz file" in problem


def test_a_file_with_one_array(tmp_path):
    np.save(tmp_path / "flow.npy", np.zeros(3))
    (problem,) = _problems(tmp_path / "flow.npy")
    assert "cannot be read as an npz file" in problem


def test_an_npz_of_pickled_objects_is_not_opened(small, tmp_path):
    small["clip"] = np.array([None] * 6, dtype=object)
    (problem,) = _problems(_save(small, tmp_path / "flow.npz"))
    assert "cannot be read as an npz file" in problem


def test_every_missing_array_is_named(small, tmp_path):
    del small["x"], small["subject"]
    assert [problem.partition(": ")[2] for problem in _problems(_save(small, tmp_path / "flow.npz"))] == [
        "has no array 'x'; it has clip, dataset, y",
        "has no array 'subject'; it has clip, dataset, y",
    ]


def test_every_wrong_array_is_named(small, tmp_path):
    wrong = small | {"x": small["x"][:5].astype(float), "y": small["y"] + 1, "clip": small["clip"][:4]}
    problems = "\n".join(_problems(_save(wrong, tmp_path / "flow.npz")))
    assert "x has shape (5, 28, 28, 3), not (N, 28, 28, 3) with N = 6" in problems
    assert "x holds float64, not uint8" in problems
    assert "y must hold 0 (negative), 1 (positive) and 2 (surprise) only" in problems
    assert "clip has shape (4,), not (6,)" in problems


def test_a_clip_that_is_there_twice(small, tmp_path):
    small["clip"][1] = "a"
    (problem,) = _problems(_save(small, tmp_path / "flow.npz"))
    assert problem.endswith("has clip smic/s01/a more than once")


def test_a_folder_without_labels(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (problem,) = _problems(tmp_path)
    assert "holds no CSV with columns dataset, sub, filename_o, label" in problem


def test_labels_that_are_none(small, tmp_path):
    folder = _folder(small, tmp_path / "public")
    table = folder / "labels.csv"
    table.write_text(table.read_text().replace(",a,0,", ",a,angry,").replace(",f,2,", ",f,7,"))
    assert [problem.partition(": ")[2] for problem in _problems(folder)] == [
        "row 2: label 'angry' is not 0, 1 or 2",
        "row 7: label '7' is not 0, 1 or 2",
    ]


def test_every_missing_image_is_named(small, tmp_path):
    folder = _folder(small, tmp_path / "public")
    for name in ("s01_a .png", "006_e .png"):
        (folder / "images" / name).unlink()
    assert [problem.partition(": ")[2] for problem in _problems(folder)] == [
        "has no image 's01_a .png', which labels.csv lists",
        "has no image '006_e .png', which labels.csv lists",
    ]


def test_a_long_list_of_problems_is_cut(small, tmp_path):
    many = {name: np.concatenate([array] * 5) for name, array in small.items()}
    many["clip"] = np.array([f"clip{number}" for number in range(30)])
    folder = _folder(many, tmp_path / "public")
    for image in (folder / "images").iterdir():
        image.unlink()
    problems = _problems(folder)
    assert (len(problems), problems[-1].endswith("... and 18 more of this kind")) == (13, True)


def test_images_of_another_size_or_kind(small, tmp_path):
    folder = _folder(small, tmp_path / "public")
    Image.new("RGB", (64, 32)).save(folder / "images/s01_a .png")
    (folder / "images/006_e .png").write_bytes(b"nothing")
    assert [problem.partition(": ")[2] for problem in _problems(folder)] == [
        "'s01_a .png' is 64 x 32, not 28 x 28",
        "'006_e .png' is no image",
    ]
