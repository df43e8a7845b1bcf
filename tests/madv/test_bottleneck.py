"""The information bottleneck: its terms by hand, what degenerates and why, and what the default does instead."""

import itertools
import math
from functools import cache
from typing import NamedTuple

import pytest
import torch

from madv.config_model import BottleneckConfig
from madv.model.bottleneck import BottleneckLayer, BoundedLinear, FullRankLinear, Terms, divergence
from madv.model.network import initialise

DEFAULT = BottleneckConfig()
DECODERS = ("bounded", "full_rank", "identity", "gated")
READINGS = [
    BottleneckConfig(gate=gate, decoder=decoder, sampled=sampled)
    for gate, decoder, sampled in itertools.product(("conditioned", "vector"), DECODERS, (False, True))
]


def make(width_in: int, width: int, config: BottleneckConfig = DEFAULT, key: str = "0/s1") -> BottleneckLayer:
    layer = BottleneckLayer(width_in, width, config, decode=True)
    initialise(layer, key)
    return layer


def terms_of(layer: BottleneckLayer, x: torch.Tensor) -> Terms:
    """The means over clips."""
    terms = layer(x)[1]
    assert terms is not None
    assert terms.compression.shape == terms.reconstruction.shape == (len(x),)
    return Terms(*(term.mean() for term in terms))


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def half_open(config: BottleneckConfig) -> BottleneckLayer:
    """Two features, v = (1, -1) for x = (50, 0), gate 1/2, a bounded decoder that moves the first to the second."""
    layer = make(2, 2, config)
    with torch.no_grad():
        layer.layer.weight.copy_(torch.eye(2))
        for parameter in layer.gate.parameters():
            parameter.zero_()
        if isinstance(layer.decode, BoundedLinear):
            layer.decode.down.copy_(torch.tensor([[1.0, 0.0]]))
            layer.decode.up.copy_(torch.tensor([[0.0], [1.0]]))
        if isinstance(layer.decode, FullRankLinear):
            layer.decode.weight.copy_(3 * torch.eye(2))
    return layer


@pytest.mark.parametrize("gate", ["conditioned", "vector"])
@pytest.mark.parametrize(
    ("decoder", "missed"),
    [
        ("bounded", (1 + 1.25**2) / 2),  # r = (0, 1/2): (1, -1) - (0, 1/4)
        ("full_rank", 0.25**2),  # r = 3 v / 2: v - 3 v / 4
        ("identity", 0.5**2),  # r = v: v - v / 2
        ("gated", 0.75**2),  # r = v / 2: v - v / 4
    ],
)
def test_terms_by_hand(gate: str, decoder: str, missed: float) -> None:
    layer = half_open(BottleneckConfig(gate=gate, decoder=decoder))
    passed, terms = layer(torch.tensor([[50.0, 0.0]]))
    assert terms is not None
    assert passed.tolist()[0] == pytest.approx([0.5, -0.5], abs=1e-4)
    assert terms.compression.item() == pytest.approx(0.25, abs=1e-4)
    assert terms.reconstruction.item() == pytest.approx(missed, abs=1e-4)


def test_sampled_terms_by_hand() -> None:
    layer = half_open(BottleneckConfig(sampled=True, decoder="identity"))
    assert layer.sigma_bias is not None
    with torch.no_grad():
        layer.sigma_bias.fill_(math.log(0.5 / 0.1))  # sigma = 1/2
    terms = terms_of(layer, torch.tensor([[50.0, 0.0]]))
    # gate v = +-1/2, deviation 1/2: (1/4 + 1/4 - ln(1/4) - 1) / 2
    assert terms.compression.item() == pytest.approx((math.log(4) - 0.5) / 2, abs=1e-4)
    assert terms.reconstruction.item() == pytest.approx(0.25 / 2, abs=1e-4)


