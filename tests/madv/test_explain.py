"""Attention and stream weights of a trained network: shares that sum to 1, of the right shapes, predictions kept."""

import numpy as np
import pytest
import torch
from marked_clips import make_clips
from torch import nn

from madv.compose import compose
from madv.data.clips import Clips
from madv.data.folds import leave_one_subject_out
from madv.explain import CONVOLUTION, encoders, explain
from madv.model.network import MADVNet
from madv.train import train_fold

TINY = ["model=madv_tiny", "model.widths=[8,8,8]", "model.heads=[2,2,2]", "train=demo", "train.epochs=1"]
KINDS = {
    "as it is": [],
    "joint": ["model.attention.texture=joint", "model.attention.depth=joint", "model.attention.au=joint"],
    "two encoders": ["model.attention.texture=factorised_encoder", "model.attention.depth=factorised_encoder"],
    "strided keys": ["model.projection.kv_stride=2"],
    "dropping": ["model.dropping.keep=0.5", "model.projection.kind=linear", "model.blocks=[0,2,2]"],
    "one stream": ["model.streams.depth=false", "model.streams.au=false"],
}


@pytest.fixture(scope="module")
def clips() -> Clips:
    return make_clips()


@pytest.mark.parametrize("kind", KINDS)
def test_shares_sum_to_one_and_predictions_stay(clips: Clips, kind: str) -> None:
    config = compose([*TINY, *KINDS[kind]])
    fold = leave_one_subject_out(clips.subjects)[1]
    networks: list[nn.Module] = []
    result = train_fold(config, fold, clips, seed=3, on_trained=networks.append)
    network = networks[0]
    assert isinstance(network, MADVNet)
    found = explain(config, clips, fold, fold.test.tolist(), network.state_dict())
    for one, expected in zip(found, result.probabilities, strict=True):
        assert np.allclose(one.probabilities, expected, atol=1e-6)
        assert set(one.attention) == set(encoders(network))
        for maps in one.attention.values():
            assert maps.ndim == 3 and maps.sum() == pytest.approx(1, abs=1e-5) and maps.min() >= 0
        levels = {level for level, _ in one.weights}
        assert levels == (set() if kind == "one stream" else {"low", "mid", "high", CONVOLUTION})
        for level in levels:
            assert sum(value for (at, _), value in one.weights.items() if at == level) == pytest.approx(1, abs=1e-5)


def test_where_all_keys_are_alike_attention_is_even(clips: Clips) -> None:
    config = compose([*TINY, *KINDS["two encoders"]])
    fold = leave_one_subject_out(clips.subjects)[1]
    networks: list[nn.Module] = []
    train_fold(config, fold, clips, seed=3, on_trained=networks.append)
    state = networks[0].state_dict()
    even = {name: torch.zeros_like(one) if ".project." in name else one for name, one in state.items()}
    assert any(".project." in name and "blocks" in name for name in state)
    for maps in explain(config, clips, fold, [0], even)[0].attention.values():
        assert np.allclose(maps, 1 / maps.size)
