"""MADV-Net: what is off is not there, every parameter learns, attention kinds are what they say."""

import itertools

import pytest
import torch

from madv.compose import compose
from madv.config import STREAMS
from madv.losses import joint_loss
from madv.model.action_units import BottleneckLayer, BoundedLinear
from madv.model.attention import (
    ATTENTION,
    FactorisedDotProductAttention,
    FactorisedSelfAttention,
    JointAttention,
    along_time,
    everywhere,
    within_frame,
)
from madv.model.difference import FrameDifference
from madv.model.network import MADVNet, initialise
from madv.model.projection import depthwise
from madv.model.pyramid import level_grids
from madv.model.tokens import VideoToTokens

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


@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_gradients_reach_every_parameter(subset: tuple[str, ...]) -> None:
    overrides = switches(subset)
    net = network(*overrides)
    loss_config = compose(["model=madv_tiny", *overrides]).loss
    # Weights for the classes that differ, so that no gradient cancels by symmetry.
    loss, _ = joint_loss(
        net(clips()), torch.tensor([0, 1, 2, 0]), torch.eye(4, 5), torch.tensor([1.0, 2.0, 3.0]), loss_config
    )
    loss.backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


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


def test_the_grids_of_the_paper_setting() -> None:
    assert level_grids((16, 112, 112), compose(["model=madv_base"]).model) == [(8, 14, 14), (8, 7, 7), (8, 4, 4)]


@pytest.mark.parametrize("preset", ["madv_tiny", "madv_base", "madv_flow"])
def test_the_tokenizer_makes_the_grid_it_announces(preset: str) -> None:
    config = compose([f"model={preset}"]).model
    shape = (1, 28, 28) if preset == "madv_flow" else (8, 32, 32)
    tokens = VideoToTokens(3, 4, config.tokenizer)(torch.zeros(2, 3, *shape))
    assert tuple(tokens.shape[2:]) == level_grids(shape, config)[0]


def masked(heads: tuple[torch.Tensor, ...], allowed: torch.Tensor) -> torch.Tensor:
    """Joint attention under an explicit mask (1 + L, 1 + L), written out."""
    q, k, v = heads
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    result: torch.Tensor = torch.softmax(scores.masked_fill(~allowed, -torch.inf), dim=-1) @ v
    return result


@pytest.mark.parametrize("kind", ["everywhere", "within_frame", "along_time"])
@pytest.mark.parametrize("grid", [(3, 2, 2), (1, 2, 3), (4, 1, 5), (5, 6, 6)])
def test_attention_equals_joint_attention_under_its_mask(kind: str, grid: tuple[int, int, int]) -> None:
    frames, height, width = grid
    length = frames * height * width
    heads = torch.randn(3, 2, 2, 1 + length, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    frame, place = torch.arange(length) // (height * width), torch.arange(length) % (height * width)
    same = {"everywhere": frame >= 0, "within_frame": frame, "along_time": place}[kind]
    allowed = torch.ones(1 + length, 1 + length, dtype=torch.bool)
    allowed[1:, 1:] = same[:, None] == same[None, :]
    attend = {"everywhere": everywhere, "within_frame": within_frame, "along_time": along_time}[kind]
    q, k, v = heads
    assert torch.allclose(attend((q, k, v), grid), masked((q, k, v), allowed))


@pytest.mark.parametrize(
    ("size", "kernel"), [((5, 5), (3, 3)), ((2, 2), (3, 3)), ((1, 1), (5, 5)), ((2, 1), (5, 5)), ((4, 1, 2), (3, 3, 3))]
)
def test_depthwise_equals_one_convolution_a_channel(size: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    x, weight = torch.randn(2, 3, *size), torch.randn(3, 1, *kernel)
    convolve = torch.nn.functional.conv2d if len(size) == 2 else torch.nn.functional.conv3d
    expected = torch.cat([convolve(x[:, [c]], weight[[c]], padding="same") for c in range(3)], dim=1)
    assert torch.allclose(depthwise(x, weight), expected, atol=1e-5)


def test_frame_difference_by_hand() -> None:
    layer = FrameDifference(1)
    with torch.no_grad():
        layer.phi.weight.fill_(2)
        layer.gate.weight.fill_(0)
        layer.gate.bias.fill_(0)  # factor 1/2
    x = torch.tensor([1.0, 4.0, 2.0]).view(1, 3, 1, 1, 1)
    assert layer(x).flatten().tolist() == [1, 4 + 3, 2 - 2]


def test_the_bounded_decoder_has_low_rank_and_norm_at_most_one() -> None:
    decode = BoundedLinear(16)
    for scale in (0.1, 1.0, 100.0):
        with torch.no_grad():
            torch.manual_seed(0)
            decode.up.normal_(0, scale)
            decode.down.normal_(0, scale)
            singular = torch.linalg.svdvals(decode(torch.eye(16)))
        assert singular[0] <= 1 + 1e-6
        assert (singular > 1e-5).sum() <= 4


def test_bottleneck_terms_by_hand() -> None:
    layer = BottleneckLayer(2, 2, decode=True)
    assert layer.decode is not None
    with torch.no_grad():
        layer.layer.weight.copy_(torch.eye(2))
        layer.layer.bias.zero_()
        layer.gate.weight.zero_()
        layer.gate.bias.zero_()  # gate 1/2
        layer.decode.down.copy_(torch.tensor([[1.0, 0.0]]))
        layer.decode.up.copy_(torch.tensor([[0.0], [1.0]]))
    passed, terms = layer(torch.tensor([[50.0, 0.0]]))
    assert terms is not None
    assert passed.tolist()[0] == pytest.approx([0.5, -0.5], abs=1e-4)  # v = (1, -1)
    assert terms[0].item() == pytest.approx(0.25, abs=1e-4)
    # r = R(gate v) = (0, 1/2); v - gate r = (1, -1 - 1/4)
    assert terms[1].item() == pytest.approx((1 + 1.25**2) / 2, abs=1e-4)


def test_the_target_of_the_reconstruction_is_fixed() -> None:
    layer = BottleneckLayer(3, 4, decode=True)
    assert layer.decode is not None
    initialise(layer, "0/s1")
    with torch.no_grad():
        layer.decode.up.zero_()  # nothing is rebuilt, so only the target could carry a gradient
    _, terms = layer(torch.randn(2, 3, generator=torch.Generator().manual_seed(0)))
    assert terms is not None
    terms[1].backward()
    assert layer.layer.weight.grad is None or not layer.layer.weight.grad.any()


def test_a_smaller_layer_does_not_shrink_what_is_compressed() -> None:
    layer = BottleneckLayer(3, 8, decode=True)
    initialise(layer, "0/s1")
    x = 100 * torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    before = layer(x)[1]
    with torch.no_grad():
        layer.layer.weight *= 0.5
    after = layer(x)[1]
    assert before is not None and after is not None
    assert after[0].item() == pytest.approx(before[0].item(), rel=0.02)


def test_half_of_the_heads_look_along_time() -> None:
    grid, length = (3, 2, 2), 12
    q, k, v = torch.randn(3, 2, 4, 1 + length, 4, generator=torch.Generator().manual_seed(1))
    mixed = FactorisedDotProductAttention._halves((q, k, v), grid)
    assert torch.equal(mixed[:, :2], within_frame((q[:, :2], k[:, :2], v[:, :2]), grid))
    assert torch.equal(mixed[:, 2:], along_time((q[:, 2:], k[:, 2:], v[:, 2:]), grid))


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
