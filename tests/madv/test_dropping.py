"""Token dropping: what is kept, what the others see of it, and that keeping all is no dropping."""

import dataclasses
import math
from typing import Any, Literal, get_args

import pytest
import torch

from madv.config_model import AttentionConfig, AttentionKind, DroppingConfig, ModelConfig, ProjectionConfig
from madv.model.attention import Attended
from madv.model.dropping import RULES, Halting, Predictor, TokenDropping, Tokens
from madv.model.encoder import Encoded, Encoder
from madv.model.network import initialise
from madv.noise import seed_noise

Rule = Literal["class_attention", "random", "predictor", "halting"]
Projection = Literal["linear", "depthwise"]
KINDS, GRID = get_args(AttentionKind), (3, 2, 5)


def encoder(
    kind: AttentionKind = "joint",
    projection: Projection = "linear",
    grid: tuple[int, int, int] = GRID,
    blocks: int = 3,
    double: bool = False,
    **dropping: Any,
) -> Encoder:
    config = ModelConfig(
        widths=(8, 8, 8),
        blocks=(blocks, blocks, blocks),
        heads=(2, 2, 2),
        mlp_ratio=1.0,
        dropout=0.0,
        projection=ProjectionConfig(kind=projection),
        attention=AttentionConfig(double=double),
        dropping=DroppingConfig(**{"keep": 1.0, "warmup": 0.0, **dropping}),
    )
    built = Encoder(kind, 0, grid, config, spatial=True).double()
    initialise(built, "0/s1")
    return built


