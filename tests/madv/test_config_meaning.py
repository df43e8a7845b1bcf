"""A setting that nothing reads does not tell two runs apart, and one that something reads does."""

import pytest
import torch

from madv.compose import compose
from madv.losses import class_weights, joint_loss
from madv.model.network import MADVNet, Outputs, initialise

SHAPES = {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (5, 8)}
DROP = ("model.blocks=[2,2,1]", "model.dropping.keep=0.5")
NO_AU, NO_DEPTH, NO_TEXTURE = (f"model.streams.{name}=false" for name in ("au", "depth", "texture"))

UNREAD = [
    (["model.tokenizer.kind=tubelet"], "model.tokenizer.kernel=[3,7,7]"),
    (["model.tokenizer.kind=tubelet"], "model.tokenizer.relu=false"),
    (["model.tokenizer.kind=tubelet"], "model.tokenizer.pool=[1,5,5]"),
    (["model.projection.kind=linear"], "model.projection.kernel=5"),
    (["model.projection.kind=linear"], "model.projection.volume=true"),
    (["model.projection.kind=linear"], "model.projection.kv_stride=2"),
    (
        ["model.attention.texture=factorised_encoder", "model.attention.depth=factorised_encoder"],
        "model.projection.volume=true",
    ),
    (["model.difference.texture=off", "model.difference.depth=off"], "model.difference.factor=token"),
    (["model.depth_injection=channel"], "model.attention.depth=factorised_self"),
    (["model.depth_injection=channel"], "model.difference.depth=off"),
    (["model.depth_injection=channel", "model.difference.texture=off"], "model.difference.factor=none"),
    ([NO_DEPTH], "model.attention.depth=factorised_self"),
    ([NO_DEPTH], "model.difference.depth=onset"),
    ([NO_AU], "model.au.source=annotated"),
    ([NO_AU], "model.au.gate=vector"),
    ([NO_AU], "model.attention.au=joint"),
    ([NO_AU], "loss.w_au=0"),
    ([NO_AU], "loss.beta_ib=0.5"),
    (["loss.w_au=0"], "model.au.decoder=full_rank"),
    (["loss.w_au=0"], "loss.beta_ib=0.5"),
    (["loss.w_au=0"], "model.au.without_units=none"),
    ([NO_TEXTURE, NO_DEPTH], "model.projection.kind=linear"),
    ([NO_TEXTURE, NO_DEPTH], "model.frequency=bands"),
    ([NO_TEXTURE, NO_DEPTH], "model.tokenizer.kernel=[3,7,7]"),
    ([NO_TEXTURE, NO_DEPTH], "model.readout=flatten"),
    ([NO_TEXTURE, NO_DEPTH], "model.fusion=concatenated"),
    ([NO_TEXTURE, NO_DEPTH, "model.au.time=kept"], "model.tokenizer.stride=[4,2,2]"),
    (DROP, "model.dropping.how=mask"),
    ([*DROP, "model.projection.kind=linear"], "model.dropping.how=remove"),
    (["loss.alpha=0", "loss.beta=0", "loss.gamma=0"], "loss.w_freq=0"),
    (["model.attention.double=true"], "model.mlp_ratio=2"),
    (["model.blocks=[0,0,0]"], "model.mlp_ratio=2"),
    (["model.levels=1"], "model.widths=[16,64,64]"),
    (["model.levels=2"], "model.blocks=[0,1,2]"),
    (["model.levels=1"], "model.fusion=concatenated"),
    (["model.levels=1", "loss.w_freq=0"], "model.fusion=last"),
    (["model.levels=1"], "model.frequency=bands"),
    (["model.levels=1"], "loss.gamma=0.9"),
    (["loss.w_freq=0"], "loss.alpha=0.9"),
    (["loss.focal_mu=0"], "loss.balance=effective_number"),
    (["model.blocks=[2,2,1]"], "model.dropping.by=random"),
    (["model.levels=1", "model.blocks=[1,2,2]"], "model.dropping.keep=0.5"),
]
READ = [
    (["model.tokenizer.kind=tubelet"], "model.tokenizer.stride=[2,2,2]"),
    (["model.attention.texture=factorised_encoder"], "model.projection.volume=true"),
    (["model.difference.texture=off"], "model.difference.factor=token"),
    (["loss.w_au=0"], "model.au.gate=vector"),
    (["loss.w_au=0"], "model.au.sampled=true"),
    ([NO_TEXTURE], "model.projection.kind=linear"),
    ([NO_TEXTURE, NO_DEPTH, "model.au.time=halved"], "model.tokenizer.stride=[4,4,4]"),
    (["model.levels=2"], "loss.beta=0.9"),
    (["model.levels=2"], "model.fusion=concatenated"),
    (DROP, "model.dropping.by=random"),
]


Run = tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]


def run(overrides: list[str], *, targets: bool = True) -> Run:
    """Weights, logits and loss of a training step's forward pass."""
    config = compose(["model=madv_tiny", *overrides])
    model = MADVNet(config.model, config.loss, SHAPES, 3, targets=targets)
    initialise(model, "0/s1")
    generator = torch.Generator().manual_seed(0)
    clips = {name: torch.randn(4, *SHAPES[name], generator=generator) for name in config.reads()}
    target = torch.tensor([0, 1, 2, 0])
    torch.manual_seed(0)
    outputs: Outputs = model(clips)
    counts = class_weights(torch.tensor([50, 20, 10]), config.loss.focal_mu, config.loss.balance)
    loss, _ = joint_loss(outputs, target, torch.ones(4, 5) if targets else None, counts, config.loss)
    return model.state_dict(), outputs.logits, loss


def same(first: Run, second: Run) -> bool:
    """Weights, logits and loss alike, bit for bit."""
    (state, *found), (other, *after) = first, second
    return (
        state.keys() == other.keys()
        and all(torch.equal(state[name], other[name]) for name in state)
        and all(torch.equal(one, another) for one, another in zip(found, after, strict=True))
    )


@pytest.mark.parametrize(("others", "override"), UNREAD, ids=lambda value: value if isinstance(value, str) else None)
def test_what_nothing_reads_has_no_meaning_and_no_effect(others: list[str], override: str) -> None:
    before, after = (compose(["model=madv_tiny", *overrides]) for overrides in (others, [*others, override]))
    assert before != after and before.meaning() == after.meaning()
    for targets in (True, False):
        assert same(run(others, targets=targets), run([*others, override], targets=targets))


@pytest.mark.parametrize(("others", "override"), READ, ids=lambda value: value if isinstance(value, str) else None)
def test_what_is_read_has_a_meaning(others: list[str], override: str) -> None:
    before, after = (compose(["model=madv_tiny", *overrides]) for overrides in (others, [*others, override]))
    assert before.meaning() != after.meaning()
    assert not same(run(others), run([*others, override]))
