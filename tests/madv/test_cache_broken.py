"""A clip cache that was cut off or altered is found by its digests, set aside and made again."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from madv.config_synthetic import SyntheticConfig
from madv.data import cache, synthetic
from madv.errors import DataError

SMALL = SyntheticConfig(subjects=3, clips_per_class=(3, 3, 3), size=16, frames=4)
FILES = ("facts.json", "manifest.parquet", "texture.npy", "depth.npy", "au.npy", "au_targets.npy")


@pytest.fixture(scope="module")
def made():
    return synthetic.read(SMALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cache.load(SMALL, tmp_path / "clips")
    return next((tmp_path / "clips").iterdir())


def assert_as_made(found, made):
    for name in made.streams:
        np.testing.assert_array_equal(found.streams[name], made.streams[name])
    np.testing.assert_array_equal(found.au_targets, made.au_targets)
    assert found.manifest.equals(made.manifest)
    for field in ("class_names", "au_names", "signed_channels", "mirrored_aus", "fingerprint", "facts"):
        assert getattr(found, field) == getattr(made, field)


def test_a_whole_cache_stays(folder, made):
    before = folder.stat().st_ino
    assert_as_made(cache.load_whole(SMALL, folder.parent), made)
    assert (folder.stat().st_ino, len(list(folder.parent.iterdir()))) == (before, 1)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.999])
def test_one_altered_byte_anywhere(folder, made, name, share, caplog):
    content = bytearray((folder / name).read_bytes())
    content[int(share * len(content))] ^= 0x10
    (folder / name).write_bytes(content)
    with caplog.at_level(logging.WARNING, "madv"):
        assert_as_made(cache.load_whole(SMALL, folder.parent), made)
    if caplog.messages:  # a byte of an array's header may say nothing
        assert f"the clip cache {folder} is broken" in caplog.text
        assert sorted(path.name for path in folder.parent.iterdir()) == [f".broken-{folder.name}", folder.name]
    else:
        assert name.endswith(".npy") and share <= 0.02


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("length", [0, 1, 60, -1])
def test_cut_off_anywhere(folder, made, name, length):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:length])
    assert_as_made(cache.load_whole(SMALL, folder.parent), made)
    assert (folder.parent / f".broken-{folder.name}").is_dir()


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_place_of_a_file(folder, made, name):
    (folder / name).unlink()
    (folder / name).mkdir()
    assert_as_made(cache.load_whole(SMALL, folder.parent), made)


def test_a_file_in_place_of_the_cache(folder, made):
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("")
    assert_as_made(cache.load_whole(SMALL, folder.parent), made)
    assert (folder.parent / f".broken-{folder.name}").is_file()


def test_an_altered_description_does_not_change_the_keys_of_cells(folder, made):
    text = (folder / "facts.json").read_text()
    digit = "0" if made.fingerprint[0] != "0" else "1"
    (folder / "facts.json").write_text(text.replace(made.fingerprint, digit + made.fingerprint[1:]))
    assert cache.describe(SMALL, folder.parent).fingerprint == made.fingerprint


def test_broken_again_and_again_keeps_one(folder, made):
    for _ in range(3):
        (folder / "texture.npy").write_bytes(b"")
        assert_as_made(cache.load(SMALL, folder.parent), made)
    assert len(list(folder.parent.iterdir())) == 2


def test_a_disk_that_does_not_answer_is_no_broken_cache(folder, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(np, "load", fail)
    with pytest.raises(DataError, match=f"cannot read the clip cache {folder}: Input/output error"):
        cache.load(SMALL, folder.parent)
    assert list(folder.parent.iterdir()) == [folder]