def patches(batch: int = 2, grid: tuple[int, int, int] = GRID) -> torch.Tensor:
    length = grid[0] * grid[1] * grid[2]
    return torch.randn(batch, length, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def dropped(encoded: Encoded) -> torch.Tensor:
    """(B, T, positions), where the grid is zero."""
    return (encoded.patches == 0).all(-1).unflatten(1, (GRID[0], -1))


@pytest.mark.parametrize("by", RULES)
@pytest.mark.parametrize("projection", get_args(Projection))
@pytest.mark.parametrize("kind", KINDS)
def test_keeping_all_is_no_dropping(kind: AttentionKind, projection: Projection, by: Rule) -> None:
    whole, kept = encoder(kind, projection), encoder(kind, projection, by=by, keep=1.0)
    assert kept.dropping is None
    assert whole.state_dict().keys() == kept.state_dict().keys()
    for first, second in zip(whole(patches()), kept(patches()), strict=True):
        assert (first is None and second is None) or torch.equal(first, second)
    assert not dropped(kept(patches())).any()


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("by", ["class_attention", "random", "predictor"])
@pytest.mark.parametrize("kind", KINDS)
def test_removing_equals_masking(kind: AttentionKind, by: Rule, fuse: bool) -> None:
    removing, masking = (encoder(kind, by=by, keep=0.6, fuse=fuse, how=how).eval() for how in ("remove", "mask"))
    removed, masked = removing(patches()), masking(patches())
    assert torch.allclose(removed.cls, masked.cls)
    assert torch.allclose(removed.patches, masked.patches)
    assert dropped(removed).sum() == 2 * (30 - 18)


@pytest.mark.parametrize("projection", get_args(Projection))
@pytest.mark.parametrize("kind", KINDS)
def test_as_many_are_kept_as_asked_for_and_tubes_stay_whole(kind: AttentionKind, projection: Projection) -> None:
    gone = dropped(encoder(kind, projection, keep=0.55)(patches()))
    assert (~gone[:, 0]).sum(1).tolist() == [6, 6]  # ceil(.55 * 10)
    assert (gone == gone[:, :1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_dropping_adds_no_motion_to_a_still_clip(kind: AttentionKind) -> None:
    """Positions are learned for each frame: they are still too, so that all that could move is what was dropped."""
    built = encoder(kind, keep=0.5).eval()
    with torch.no_grad():
        built.position_token[:, 1:] = built.position_token[:, 1:11].repeat(1, 3, 1)
        if built.frame_token is not None:
            built.frame_token[:] = built.frame_token[:, :1]
    still = patches()[:, :10].repeat(1, 3, 1)
    grid = built(still).patches.unflatten(1, (3, 10))
    assert (grid == 0).any() and torch.allclose(grid[:, 1:], grid[:, :-1], atol=1e-12)


@pytest.mark.parametrize("how", ["remove", "mask"])
def test_a_shorter_sequence_is_what_is_attended_to(how: Literal["remove", "mask"]) -> None:
    built, lengths = encoder(keep=0.5, how=how), []
    for block in built.blocks:
        block.register_forward_pre_hook(lambda module, inputs: lengths.append(inputs[0].shape[1]))
    built(patches())
    assert lengths == ([31, 17, 17] if how == "remove" else [31, 32, 32])  # class token, fused token, patches


@pytest.mark.parametrize("fuse", [True, False])
def test_what_is_left_by_hand(fuse: bool) -> None:
    """Four tokens; the class token's query is 1 and the keys are logarithms of 4, 1, 3, 2 (its own key: of 0.1)."""
    drop = TokenDropping(DroppingConfig(keep=0.5, fuse=fuse), 1, 1, 4, remove=True)
    keys = torch.tensor([0.1, 4.0, 1.0, 3.0, 2.0]).log().view(1, 1, 5, 1)
    x = torch.tensor([9.0, 10.0, 20.0, 30.0, 40.0]).view(1, 5, 1)
    tokens, loss = drop(Tokens(x, (1, 2, 2)), Attended(x, torch.ones(1, 1, 1, 1), keys))
    fused = [(1 * 20 + 2 * 40) / 3] if fuse else []
    assert tokens.x.flatten().tolist() == pytest.approx([9, *fused, 10, 30], rel=1e-4)
    assert (tokens.grid, loss) == ((1, 1, 2), None)
    assert drop.restore(tokens.x[:, tokens.extra() :], tokens).flatten().tolist() == [10, 0, 30, 0]


def test_scores_are_averaged_over_time_and_tubes_fused_over_it() -> None:
    drop = TokenDropping(DroppingConfig(keep=0.5), 1, 2, 2, remove=True)
    keys = torch.tensor([1.0, 1.0, 4.0, 6.0, 2.0]).log().view(1, 1, 5, 1)  # first tube 1 + 6, second 4 + 2
    x = torch.tensor([9.0, 10.0, 20.0, 30.0, 40.0]).view(1, 5, 1)
    tokens, _ = drop(Tokens(x, (2, 1, 2)), Attended(x, torch.ones(1, 1, 1, 1), keys))
    assert tokens.x.flatten().tolist() == pytest.approx([9, 30, 10, 30], rel=1e-4)
    assert tokens.grid == (2, 1, 1)


def test_a_clip_that_halts_everywhere_stays_finite() -> None:
    halting = encoder(by="halting", keep=0.5).float()
    assert halting.dropping is not None
    halting.dropping.rule.shift_bias.data.fill_(1000)
    encoded = halting(patches().float().requires_grad_())
    assert dropped(encoded).all() and torch.isfinite(encoded.cls).all()
    encoded.cls.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in halting.parameters() if p.grad is not None)


def test_the_keep_rate_falls_by_a_cosine() -> None:
    drop = TokenDropping(DroppingConfig(keep=0.6, warmup=0.5), 8, 1, 30, remove=True)
    rates = []
    for drop.progress in (0.0, 0.125, 0.25, 0.5, 1.0):
        rates.append(drop.rate())
    assert rates == pytest.approx([1, 1 - 0.2 * (1 - math.cos(math.pi / 4)), 0.8, 0.6, 0.6])
    assert TokenDropping(DroppingConfig(keep=0.6, warmup=0), 8, 1, 30, remove=True).rate() == 0.6


@pytest.mark.parametrize("by", RULES)
def test_at_the_start_of_the_warm_up_nothing_is_dropped(by: Rule) -> None:
    warm = encoder(by=by, keep=0.5, warmup=0.2)
    assert warm.dropping is not None
    warm.dropping.progress = 0.0
    encoded, whole = warm(patches()), encoder()(patches())
    assert torch.equal(encoded.patches, whole.patches)
    assert (None if encoded.auxiliary is None else float(encoded.auxiliary)) == (
        0 if by in ("predictor", "halting") else None
    )


def test_dropping_after_the_last_block_builds_nothing() -> None:
    assert encoder(blocks=1, keep=0.5).dropping is None
    assert encoder(blocks=0, keep=0.5).dropping is None


def test_the_random_control_is_fixed_at_prediction_and_seeded_in_training() -> None:
    control = encoder(by="random", keep=0.5)
    first, second = (dropped(control.eval()(patches())) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(first[0], first[1])
    drawn = []
    for seed in (0, 0, 1):
        seed_noise(control, f"{seed}/s1")
        drawn.append(dropped(control.train()(patches())))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_the_predictor_draws_in_training_and_ranks_at_prediction() -> None:
    predictor = Predictor(8, 30)
    initialise(predictor, "0/s1")
    units = patches().float()
    decision = predictor(units, None, 0.5, None)
    assert set(decision.kept.flatten().tolist()) == {0.0, 1.0}
    assert decision.auxiliary.item() == pytest.approx(2 * ((decision.kept.mean(1) - 0.5) ** 2).mean().item())
    assert predictor.eval()(units, None, 0.5, None).kept is None


def test_halting_by_hand() -> None:
    """At a keep rate of one half a position halts where the first normalised channel is above 0."""
    halting = Halting(2, 3)
    initialise(halting, "0/s1")
    units = torch.tensor([[[-1.0, 1.0], [0.1, 0.0], [1.0, -1.0]]])  # normalised (-1, 1), (1, -1), (1, -1)
    decision = halting(units, None, 0.5, None)
    assert decision.kept.tolist() == [[1, 0, 0]]
    assert decision.auxiliary.item() == pytest.approx(0.1 * (1 / 3 - 0.5) ** 2)
    probability = 1 / (1 + math.exp(5 - math.log(99)))
    assert decision.spent[0, 0].item() == pytest.approx(probability, rel=1e-4)
    later = halting(units, None, 0.5, decision.spent + 0.65)  # .40 + .65 + .40
    assert later.kept.tolist() == [[0, 0, 0]]


def test_halting_reaches_its_aim() -> None:
    halting, units = Halting(8, 30), 2 + patches(batch=8).float()
    initialise(halting, "0/s1")
    units[..., 0] += 1  # more than a standard normal: too many halt at first
    assert halting(units, None, 0.7, None).kept.mean() < 0.4
    for step in range(150):
        halting.zero_grad()
        halting(units, None, 0.7, None).auxiliary.backward()
        with torch.no_grad():
            for parameter in halting.parameters():
                parameter -= 0.1 * 0.98**step * parameter.grad.sign()
    assert halting.eval()(units, None, 0.7, None).kept.float().mean().item() == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("projection", get_args(Projection))
@pytest.mark.parametrize("by", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter(kind: AttentionKind, by: Rule, projection: Projection) -> None:
    for double in (False, True):
        built = encoder(kind, projection, double=double, by=by, keep=0.6, fuse=not double)
        torch.manual_seed(0)
        encoded = built(patches(4))
        generator = torch.Generator().manual_seed(2)
        weight = torch.randn(4, 8, dtype=torch.float64, generator=generator)
        ((encoded.cls * weight).sum() + (encoded.patches[..., 0] ** 3).sum()).backward(retain_graph=True)
        silent = [name for name, p in built.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert silent == []  # the task's gradient alone reaches a predictor
        assert (encoded.auxiliary is not None) == (by in ("predictor", "halting"))


def test_every_setting_of_the_rules_is_built() -> None:
    by = next(field for field in dataclasses.fields(DroppingConfig) if field.name == "by")
    assert set(RULES) == set(get_args(Rule))
    assert by.default in RULES
