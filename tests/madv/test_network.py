"""MADV-Net: what is off is not there, every parameter of every variant learns, streams meet as configured."""

import itertools

import pytest
import torch
from torch import nn

from madv.compose import compose
from madv.config_model import STREAMS
from madv.errors import ConfigError
from madv.losses import joint_loss
from madv.model.attention import (
    ATTENTION,
    FactorisedDotProductAttention,
    FactorisedSelfAttention,
    JointAttention,
)
from madv.model.checks import contradictions
from madv.model.dropping import TokenDropping
from madv.model.encoder import Encoder
from madv.model.network import MADVNet, Outputs, initialise

SHAPES = {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (5, 8)}
SUBSETS = [subset for size in (1, 2, 3) for subset in itertools.combinations(STREAMS, size)]


def network(*overrides: str, shapes: dict[str, tuple[int, ...]] = SHAPES, key: str = "0/s1") -> MADVNet:
    config = compose(["model=madv_tiny", *overrides])
    net = MADVNet(config.model, config.loss, shapes, num_classes=3)
    initialise(net, key)
    return net


def switches(subset: tuple[str, ...]) -> list[str]:
    return [f"model.streams.{name}={str(name in subset).lower()}" for name in STREAMS]


def clips(batch: int = 4, shapes: dict[str, tuple[int, ...]] = SHAPES) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(batch, *shape, generator=generator) for name, shape in shapes.items()}


NARROW = ("model.widths=[8,8,16]", "model.heads=[2,2,2]", "model.blocks=[1,2,1]", "model.tokenizer.stride=[2,2,2]")
SMALL = {"texture": (3, 4, 16, 16), "depth": (1, 4, 16, 16), "au": (3, 4)}
LINEAR = "model.projection.kind=linear"


def attention(kind: str) -> list[str]:
    return [f"model.attention.{name}={kind}" for name in STREAMS]


# Levels that are another number of the same weights are one: every loss weight above 0, every keep rate below 1.
FACTORS: dict[str, list[list[str]]] = {
    "reference": [[]],
    "depth injection": [["model.depth_injection=channel"]],
    "L_AU": [["loss.beta_ib=0"], ["loss.w_au=0"]],
    "decoder": [[f"model.au.decoder={kind}"] for kind in ("identity", "gated", "full_rank")],
    "gate": [["model.au.gate=vector"], ["model.au.sampled=true"]],
    "action-unit tokens": [["model.au.time=kept"]],
    "tokenizer": [["model.tokenizer.kind=tubelet"], ["model.tokenizer.relu=false"]],
    "projection": [
        [f"model.projection.{setting}"] for setting in ("kernel=5", "volume=true", "kind=linear", "kv_stride=2")
    ],
    "attention": [attention(kind) for kind in ("joint", "factorised_self", "factorised_dot", "factorised_encoder")],
    "Eq. 16": [["model.attention.double=true"]],
    "dropping": [
        ["model.dropping.keep=0.5", f"model.dropping.by={rule}", *rest]
        for rule in ("class_attention", "random", "predictor", "halting")
        for rest in ([], ["model.dropping.fuse=false", LINEAR])
    ],
    "frame difference": [
        [f"model.difference.texture={texture}", f"model.difference.depth={depth}"]
        for texture, depth in (("onset", "adjacent"), ("off", "onset"), ("adjacent", "off"))
    ],
    "adaptive factor": [[f"model.difference.factor={factor}"] for factor in ("none", "scalar", "token")],
    "levels": [["model.levels=2"], ["model.levels=1"]],
    "fusion": [[f"model.fusion={fusion}"] for fusion in ("concatenated", "weighted", "last")],
    "frequency": [["model.frequency=bands"], ["loss.w_freq=0"]],
    "alpha, beta, gamma": [["loss.alpha=0", "loss.beta=0"], ["loss.alpha=0", "loss.gamma=0"], ["loss.beta=0"]],
    "focal": [["loss.focal_lambda=0"]],
    "convolution branch": [["model.convolution_branch=false"]],
    "read-out": [["model.readout=flatten"]],
    "pairs": [
        ["model.levels=1", "model.fusion=weighted"],
        ["model.frequency=bands", "model.levels=2", "model.convolution_branch=false"],
        ["model.frequency=bands", "model.depth_injection=channel"],
        ["model.dropping.keep=0.5", "model.projection.kv_stride=2", *attention("factorised_encoder")],
    ],
}
VARIANTS = [(name, overrides) for name, levels in FACTORS.items() for overrides in levels]


