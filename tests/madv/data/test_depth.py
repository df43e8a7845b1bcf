"""Depth: scale and shift by hand, Depth Anything's own class from a folder, and its absence in one sentence."""

from __future__ import annotations

import json
import urllib.error

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from madv.config_data import ClipConfig, DepthConfig, ManifestConfig
from madv.data import cache, depth
from madv.errors import DataError

RNG = np.random.default_rng(0)


def test_the_onset_frame_gets_mean_0_and_deviation_1():
    onset = np.array([[1.0, 3.0], [1.0, 3.0]], np.float32)  # mean 2, deviation 1
    assert depth.to_onset(onset[None], "clip").tolist() == [[[-1, 1], [-1, 1]]]


def test_one_scale_a_clip_keeps_what_moves_and_one_a_frame_takes_out_jitter():
    scene = RNG.normal(size=(6, 6)).astype(np.float32)
    jitter = np.stack([scene, 2 * scene + 5, 0.5 * scene - 1])
    steady = depth.to_onset(jitter, "frame")
    np.testing.assert_allclose(steady, np.broadcast_to(steady[0], steady.shape), atol=1e-5)
    assert np.abs(np.diff(depth.to_onset(jitter, "clip"), axis=0)).max() > 0.5
    nearer = np.stack([scene, scene + 1])
    moved = depth.to_onset(nearer, "clip")
    assert (moved[1] > moved[0]).all()


def test_depth_without_relief_is_no_signal():
    assert (depth.to_onset(np.full((3, 4, 4), 7.0, np.float32), "clip") == 0).all()
    onset_only = np.stack([RNG.normal(size=(4, 4)), np.full((4, 4), 3.0)]).astype(np.float32)
    assert np.isfinite(depth.to_onset(onset_only, "frame")).all()


@given(st.integers(2, 400))
def test_no_clip_keeps_its_own_depth(number):
    other = depth.derangement(number)
    assert sorted(other) == list(range(number))
    assert (other != np.arange(number)).all()
    assert (other == depth.derangement(number)).all()


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A Depth Anything of a few thousand random weights on a Dinov2 backbone, saved as the hub has it."""
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessorPil

    folder = tmp_path_factory.mktemp("model")
    backbone = Dinov2Config(
        image_size=28,
        patch_size=14,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[4, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    size = {"height": 28, "width": 28}
    DPTImageProcessorPil(size=size, ensure_multiple_of=14, keep_aspect_ratio=True).save_pretrained(folder)
    return folder


def faces(number):
    return [Image.fromarray(RNG.integers(0, 255, (30, 30, 3), dtype=np.uint8)) for _ in range(number)]


def test_depth_anything_from_a_folder_batches_over_clips(model_folder, monkeypatch):
    model = depth.load_model(str(model_folder))
    clips = {"a": faces(3), "b": faces(4), "c": faces(1)}
    monkeypatch.setattr(depth, "BATCH", 3)
    together = dict(depth.estimate(model, clips.items(), 20))
    assert [maps.shape for maps in together.values()] == [(3, 20, 20), (4, 20, 20), (1, 20, 20)]
    monkeypatch.setattr(depth, "BATCH", 1)
    for key, maps in depth.estimate(model, clips.items(), 20):
        np.testing.assert_allclose(maps, together[key], rtol=1e-4, atol=1e-5)
    assert together["a"].std() > 0


def test_grey_frames_are_seen_as_rgb(model_folder):
    model = depth.load_model(str(model_folder))
    grey = [image.convert("L") for image in faces(1)]
    ((_, one),) = depth.estimate(model, [("grey", grey)], 8)
    ((_, other),) = depth.estimate(model, [("rgb", [grey[0].convert("RGB")])], 8)
    assert (one == other).all()


def test_without_weights_and_network_one_sentence_says_which_folder_to_fill(monkeypatch):
    def no_network(*_args, **_kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(DataError) as caught:
        depth.load_model("nobody/no-such-model")
    assert str(caught.value) == (
        "nobody/no-such-model: is no folder, and the hub cannot give it (Name or service not known): put config.json, "
        "preprocessor_config.json and model.safetensors of the model in a folder and set dataset.depth.path=FOLDER"
    )


def test_a_folder_with_something_else(tmp_path, model_folder):
    with pytest.raises(DataError, match="cannot be loaded as Depth Anything"):
        depth.load_model(str(tmp_path))
    for file in model_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["fusion_hidden_size"] = 12
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=f"{tmp_path}: "):
        depth.load_model(str(tmp_path))
    assert depth.is_model(str(model_folder)) and depth.is_model(None) and depth.is_model("a/b")
    (tmp_path / "config.json").unlink()
    assert not depth.is_model(str(tmp_path))


def test_depth_anything_into_the_cache(tmp_path, model_folder):
    lines = ["sample_id,subject,emotion,frames,onset,apex,offset"]
    for clip in range(2):
        (tmp_path / f"c{clip}").mkdir()
        for number, image in enumerate(faces(4), start=1):
            image.save(tmp_path / f"c{clip}" / f"img{number}.png")
        lines.append(f"c{clip},s{clip},{('sad', 'happy')[clip]},c{clip},1,,4")
    (tmp_path / "table.csv").write_text("\n".join(lines))

    def stream(source):
        config = ManifestConfig(
            path=str(tmp_path),
            clip=ClipConfig(frames=3, size=16),
            depth=DepthConfig(source=source, path=str(model_folder)),
        )
        clips = cache.load(config, tmp_path / "clips")
        assert clips.facts["depth"] == f"{source}, {model_folder.name}"
        return clips.streams["depth"].astype(np.float32)

    own, shuffled = stream("depth_anything"), stream("shuffled")
    assert own.shape == (2, 1, 3, 16, 16)
    np.testing.assert_allclose(own[:, 0, 0].mean(axis=(1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(own[:, 0, 0].std(axis=(1, 2)), 1, atol=1e-2)
    assert (shuffled == own[::-1]).all()