def test_the_divergence_equals_that_of_torch() -> None:
    mean, deviation = noise(5, 10).double(), noise(5, 10, seed=1).double().abs() + 0.01
    of_torch = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, deviation), torch.distributions.Normal(0.0, 1.0)
    )
    assert divergence(mean, deviation).tolist() == pytest.approx(of_torch.mean(1).tolist(), rel=1e-6)


def test_the_divergence_and_its_gradient_are_finite_where_a_feature_is_zero() -> None:
    v = torch.zeros(1, 3, requires_grad=True)
    value = divergence(0.5 * v, 0.1 * v)
    value.backward()
    assert value.item() == pytest.approx((1e-6 - math.log(1e-6) - 1) / 2)
    assert v.grad is not None and v.grad.isfinite().all()


def test_samples_are_drawn_in_training_alone_and_have_their_spread() -> None:
    layer = half_open(BottleneckConfig(sampled=True))
    x = torch.tensor([[50.0, 0.0]]).expand(20_000, 2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = layer(x)[0]
    assert drawn.mean(0).tolist() == pytest.approx([0.5, -0.5], abs=0.003)
    assert drawn.std(0).tolist() == pytest.approx([0.1, 0.1], rel=0.02)
    assert torch.equal(layer.eval()(x)[0], layer(x)[0])


@pytest.mark.parametrize("config", READINGS, ids=lambda c: f"{c.gate}-{c.decoder}-{'sampled' if c.sampled else 'mean'}")
@pytest.mark.parametrize("decode", [True, False], ids=["with terms", "without"])
def test_every_parameter_of_every_reading_learns(config: BottleneckConfig, decode: bool) -> None:
    layer = BottleneckLayer(3, 8, config, decode=decode)
    initialise(layer, "0/s1")
    passed, terms = layer(noise(5, 3))
    assert (terms is not None) == decode
    # Uneven weights: the squares of normalised features alone would add up to a constant.
    (passed @ torch.arange(8.0) + sum(terms or ())).sum().backward()
    assert [name for name, p in layer.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_bounded_decoder_has_low_rank_and_norm_at_most_one() -> None:
    decode = BoundedLinear(16)
    for scale in (0.1, 1.0, 100.0):
        with torch.no_grad():
            decode.up.copy_(scale * noise(16, 4))
            decode.down.copy_(scale * noise(4, 16, seed=1))
            singular = torch.linalg.svdvals(decode(torch.eye(16)))
        assert singular[0] <= 1 + 1e-6
        assert (singular > 1e-5).sum() <= 4


def test_the_target_of_the_reconstruction_is_fixed() -> None:
    layer = make(3, 4)
    assert isinstance(layer.decode, BoundedLinear)
    with torch.no_grad():
        layer.decode.up.zero_()  # nothing is rebuilt, so only the target could carry a gradient
    terms_of(layer, noise(2, 3)).reconstruction.backward()
    assert layer.layer.weight.grad is None or not layer.layer.weight.grad.any()


def test_a_smaller_layer_does_not_shrink_what_is_compressed() -> None:
    layer, x = make(3, 8), 100 * noise(5, 3)
    before = terms_of(layer, x).compression.item()
    with torch.no_grad():
        layer.layer.weight *= 0.5
    assert terms_of(layer, x).compression.item() == pytest.approx(before, rel=0.02)


def with_gate(gate: float, decoder: str) -> BottleneckLayer:
    """The same gate for every feature and input."""
    layer = make(4, 16, BottleneckConfig(gate="vector", decoder=decoder))
    with torch.no_grad():
        layer.gate.get_parameter("bias").fill_(math.log(gate / (1 - gate)))
    return layer


@pytest.mark.parametrize("gate", [0.5, 0.1, 0.01])
def test_shrinkage_is_free_for_an_unbounded_decoder_and_has_its_price_for_the_bounded_one(gate: float) -> None:
    x = noise(64, 4)
    layer = with_gate(gate, "full_rank")
    with torch.no_grad():
        layer.decode.weight.copy_(torch.eye(16) / gate**2)
    assert terms_of(layer, x).reconstruction.item() < 1e-8
    assert terms_of(layer, x).compression.item() == pytest.approx(gate**2, rel=1e-3)
    layer = with_gate(gate, "bounded")
    for parameter in layer.decode.parameters():
        with torch.no_grad():
            parameter *= 100
    # |gate r| <= gate^2 |v|, so that at least (1 - gate^2)^2 of v's square, which is 1, is missed.
    assert terms_of(layer, x).reconstruction.item() >= (1 - gate**2) ** 2 * 0.999


STATIONARY = {"identity": lambda beta: 1 / (1 + beta), "gated": lambda beta: math.sqrt(1 - beta / 2)}
"""Gates at which beta g^2 + (1 - g)^2, and beta g^2 + (1 - g^2)^2, no longer change."""


@pytest.mark.parametrize("beta", [0.001, 0.1, 1.0])
@pytest.mark.parametrize("decoder", STATIONARY)
def test_without_a_decoder_of_its_own_the_best_gate_is_one_number_whatever_the_input(decoder: str, beta: float) -> None:
    layer = with_gate(STATIONARY[decoder](beta), decoder)
    bias = layer.gate.get_parameter("bias")
    for seed in range(3):
        terms = terms_of(layer, noise(64, 4, seed=seed))
        (slope,) = torch.autograd.grad(beta * terms.compression + terms.reconstruction, bias)
        assert slope.abs().max().item() < 1e-6


class Trained(NamedTuple):
    """A layer trained for L_AU without labels, at beta_ib = BETA."""

    gate: float
    """Mean."""
    variance: float
    """Of the gate over inputs, mean over features."""
    compression: float
    reconstruction: float


BETA = 0.1


@cache
def trained(decoder: str, *, features: bool, gate: str = "conditioned", seed: int = 0) -> Trained:
    """300 steps on 256 inputs of 16 numbers; features: train them too, else they stay as they were drawn."""
    layer = make(16, 16, BottleneckConfig(decoder=decoder, gate=gate), key=f"{seed}/s1")
    layer.layer.requires_grad_(features)
    x = noise(256, 16, seed=seed)
    optimiser = torch.optim.Adam([p for p in layer.parameters() if p.requires_grad], lr=0.03)
    for _ in range(300):
        terms = terms_of(layer, x)
        optimiser.zero_grad()
        (BETA * terms.compression + terms.reconstruction).backward()
        optimiser.step()
    with torch.no_grad():
        v = layer.norm(torch.nn.functional.gelu(layer.layer(x)))
        gates = torch.sigmoid(layer.gate(v)).expand_as(v)
        terms = terms_of(layer, x)
    return Trained(
        gates.mean().item(), gates.var(0).mean().item(), terms.compression.item(), terms.reconstruction.item()
    )


@pytest.mark.parametrize("decoder", STATIONARY)
def test_training_finds_that_gate(decoder: str) -> None:
    assert trained(decoder, features=False).gate == pytest.approx(STATIONARY[decoder](BETA), abs=0.03)


def test_the_gate_of_the_default_depends_on_its_input_and_all_others_end_as_constants() -> None:
    default = trained("bounded", features=False).variance
    others = [trained(decoder, features=False).variance for decoder in ("full_rank", "identity", "gated")]
    assert default > 0.03 > 0.001 > max(others)


@pytest.mark.parametrize("features", [False, True], ids=["fixed features", "trained features"])
def test_an_unbounded_decoder_shrinks_and_still_rebuilds_and_the_default_shrinks_less(features: bool) -> None:
    default, unbounded = trained("bounded", features=features), trained("full_rank", features=features)
    assert unbounded.reconstruction < 0.03
    assert unbounded.compression < 0.4
    assert unbounded.compression < 0.6 * default.compression


def test_the_default_rebuilds_all_only_of_features_that_give_up_their_rank() -> None:
    assert trained("bounded", features=False).reconstruction > 0.4
    assert trained("bounded", features=True).reconstruction < 0.2
