"""Differences between frames and their adaptive factor, by hand."""

import pytest
import torch

from madv.model.difference import FrameDifference
from madv.model.network import initialise

CLIP = torch.tensor([1.0, 4.0, 2.0]).view(1, 3, 1, 1, 1)


def by_hand(reference: str, factor: str) -> FrameDifference:
    """phi doubles, gates are 1/2, the learned number is 1/2."""
    layer = FrameDifference(1, reference, factor)  # type: ignore[arg-type]
    with torch.no_grad():
        layer.phi.weight.fill_(2)
        if layer.gate is not None:
            layer.gate.weight.zero_()
            layer.gate.bias.zero_()
        if layer.scale is not None:
            layer.scale.fill_(0.5)
    return layer


@pytest.mark.parametrize("factor", ["channel", "token", "scalar"])
@pytest.mark.parametrize(("reference", "after"), [("adjacent", [1, 4 + 3, 2 - 2]), ("onset", [1, 4 + 3, 2 + 1])])
def test_half_of_twice_the_difference(reference: str, after: list[float], factor: str) -> None:
    assert by_hand(reference, factor)(CLIP).flatten().tolist() == after


@pytest.mark.parametrize(("reference", "after"), [("adjacent", [1, 4 + 6, 2 - 4]), ("onset", [1, 4 + 6, 2 + 2])])
def test_without_a_factor_it_is_one(reference: str, after: list[float]) -> None:
    assert by_hand(reference, "none")(CLIP).flatten().tolist() == after


def test_the_learned_number_starts_at_one() -> None:
    one, none = (FrameDifference(3, "adjacent", factor) for factor in ("scalar", "none"))
    for layer in (one, none):
        initialise(layer, "0/s1")
    clip = torch.randn(2, 4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(one(clip), none(clip))


@pytest.mark.parametrize(("factor", "local"), [("channel", False), ("token", True)])
def test_a_gate_sees_the_frame_or_its_own_token(factor: str, local: bool) -> None:
    layer = FrameDifference(4, "adjacent", factor)  # type: ignore[arg-type]
    initialise(layer, "0/s1")
    clip = torch.randn(1, 3, 2, 2, 4, generator=torch.Generator().manual_seed(0))
    moved = clip.clone()
    moved[:, 1, 0, 0] += 1
    elsewhere = (layer(moved) - layer(clip))[0, 1, 1, 1]
    assert torch.equal(elsewhere, torch.zeros(4)) is local
