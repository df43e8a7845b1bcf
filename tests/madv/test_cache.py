"""The clip cache: made once, whole or not at all, read-only, and found again by content."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from madv.config_data import Megc2019Config
from madv.config_model import StreamsConfig
from madv.config_synthetic import SyntheticConfig
from madv.data import cache, synthetic
from madv.data.content import fingerprint
from madv.data.dataset_facts import DatasetFacts, check_streams
from madv.errors import DataError

SMALL = SyntheticConfig(subjects=3, clips_per_class=(3, 3, 3), size=16, frames=4)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "clips"


def _count_reads(monkeypatch):
    reads = []
    reader = cache.READERS["synthetic"]
    counted = cache.Reader(reader.key, lambda config: (reads.append(config), reader.read(config))[1])
    monkeypatch.setitem(cache.READERS, "synthetic", counted)
    return reads


def test_the_cache_gives_back_what_was_made(root):
    cached, made = cache.load(SMALL, root), synthetic.read(SMALL)
    assert cached.manifest.equals(made.manifest)
    assert set(cached.streams) == set(made.streams)
    assert all((cached.streams[name] == made.streams[name]).all() for name in made.streams)
    assert (cached.au_targets == made.au_targets).all()
    for field in ("class_names", "au_names", "signed_channels", "mirrored_aus", "fingerprint", "facts"):
        assert getattr(cached, field) == getattr(made, field)


def test_clips_are_mapped_read_only(root):
    texture = cache.load(SMALL, root).streams["texture"]
    assert isinstance(texture, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        texture[0] = 0


def test_clips_are_made_once(root, monkeypatch):
    reads = _count_reads(monkeypatch)
    for _ in range(3):
        cache.load(SMALL, root)
        cache.describe(SMALL, root)
    assert len(reads) == 1


def test_description(root):
    facts = cache.describe(SMALL, root)
    assert facts.fingerprint == cache.load(SMALL, root).fingerprint
    assert facts.kind == "synthetic"
    assert facts.class_names == ("happiness", "surprise", "disgust")
    assert facts.clips_per_class == (3, 3, 3)
    assert facts.subjects == ("sub01", "sub02", "sub03")
    assert facts.clips_per_subject == {"sub01": 3, "sub02": 3, "sub03": 3}
    assert facts.streams == {"texture": (3, 4, 16, 16), "depth": (1, 4, 16, 16), "au": (14, 4)}
    assert facts.facts["ceilings"]["texture+depth+au"] == pytest.approx(1)
    assert cache.describe(SMALL, root) == facts


def test_a_broken_cache_is_made_again(root):
    expected = cache.load(SMALL, root).fingerprint
    (folder,) = root.iterdir()
    (folder / "texture.npy").write_bytes(b"cut short")
    assert cache.load(SMALL, root).fingerprint == expected
    (folder / "facts.json").write_text("{}")
    assert cache.describe(SMALL, root).fingerprint == expected
    (folder / "facts.json").unlink()
    assert cache.describe(SMALL, root).fingerprint == expected
    assert sorted(path.name for path in root.iterdir()) == [f".broken-{folder.name}", folder.name]


def test_a_maker_that_comes_second_drops_its_own(root, monkeypatch):
    reader = cache.READERS["synthetic"]
    rival = cache.Reader(reader.key, reader.read)

    def overtaken(config):
        monkeypatch.setitem(cache.READERS, "synthetic", rival)
        cache.load(config, root)
        return reader.read(config)

    monkeypatch.setitem(cache.READERS, "synthetic", cache.Reader(reader.key, overtaken))
    assert cache.load(SMALL, root).fingerprint == synthetic.read(SMALL).fingerprint
    assert len(list(root.iterdir())) == 1


def test_a_maker_that_fails_leaves_nothing(root, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(DataError, match=r"cannot write the clip cache .*clips: No space left on device"):
        cache.load(SMALL, root)
    assert list(root.iterdir()) == []


def test_a_root_that_is_a_file(tmp_path):
    (tmp_path / "clips").write_text("")
    with pytest.raises(DataError, match="cannot write the clip cache"):
        cache.load(SMALL, tmp_path / "clips")


def _fingerprint(root):
    return cache.load(SMALL, root).fingerprint


def test_makers_at_the_same_time(root):
    import multiprocessing

    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        found = set(pool.map(_fingerprint, [root] * 4))
    assert found == {cache.describe(SMALL, root).fingerprint}
    assert len(list(root.iterdir())) == 1


def test_a_stream_that_the_data_set_does_not_have(root):
    facts = cache.describe(SMALL, root)
    assert check_streams(facts, StreamsConfig()) == []
    flow = DatasetFacts(
        kind="megc2019",
        fingerprint="",
        class_names=(),
        clips_per_class=(),
        clips_per_subject={},
        clips="",
        recordings=(),
        streams={"texture": (3, 1, 28, 28)},
        has_au_targets=False,
        au_names=(),
        facts={},
    )
    assert [str(problem) for problem in check_streams(flow, StreamsConfig())] == [
        "model.streams.depth: megc2019 has no depth stream; it has texture: set model.streams.depth=false",
        "model.streams.au: megc2019 has no au stream; it has texture: set model.streams.au=false",
    ]
    assert check_streams(flow, StreamsConfig(depth=False, au=False)) == []


def test_a_missing_data_set_is_said_so_without_a_cache(root):
    for ask in (cache.load, cache.describe):
        with pytest.raises(DataError, match="nowhere: does not exist"):
            ask(Megc2019Config(path="nowhere"), root)
    assert not root.exists()


def test_the_fingerprint_covers_what_training_reads():
    clips = synthetic.read(SMALL)

    def digest(manifest=clips.manifest, streams=clips.streams, targets=clips.au_targets, **more):
        return fingerprint(manifest, clips.class_names, streams, targets, **more)

    assert digest() == clips.fingerprint
    assert digest(clips.manifest.assign(onset=0, emotion="")) == clips.fingerprint
    changed = {
        digest(clips.manifest.assign(label=0)),
        digest(clips.manifest.assign(subject="sub01")),
        digest(clips.manifest.assign(sample_id=[str(row) for row in range(9)])),
        digest(streams={**clips.streams, "depth": clips.streams["depth"][::-1]}),
        digest(streams={name: clips.streams[name] for name in ("texture", "au")}),
        digest(targets=None),
        digest(signed_channels=(0,)),
    }
    assert len(changed | {clips.fingerprint}) == 8


def test_describing_a_cached_set_imports_neither_numpy_nor_pandas(root):
    cache.describe(SMALL, root)
    code = (
        "import sys; from pathlib import Path;"
        "from madv.config_synthetic import SyntheticConfig; from madv.data import cache;"
        "config = SyntheticConfig(subjects=3, clips_per_class=(3, 3, 3), size=16, frames=4);"
        "print(cache.describe(config, Path(sys.argv[1])).fingerprint, {'numpy', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, os.fspath(root)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [cache.describe(SMALL, root).fingerprint, "set()"]
