"""Weights on disk: loaded for clips of other sizes, told apart by content, refused where they are something else."""

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from transformers import VideoMAEConfig, VideoMAEForPreTraining

from madv.compose import compose
from madv.config_method import MethodConfig
from madv.errors import ConfigError
from madv.methods.build import build_method
from madv.methods.table import misfits
from madv.methods.videomae import VideoMAE

SIZES: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 8,
    "num_frames": 4,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "decoder_hidden_size": 8,
    "decoder_num_attention_heads": 1,
    "decoder_num_hidden_layers": 1,
    "decoder_intermediate_size": 16,
    "use_mean_pooling": False,  # as in the published weights of pre-training
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VideoMAE of a few thousand random weights, saved as the hub has it."""
    folder = tmp_path_factory.mktemp("weights") / "small"
    torch.manual_seed(0)
    VideoMAEForPreTraining(VideoMAEConfig(**SIZES)).save_pretrained(folder)
    return folder


def said(weights: Path | str, shape: tuple[int, ...] = (3, 4, 32, 32), **settings: Any) -> list[str]:
    found = misfits(MethodConfig(name="videomae", weights=str(weights), **settings), {"texture": shape})
    return [str(problem) for problem in found]


def test_the_encoder_is_loaded_and_the_classifier_is_new(folder: Path) -> None:
    published = VideoMAEForPreTraining.from_pretrained(folder).videomae.state_dict()
    shape = (6, 16, 24)  # neither the frames nor the size that the weights come from
    config = MethodConfig(name="videomae", weights=str(folder))
    torch.manual_seed(1)
    network = build_method(config, 3, shape, ("a", "b", "c"))
    assert isinstance(network, VideoMAE)
    loaded = network.network.videomae.state_dict()
    assert loaded.keys() == {name for name in published if not name.startswith("layernorm")}
    assert all(torch.equal(loaded[name], published[name]) for name in loaded)
    assert network(torch.randn(2, 3, *shape)).shape == (2, 3)
    assert network.reconstruction(1).grid == (3, 2, 3)


def test_what_counts_is_the_content(folder: Path, tmp_path: Path) -> None:
    def meaning(weights: Path) -> dict[str, Any]:
        return compose(["method=videomae", f"method.weights={weights}"]).meaning()

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert meaning(copy) == meaning(folder) != compose(["method=videomae"]).meaning()
    assert str(tmp_path) not in str(meaning(copy))
    tensors = bytearray((copy / "model.safetensors").read_bytes())
    tensors[-1] ^= 1
    (copy / "model.safetensors").write_bytes(tensors)
    assert meaning(copy) != meaning(folder)


def test_clips_and_settings_that_do_not_go_with_the_weights(folder: Path) -> None:
    assert said(folder) == []
    assert said(folder, (1, 5, 30, 32), width=8, blocks=1) == [
        "method.width: the weights of videomae have theirs; set method.width=null",
        "method.blocks: the weights of videomae have theirs; set method.blocks=null",
        "method.name: videomae reads pairs of frames; the clips have 5: an even number",
        "method.patch: videomae cuts frames into whole squares of 8 pixels, and the clips are 30 x 32; "
        "its weights need clips of another size",
        "method.weights: the weights read 3 channels, and the clips have 1",
    ]


def test_weights_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    way = "; name a folder with config.json and model.safetensors of a VideoMAE, or leave it out"
    assert said("nobody/no-such-videomae") == [
        "method.weights: 'nobody/no-such-videomae' is no folder, and the hub cannot give it "
        f"(Name or service not known){way}"
    ]
    assert said(tmp_path) == [f"method.weights: '{tmp_path}' lacks config.json and model.safetensors{way}"]
    # A plan tells such variants apart too, so that it can name them all.
    assert compose(["method=videomae", "method.weights=a/b"]).meaning()["method"]["weights"] == "a/b"


def test_weights_of_something_else(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        shutil.copy(file, tmp_path)
    settings = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | {"model_type": "vit"}))
    assert said(tmp_path)[0].startswith(f"method.weights: '{tmp_path}' holds a vit model; name a folder")
    (tmp_path / "config.json").write_text("[]")
    assert "describes no model" in said(tmp_path)[0]
    (tmp_path / "config.json").write_text(json.dumps(settings | {"hidden_size": 32, "intermediate_size": 64}))
    with pytest.raises(ConfigError, match=r"has \d+ of the encoder's weights missing or in another size"):
        build_method(MethodConfig(name="videomae", weights=str(tmp_path)), 3, (4, 32, 32), ("a", "b"))
    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        build_method(MethodConfig(name="videomae", weights=str(tmp_path)), 3, (4, 32, 32), ("a", "b"))
