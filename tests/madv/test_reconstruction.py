"""Masked modelling: what is hidden stays hidden, and is rebuilt."""

import dataclasses

import numpy as np
import pytest
import torch
from pretraining import config, network

from madv.compose import compose
from madv.config import PretrainConfig
from madv.model.network import initialise
from madv.model.reconstruction import Reconstruction, boxes, draw_tubes, frame_differences, objectives


@pytest.mark.parametrize(("ratio", "hidden"), [(0.9, 11), (0.5, 6), (0.01, 1), (0.999, 11)])
def test_every_clip_hides_its_share_of_tubes_and_leaves_one(ratio: float, hidden: int) -> None:
    mask = draw_tubes(50, (2, 3, 4), ratio, np.random.default_rng(0))
    assert mask.shape == (50, 3, 4)
    assert set(mask.sum(axis=(1, 2))) == {hidden}
    assert len({clip.tobytes() for clip in mask}) > 1


BY_HAND = dataclasses.replace(
    compose(["model=madv_tiny"]).model.tokenizer,
    kernel=(1, 1, 1),
    stride=(2, 1, 2),
    pool=(1, 1, 1),
    pool_stride=(1,) * 3,
)


def by_hand(config: PretrainConfig) -> tuple[Reconstruction, torch.Tensor, torch.Tensor]:
    """One clip of two frames, two rows and four columns; a token's box is both frames of two neighbours in a row."""
    model = dataclasses.replace(compose(["model=madv_tiny"]).model, tokenizer=BY_HAND)
    half = Reconstruction((1, 2, 2, 4), model, config, motion_unit=2.0)
    clip = torch.zeros(1, 1, 2, 2, 4)
    clip[0, 0, :, 0, :2] = torch.tensor([1.0, 3.0])  # at rest: normalised (-1, 1), no differences
    clip[0, 0, 1, 1, 2:] = 2.0  # from 0 to 2: normalised (-1, 1) along time, differences (0, 2)
    clip[0, 0, :, 0, 2:] = 7.0
    return half, clip, torch.tensor([[[True, False], [False, True]]])


def test_the_loss_by_hand() -> None:
    half, clip, mask = by_hand(PretrainConfig(motion_weight=0.25))
    appearance, motion = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    appearance[0, 3] = torch.tensor([-1.0, -1.0, 1.0, 1.0])  # right; the first box is off by 1 everywhere
    motion[0, 0] = 0.5  # off by .5; the last box is off by 0, 0, 1, 1
    appearance[0, 1:3], motion[0, 1:3] = torch.nan, torch.nan  # boxes in sight do not count
    losses = half.losses({"appearance": appearance, "motion": motion}, clip, mask)
    assert losses["appearance"].item() == pytest.approx((1 + 0) / 2, abs=1e-5)
    assert losses["motion"].item() == pytest.approx((0.25 + 0.5) / 2)
    assert losses["loss"].item() == pytest.approx(0.75 * 0.5 + 0.25 * 0.375, abs=1e-5)


def test_boxes_lie_where_their_tokens_lie() -> None:
    half, clip, _ = by_hand(PretrainConfig())
    # (frame, row, column) inside a box; boxes by row, then column.
    found = boxes(clip, half.grid, half.box)
    assert found[0, :, 0].tolist() == [[1, 3, 1, 3], [7, 7, 7, 7], [0, 0, 0, 0], [0, 0, 2, 2]]


def test_hiding_replaces_all_pixels_of_hidden_boxes_and_no_others() -> None:
    half, clip, mask = by_hand(PretrainConfig())
    torch.nn.init.constant_(half.mask_token, 9.0)
    hidden = half.hide(clip, mask)
    assert hidden[0, 0, 0].tolist() == [[9, 9, 7, 7], [0, 0, 9, 9]]
    assert hidden[0, 0, 1].tolist() == [[9, 9, 7, 7], [0, 0, 9, 9]]


def test_differences_start_at_zero() -> None:
    clip = torch.tensor([1.0, 4.0, 2.0]).view(1, 1, 3, 1, 1)
    assert frame_differences(clip).flatten().tolist() == [0, 3, -2]


@pytest.mark.parametrize(
    ("target", "frames", "expected"),
    [
        ("both", 8, {"appearance": 0.7, "motion": 0.3}),
        ("appearance", 8, {"appearance": 1.0}),
        ("motion", 8, {"motion": 1.0}),
        ("both", 1, {"appearance": 1.0}),
        ("motion", 1, {"appearance": 1.0}),
    ],
)
def test_a_single_frame_has_no_motion_to_rebuild(target: str, frames: int, expected: dict[str, float]) -> None:
    weights = objectives(PretrainConfig(target=target, motion_weight=0.3), frames)  # type: ignore[arg-type]
    assert weights == pytest.approx(expected)


VARIANTS = {
    "default": [],
    "one level": ["model.levels=1"],
    "two levels, concatenated": ["model.levels=2", "model.fusion=concatenated"],
    "last": ["model.fusion=last"],
    "weighted": ["model.fusion=weighted"],
    "bands": ["model.frequency=bands"],
    "tubelet": ["model.tokenizer.kind=tubelet"],
    "channel": ["model.depth_injection=channel"],
    "factorised encoder": ["model.attention.texture=factorised_encoder"],
}


def masked_modelling(overrides: list[str]) -> tuple[torch.nn.Module, Reconstruction, torch.Tensor]:
    """The texture stream of a variant, its reconstruction, and clips for it."""
    settings, net = config(*overrides), network(*overrides)
    shape = (4 if settings.model.depth_injection == "channel" else 3, 4, 32, 32)
    half = Reconstruction(shape, settings.model, settings.pretrain, 1.0)
    initialise(half, "0/s1")
    return net.streams["texture"], half, torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_hidden_reaches_the_encoder_and_every_level_learns(variant: str) -> None:
    stream, half, clip = masked_modelling(VARIANTS[variant])
    mask = torch.from_numpy(draw_tubes(6, half.grid, 0.5, np.random.default_rng(0)))
    clip.requires_grad_()
    rebuilt = half(stream.grids(half.hide(clip, mask))[1])
    half.losses(rebuilt, clip.detach(), mask)["loss"].backward()
    seen = clip.grad.abs().sum(dim=(1, 2))  # (B, H, W)
    pixels = mask.repeat_interleave(8, 1).repeat_interleave(8, 2)
    assert not seen[pixels].any()
    assert seen[~pixels].any()
    assert [name for name, p in half.named_parameters() if p.grad is None or not p.grad.any()] == []
    idle = {name.split(".")[0] for name, p in stream.named_parameters() if p.grad is None or not p.grad.any()}
    assert {name.split("_")[0] for name in idle} <= {
        "project",
        "convolution",
    }  # the read-outs to vectors have no part in it


def test_a_flow_image_is_rebuilt_from_what_is_left_of_it() -> None:
    settings = compose(["model=madv_flow"])
    half = Reconstruction((3, 1, 28, 28), settings.model, settings.pretrain, 1.0)
    assert half.grid == (1, 7, 7)
    assert half.box == (1, 4, 4)
    assert set(half.rebuild) == {"appearance"}