@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
@pytest.mark.parametrize("overrides", [v[1] for v in VARIANTS], ids=[" ".join([v[0], *v[1]]) for v in VARIANTS])
def test_gradients_reach_every_parameter_of_every_variant(subset: tuple[str, ...], overrides: list[str]) -> None:
    everything = ["model=madv_tiny", *NARROW, "model.dropout=0", *switches(subset), *overrides]
    if "model.depth_injection=channel" in overrides and not {"texture", "depth"} <= set(subset):
        with pytest.raises(ConfigError, match="channel puts depth into the texture stream"):
            compose(everything)
        return
    config = compose(everything)
    assert contradictions(config.model, SMALL) == []
    net = MADVNet(config.model, config.loss, SMALL, num_classes=3)
    initialise(net, "0/s1")
    torch.manual_seed(0)  # of tokens dropped at random
    # Weights for the classes that differ, so that no gradient cancels by symmetry.
    loss, _ = joint_loss(
        net(clips(shapes=SMALL)),
        torch.tensor([0, 1, 2, 0]),
        torch.eye(4, 3),
        torch.tensor([1.0, 2.0, 3.0]),
        config.loss,
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_a_stream_that_is_off_has_no_parameter_and_is_not_read(subset: tuple[str, ...]) -> None:
    net = network(*switches(subset))
    assert set(net.streams) == set(subset)
    only = {name: x for name, x in clips().items() if name in subset}
    assert net(only).logits.shape == (4, 3)


@pytest.mark.parametrize(
    ("override", "left"),
    [
        ("loss.alpha=0", {"mid", "high"}),
        ("loss.beta=0", {"low", "high"}),
        ("loss.gamma=0", {"low", "mid"}),
        ("loss.w_freq=0", set()),
    ],
)
def test_a_level_without_weight_has_no_head(override: str, left: set[str]) -> None:
    assert set(network(override).heads) == left


def test_the_action_unit_classifier_goes_with_its_loss() -> None:
    assert network("loss.w_au=0")(clips()).au_logits is None


def test_streams_share_initial_weights_between_variants() -> None:
    whole, texture = network(), network(*switches(("texture",)))
    for name, parameter in texture.streams.named_parameters():
        assert torch.equal(parameter, whole.streams.get_parameter(name))


def test_initial_weights_come_from_the_key() -> None:
    first, second = network(key="0/s1").classifier.weight, network(key="0/s2").classifier.weight
    assert torch.equal(first, network(key="0/s1").classifier.weight)
    assert not torch.equal(first, second)


def test_one_frame_has_no_time_to_attend_to_and_no_difference() -> None:
    net = network(*switches(("texture",)), "model.tokenizer.kernel=[1,5,5]", shapes={"texture": (3, 1, 28, 28)})
    names = [name for name, _ in net.named_modules()]
    assert not [name for name in names if name.endswith(("temporal", "difference"))]


def test_each_stream_has_the_attention_that_the_paper_gives_it() -> None:
    kinds = {
        name: {type(module) for module in stream.modules()} & set(ATTENTION.values())
        for name, stream in network().streams.items()
    }
    assert kinds == {
        "texture": {FactorisedSelfAttention},
        "depth": {JointAttention},
        "au": {FactorisedDotProductAttention},
    }


@pytest.mark.parametrize(
    ("overrides", "shapes"),
    [
        (["model=madv_flow"], {"texture": (3, 1, 28, 28)}),
        (["model.readout=flatten"], SHAPES),
        ([], {"texture": (3, 5, 24, 40), "depth": (1, 5, 24, 40), "au": (3, 5)}),
        (["loss.w_au=0"], SHAPES),
        (["model.blocks=[0,0,0]"], SHAPES),
    ],
    ids=["one frame", "flattened read-out", "wide clips of five frames", "no action-unit loss", "no attention"],
)
def test_it_trains_in_every_shape(overrides: list[str], shapes: dict[str, tuple[int, ...]]) -> None:
    net = network(*overrides, shapes=shapes)
    loss_config = compose(["model=madv_tiny", *overrides]).loss
    targets = torch.ones(4, shapes["au"][0]) if "au" in shapes else None
    loss, _ = joint_loss(
        net(clips(shapes=shapes)), torch.tensor([0, 1, 2, 0]), targets, torch.tensor([1.0, 2.0, 3.0]), loss_config
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


# What belongs to which setting


def test_depth_as_a_channel_joins_the_texture_stream() -> None:
    net, batch = network("model.depth_injection=channel", "model.attention.depth=null"), clips()
    assert list(net.streams) == ["texture", "au"]
    seen: list[torch.Tensor] = []
    net.streams["texture"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(batch)
    assert torch.equal(seen[0], torch.cat([batch["texture"], batch["depth"]], dim=1))


@pytest.mark.parametrize("levels", [1, 2])
def test_a_level_that_is_not_there_has_no_head(levels: int) -> None:
    net = network(f"model.levels={levels}", "loss.alpha=1", "loss.gamma=1")
    assert list(net.heads) == list(net(clips()).levels) == ["low", "mid"][:levels]


def test_without_the_convolution_branch_the_classifier_reads_attention_alone() -> None:
    net = network("model.convolution_branch=false")
    assert net.classifier.in_features == 64
    assert not [name for name, _ in net.named_parameters() if "convolution.depthwise" in name]
    assert net.fuse_convolution is None


def test_the_action_units_are_found_by_name() -> None:
    net = network("model.dropout=0", "model.head_dropout=0").eval()
    before = net(clips())
    net.streams = nn.ModuleDict({name: net.streams[name] for name in ("au", "texture", "depth")})
    after = net(clips())
    for term in ("au_logits", "compression", "reconstruction"):
        assert torch.equal(getattr(before, term), getattr(after, term))
    assert network(*switches(("texture",)))(clips()).au_logits is None


def test_the_losses_of_dropping_add_up_over_streams_and_levels() -> None:
    rule = ["model.blocks=[2,2,2]", "model.dropping.keep=0.5", "model.dropping.by=predictor"]
    net, parts = network(*rule), list[torch.Tensor]()
    for module in net.modules():
        if isinstance(module, Encoder):
            module.register_forward_hook(lambda _, __, encoded: parts.append(encoded.auxiliary))
    total = net(clips()).auxiliary
    losses = [part.item() for part in parts if part is not None]
    assert len(losses) == 2 * 3  # action units drop nothing
    assert total is not None and total.item() == pytest.approx(sum(losses))
    assert network()(clips()).auxiliary is None


def test_progress_reaches_every_dropping() -> None:
    net = network("model.blocks=[2,2,2]", "model.dropping.keep=0.5", "model.dropping.warmup=1")
    net.set_progress(0.5)
    rates = [module.rate() for module in net.modules() if isinstance(module, TokenDropping)]
    assert rates == pytest.approx([0.75] * 6)  # half of a cosine from 1 to 1/2


def test_the_classifier_of_units_goes_where_none_are_annotated() -> None:
    config = compose(["model=madv_tiny", "model.au.without_units=none"])
    net = MADVNet(config.model, config.loss, SHAPES, 3, targets=False)
    outputs: Outputs = net(clips())
    assert outputs.au_logits is None and outputs.compression is not None
