"""Masked modelling of VideoMAE and MAE-DFER: published size, targets by hand, and that what is hidden stays hidden."""

import numpy as np
import pytest
import torch

from madv.config_method import MethodConfig
from madv.methods.build import build_method
from madv.methods.mae_dfer import MAEDFER
from madv.methods.masked import TubeletReconstruction
from madv.methods.table import METHODS, TUBELETS
from madv.methods.videomae import VideoMAE
from madv.model.network import initialise
from madv.model.reconstruction import draw_tubes

SHAPE = (4, 32, 32)


def network(name: str) -> VideoMAE | MAEDFER:
    net = build_method(MethodConfig(name=name, width=16, blocks=2, patch=8), 3, SHAPE, ("a", "b"))  # type: ignore[arg-type]
    initialise(net, "0/s1")
    assert isinstance(net, VideoMAE | MAEDFER)
    return net


def test_published_size() -> None:
    with torch.device("meta"):
        net = build_method(MethodConfig(name="videomae"), 3, METHODS["videomae"].published, ("a", "b"))
        assert isinstance(net, VideoMAE)
        decoder = net.reconstruction(None)
    encoder = [p for name, p in net.named_parameters() if name.startswith(net.encoder_parts)]
    assert sum(p.numel() for p in (*encoder, *decoder.parameters())) == 94_209_408


def test_mae_dfer_hides_45_of_50_places_in_each_half_of_the_frame() -> None:
    with torch.device("meta"):
        net = build_method(MethodConfig(name="mae_dfer"), 3, METHODS["mae_dfer"].published, ("a", "b"))
        assert isinstance(net, MAEDFER)
        decoder = net.reconstruction(None)
    mask = draw_tubes(20, decoder.grid, 0.9, np.random.default_rng(0), decoder.windows)
    assert mask.shape == (20, 10, 10)
    assert set(mask.reshape(20, 2, 50).sum(-1).flatten()) == {45}
    assert (decoder.enter.out_features, len(decoder.blocks), decoder.rebuild.out_features) == (384, 4, 1536)


class Silent(torch.nn.Module):
    """An encoder for tokens of width 4."""

    def visible(self, clip: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(clip), int((~hidden[0]).sum()), 4)


@pytest.mark.parametrize(
    ("motion", "expected"),
    [(False, {"loss": 1.0, "appearance": 1.0}), (True, {"loss": 1.5, "appearance": 1.0, "motion": 2.0})],
)
def test_the_loss_by_hand(motion: bool, expected: dict[str, float]) -> None:
    decoder = TubeletReconstruction(1, (1, 1, 2), (2, 1, 2), 4, 4, 1, windows=1, motion=motion)
    initialise(decoder, "0")
    torch.nn.init.zeros_(decoder.rebuild.weight)  # rebuilt: 0 everywhere
    # The hidden token has 0, 2 in one frame and 2, 4 in the next: mean 2, variance 2, and each pixel moves by sqrt(2).
    clip = torch.tensor([[[0.0, 2.0, 9.0, 5.0]], [[2.0, 4.0, 1.0, 7.0]]])[None, None]
    found = decoder.step(Silent(), clip, torch.tensor([[[True, False]]]))
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", TUBELETS)
def test_nothing_hidden_reaches_the_encoder_and_everything_learns(name: str) -> None:
    net = network(name)
    decoder = net.reconstruction(1)
    initialise(decoder, "0/s1/decoders")
    mask = torch.from_numpy(draw_tubes(3, decoder.grid, 0.5, np.random.default_rng(0), decoder.windows))
    clip = torch.randn(3, 3, *SHAPE, requires_grad=True)
    hidden = mask.flatten(1).repeat(1, decoder.grid[0])
    net.visible(clip, hidden).square().sum().backward()
    assert clip.grad is not None
    seen = clip.grad.abs().sum(dim=(1, 2))
    pixels = mask.repeat_interleave(8, 1).repeat_interleave(8, 2)
    assert not seen[pixels].any()
    assert seen[~pixels].all()
    net.zero_grad()
    decoder.step(net, clip.detach(), mask)["loss"].backward()
    parts = [*decoder.named_parameters(), *net.named_parameters()]
    silent = [key for key, parameter in parts if parameter.grad is None or not parameter.grad.any()]
    # The classifier has no part in it; keys have no say in a sum over what they are all shifted by alike.
    assert {key.split(".")[-2] for key in silent} <= {"head", "fc_norm", "classifier", "key"}


def test_tokens_come_out_of_their_regions_in_their_order() -> None:
    net = network("mae_dfer")
    assert isinstance(net, MAEDFER)
    assert net.into_regions(torch.zeros(1, 32, 1)).shape == (1, 2, 16, 1)  # two windows, both frames of tubelets
    net.blocks = torch.nn.Sequential()
    clip = torch.randn(2, 3, *SHAPE)
    mask = torch.from_numpy(draw_tubes(2, net.grid, 0.5, np.random.default_rng(1), 2))
    hidden = mask.flatten(1).repeat(1, net.grid[0])
    tokens = net.tokens(clip).flatten(2).transpose(1, 2) + net.positions
    assert torch.equal(net.visible(clip, hidden), net.norm(tokens[~hidden].view(2, 16, -1)))
