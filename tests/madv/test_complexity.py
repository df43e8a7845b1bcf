"""Counts against layers worked by hand, the paper's formula against its grids, and both against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from madv.complexity import count, linear_macs, measure, measure_module, paper_macs
from madv.compose import compose
from madv.counting import count_macs, peak_allocation, rolled_up
from madv.errors import ConfigError
from madv.fits import shape_misfits
from madv.growth import growth
from madv.model.network import MADVNet

SHAPES = {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (14, 8)}
CPU = torch.device("cpu")


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs)


@pytest.mark.parametrize(
    ("module", "shapes", "macs"),
    [
        # rows x inputs x outputs
        (nn.Linear(3, 5), [(2, 7, 3)], 2 * 7 * 3 * 5),
        # output positions x outputs x inputs x kernel: (4, 5, 6) halved in height and width is (4, 3, 3)
        (nn.Conv3d(3, 8, 3, stride=(1, 2, 2), padding=1), [(1, 3, 4, 5, 6)], 4 * 3 * 3 * 8 * 3 * 27),
        # depthwise: each channel with its own kernel
        (nn.Conv2d(6, 6, 3, padding=1, groups=6), [(1, 6, 5, 5)], 25 * 6 * 9),
        (nn.Conv2d(6, 4, 1, groups=2), [(1, 6, 5, 5)], 25 * 4 * 3),
        # heads x queries x keys x (width of keys + width of values)
        (Call(functional.scaled_dot_product_attention), [(1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 4)], 2 * 3 * 5 * 8),
        (Call(lambda a, b: torch.einsum("bik,bjk->bij", a, b)), [(2, 3, 4), (2, 5, 4)], 2 * 3 * 5 * 4),
        (Call(torch.mv), [(3, 4), (4,)], 12),
        # four gates of each layer and direction: inputs and the hidden state, at 5 times for 2 clips
        (nn.LSTM(3, 4, num_layers=2, batch_first=True), [(2, 5, 3)], 2 * 5 * 4 * 4 * ((3 + 4) + (4 + 4))),
        (nn.LSTM(3, 4, bidirectional=True), [(5, 2, 3)], 2 * 5 * 2 * 4 * 4 * (3 + 4)),
        (nn.GRU(3, 4, batch_first=True), [(2, 5, 3)], 2 * 5 * 3 * 4 * (3 + 4)),
        # 4 L d^2 + 2 L^2 d + 2 L d d_hidden, which PyTorch would compute in one fused operator
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(), [(1, 5, 8)], 1280 + 400 + 1280),
    ],
)
def test_layers_worked_by_hand(module: nn.Module, shapes: list[tuple[int, ...]], macs: int) -> None:
    assert sum(count_macs(module, *(torch.randn(shape) for shape in shapes)).values()) == macs


@pytest.mark.parametrize("mask", [torch.ones(1, 1, 1, 5, dtype=torch.bool), torch.zeros(3, 5)])
def test_masked_attention_is_counted_whole(mask: torch.Tensor) -> None:
    attend = Call(lambda q, k: functional.scaled_dot_product_attention(q, k, k, attn_mask=mask))
    assert count_macs(attend, torch.randn(2, 2, 3, 4), torch.randn(2, 2, 5, 4)) == {"": 2 * 2 * 3 * 5 * 8}


class Nested(nn.Module):
    """Calls a module of its part without calling the part first, and the same once more inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 2, bias=False))
        self.weight = nn.Parameter(torch.ones(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.part(self.part[0](x)) @ self.weight
        return out


def test_modules_add_up_to_the_total() -> None:
    cost = measure_module(Nested(), torch.randn(2, 4), runs=1, device="cpu")
    assert cost.macs_by_module == {"": 6, "part": 0, "part.0": 32, "part.1": 8}
    assert cost.parameters_by_module == {"": 6, "part": 0, "part.0": 16, "part.1": 8}
    assert (cost.macs, cost.parameters, cost.batch) == (46, 30, 2)
    assert rolled_up(cost.macs_by_module, 1) == {"": 6, "part": 40}


def test_counting_leaves_no_hooks() -> None:
    module = Nested()
    assert count_macs(module, torch.randn(1, 4)) == count_macs(module, torch.randn(1, 4))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert torch.backends.mha.get_fastpath_enabled()


def test_peak_memory_is_what_is_held_at_once() -> None:
    x = torch.randn(1000)
    # Of three results, two are held at a time.
    assert peak_allocation(lambda: torch.relu(torch.relu(torch.relu(x))), CPU) == 2 * 4000
    # Weights (10 x 5 + 5), input (3 x 10) and output (3 x 5), four bytes each.
    assert measure_module(nn.Linear(10, 5), torch.randn(3, 10), runs=1, device="cpu").peak_memory == 4 * (55 + 30 + 15)


@pytest.mark.parametrize(
    ("tokens", "width", "blocks", "paper", "linear"),
    [
        (8 * 14 * 14, 64, 1, 227_999_744, 391_774_208),
        (8 * 7 * 7, 128, 2, 180_633_600, 232_816_640),
        (8 * 4 * 4, 256, 2, 192_937_984, 218_103_808),
    ],
)
def test_formula_at_the_grids_of_madv_base(tokens: int, width: int, blocks: int, paper: int, linear: int) -> None:
    assert paper_macs(tokens, width, 4 * width, blocks) == paper
    assert linear_macs(tokens, width, 4 * width, blocks) == linear


def test_madv_net_beside_its_formula() -> None:
    config = compose(["model=madv_tiny", "model.projection.kind=linear"])
    cost = measure(config, SHAPES, 3, runs=1, device="cpu")
    assert sum(cost.macs_by_module.values()) == cost.macs
    assert sum(cost.parameters_by_module.values()) == cost.parameters
    formula = {row.name: row for row in cost.formula}
    # Grids 4x4x4, 4x2x2, 4x1x1 of both visual streams; 4, 2, 1 times 14 units.
    assert [row.tokens for row in cost.formula] == [64, 16, 4, 64, 16, 4, 56, 28, 14]
    joint = formula["streams.depth.levels.1.encoder"]
    # Joint attention with linear projections computes just what the exact formula says, for the class token too.
    assert joint.measured == linear_macs(joint.tokens + 1, joint.width, joint.hidden, joint.blocks)
    assert joint.paper == 3 * 16 * 32**2 + 16**2 * 32 + 2 * 16 * 32 * 32


@pytest.mark.parametrize("changed", [{"frames": 16}, {"size": 64}, {"frames": 4, "size": 128}])
def test_measured_macs_grow_with_the_clip_as_the_exact_formula_says(changed: dict[str, int]) -> None:
    settings = ["model.projection.kind=linear", "model.attention.texture=joint", "model.blocks=[1,2,1]"]
    config = compose(["model=madv_tiny", "model.streams.depth=false", "model.streams.au=false", *settings])
    frames, size = changed.get("frames", 8), changed.get("size", 32)
    rows = count(config, {"texture": (3, frames, size, size)}, 3).formula
    assert [row.tokens for row in rows] == [frames // 2 * (size // 8 >> level) ** 2 for level in range(3)]
    for row in rows:
        assert row.measured == linear_macs(row.tokens + 1, row.width, row.hidden, row.blocks)


def test_attention_in_place_of_the_mlp_is_attention_twice() -> None:
    config = compose(["model=madv_tiny", "model.projection.kind=linear", "model.attention.double=true"])
    row = next(row for row in count(config, SHAPES, 3).formula if row.name == "streams.depth.levels.1.encoder")
    assert row.paper == 2 * (3 * 16 * 32**2 + 16**2 * 32)
    assert row.measured == 2 * linear_macs(row.tokens + 1, row.width, 0, row.blocks)


def test_the_factorised_encoder_has_short_sequences() -> None:
    settings = ["model.projection.kind=linear", "model.attention.depth=factorised_encoder"]
    row = next(
        row
        for row in count(compose(["model=madv_tiny", *settings]), SHAPES, 3).formula
        if row.name == "streams.depth.levels.1.encoder"
    )
    # Four frames of 2 x 2 patches with a token of the frame, then a class token and the four of frames: d = d_hidden.
    assert row.measured == 4 * linear_macs(5, 32, 32, 1) + linear_macs(5, 32, 32, 1)
    assert row.linear == 4 * linear_macs(4, 32, 32, 1) + linear_macs(4, 32, 32, 1)


def test_removed_tokens_save_macs_and_masked_ones_do_not() -> None:
    drop = ["model=madv_tiny", "model.blocks=[2,2,1]", "model.projection.kind=linear"]
    all_kept, removed, masked = (
        count(compose([*drop, *rest]), SHAPES, 3).macs
        for rest in (
            ["model.dropping.keep=1"],
            ["model.dropping.keep=0.5", "model.dropping.how=remove"],
            ["model.dropping.keep=0.5", "model.dropping.how=mask"],
        )
    )
    assert removed < 0.95 * all_kept < masked


def test_the_papers_setting_stays_small() -> None:
    shapes = {"texture": (3, 16, 112, 112), "depth": (1, 16, 112, 112), "au": (17, 16)}
    config = compose(["model=madv_base"])
    network = MADVNet(config.model, config.loss, shapes, 5)
    assert sum(parameter.numel() for parameter in network.parameters()) < 12e6
    assert count(config, shapes, 5).macs < 5e9


def test_a_comparison_method_has_no_formula() -> None:
    config = compose(["method=c3d", "method.width=4"])
    cost = measure(config, SHAPES, 3, runs=1, device="cpu")
    assert cost.macs == sum(cost.macs_by_module.values()) > 0
    assert cost.formula == ()


def test_clips_that_do_not_fit_are_refused() -> None:
    config = compose(["model=madv_tiny"])
    with pytest.raises(
        ConfigError, match=r"model\.streams\.depth: the clips have no depth stream, only texture and au"
    ):
        measure(config, {name: SHAPES[name] for name in ("texture", "au")}, 3)
    assert shape_misfits(config, SHAPES | {"texture": (3, 8, 4, 4)})


def test_growth_follows_the_clip() -> None:
    config = compose(["model=madv_tiny", "model.streams.depth=false", "model.streams.au=false"])
    points = growth(config, {"texture": (3, 2, 32, 32)}, 3, runs=1)
    # Of two frames half is one; five quarters are two once more.
    assert [(point.frames, point.ratio) for point in points if point.varied == "frames"] == [(1, 0.5), (2, 1), (3, 1.5)]
    sizes = {point.height: point for point in points if point.varied == "size"}
    assert (sizes[32].tokens, sizes[48].tokens) == (16, 36)
    assert sizes[32].macs < sizes[48].macs


def test_macs_alone_are_those_of_a_measurement() -> None:
    config = compose(["model=madv_tiny"])
    shapes = {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (14, 8)}
    counted = growth(config, shapes, 3, runs=0)
    measured = growth(config, shapes, 3, runs=1)
    assert [dataclasses.replace(point, latency_s=None, peak_memory=None) for point in measured] == counted
