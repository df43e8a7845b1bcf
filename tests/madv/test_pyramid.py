"""Levels of a visual stream: their grids, their fusion, and what low, middle and high mean."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from madv.compose import compose
from madv.model.bands import split_bands
from madv.model.fusion import GatedFusion, LevelFusion, fuse_streams
from madv.model.grids import level_grids
from madv.model.network import initialise
from madv.model.pyramid import VisualStream


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def stream(*overrides: str, shape: tuple[int, int, int] = (4, 32, 32)) -> VisualStream:
    config = compose(["model=madv_tiny", *overrides]).model
    visual = VisualStream("joint", 3, shape, config, "adjacent")
    initialise(visual, "0/s1")
    return visual


def test_the_grids_of_the_paper_setting() -> None:
    base = compose(["model=madv_base"]).model
    assert level_grids((16, 112, 112), base) == [(8, 14, 14), (8, 7, 7), (8, 4, 4)]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_levels_are_the_first_stages(levels: int) -> None:
    visual = stream(f"model.levels={levels}")
    classes, grids, auxiliary = visual.grids(normal(2, 3, 4, 32, 32))
    assert [tuple(cls.shape) for cls in classes] == [(2, 16), (2, 32), (2, 64)][:levels]
    out = (16, 32, 64)[levels - 1]
    assert [tuple(grid.shape) for grid in grids] == [(2, 2, size, size, out) for size in (4, 2, 1)][:levels]
    assert auxiliary is None


# Fusion over levels, by hand


def fused(fusion: str) -> list[list[float]]:
    """Grids 2 x 3 and 1 x 2 in one channel; lateral maps leave numbers as they are."""
    narrow = ["model.widths=[1,1,1]", "model.heads=[1,1,1]", "model.streams.au=false"]
    visual = stream(f"model.fusion={fusion}", "model.levels=2", *narrow)
    for lateral in visual.lateral:
        torch.nn.init.ones_(lateral.weight)
    fine, coarse = torch.tensor([[1.0, 2, 3], [4, 5, 6]]), torch.tensor([[10.0, 20]])
    grids = visual._fuse([fine.view(1, 1, 2, 3, 1), coarse.view(1, 1, 1, 2, 1)])
    return [grid.flatten().tolist() for grid in grids]


def test_top_down_adds_the_nearest_of_the_level_above() -> None:
    assert fused("top_down") == [[11, 12, 23, 14, 15, 26], [10, 20]]


@pytest.mark.parametrize("fusion", ["concatenated", "weighted", "last"])
def test_otherwise_levels_stay_by_themselves(fusion: str) -> None:
    assert fused(fusion) == [[1, 2, 3, 4, 5, 6], [10, 20]]


LEVELS = [torch.tensor([[1.0, 2]]), torch.tensor([[5.0, 6]])]


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [
        ("top_down", [1, 2, 5, 6]),
        ("concatenated", [1, 2, 5, 6]),
        ("weighted", [1 / 4 + 15 / 4, 2 / 4 + 18 / 4]),
        ("last", [5, 6]),
    ],
)
def test_what_the_fused_head_reads(fusion: str, expected: list[float]) -> None:
    join = LevelFusion(fusion, 2, 2)  # type: ignore[arg-type]
    if join.weight is not None:
        assert torch.equal(join(LEVELS), (LEVELS[0] + LEVELS[1]) / 2)  # as it starts
        join.weight.data = torch.tensor([1.0, 3.0]).log()
    assert join(LEVELS)[0].tolist() == pytest.approx(expected)
    assert join.width == len(expected)


@pytest.mark.parametrize("fusion", ["top_down", "concatenated", "weighted", "last"])
def test_one_level_has_nothing_to_weigh(fusion: str) -> None:
    join = LevelFusion(fusion, 1, 2)  # type: ignore[arg-type]
    assert join(LEVELS[:1]) is LEVELS[0]
    assert list(join.parameters()) == []


def test_streams_are_weighted_by_their_own_features() -> None:
    gated = fuse_streams(2, 2)
    assert isinstance(gated, GatedFusion)
    last = gated.gate[2]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor([1.0, 3.0]).log()
    assert gated(LEVELS)[0].tolist() == pytest.approx([4, 5])
    assert fuse_streams(1, 2)(LEVELS[:1]) is LEVELS[0]


# Bands


def test_two_bands_by_hand() -> None:
    frame = torch.tensor([[1.0, 2], [3, 6]]).view(1, 1, 1, 2, 2)
    low, high = split_bands(frame, 2)
    assert low.flatten().tolist() == [3, 3, 3, 3]
    assert high.flatten().tolist() == [-2, -1, 0, 3]
    assert torch.equal(split_bands(frame, 1)[0], frame)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3), st.integers(4, 19), st.integers(4, 19))
def test_bands_sum_to_the_clip(bands: int, height: int, width: int) -> None:
    clip = normal(2, 3, 2, height, width)
    parts = split_bands(clip, bands)
    assert [part.shape for part in parts] == [clip.shape] * bands
    torch.testing.assert_close(torch.stack(parts).sum(0), clip, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("period", "band"), [(32, 0), (10, 1), (2, 2)])
def test_a_grating_is_in_the_band_of_its_frequency(period: int, band: int) -> None:
    wave = torch.cos(2 * torch.pi * (torch.arange(32.0) + 0.5) / period)
    wave = torch.tensor([1.0, -1]).repeat(16) if period == 2 else wave
    parts = split_bands(wave.expand(1, 1, 1, 32, 32), 3)
    energy = [part[..., 4:-4, 4:-4].square().sum().item() for part in parts]
    assert energy.index(max(energy)) == band
    assert energy[band] > 0.5 * sum(energy)


def test_a_clip_without_detail_is_all_in_the_lowest_band() -> None:
    low, *others = split_bands(torch.full((1, 2, 2, 9, 14), 3.0), 3)
    torch.testing.assert_close(low, torch.full_like(low, 3.0))
    assert max(other.abs().max().item() for other in others) < 1e-6


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_each_band_has_its_own_tokenizer_and_level(levels: int) -> None:
    visual, clip = stream("model.frequency=bands", f"model.levels={levels}"), normal(2, 3, 4, 32, 32)
    seen: list[torch.Tensor] = []
    for tokens in visual.tokens:
        tokens.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    _, grids, _ = visual.grids(clip)
    assert all(torch.equal(*pair) for pair in zip(seen, split_bands(clip, levels), strict=True))
    assert [grid.shape for grid in grids] == [grid.shape for grid in stream(f"model.levels={levels}").grids(clip)[1]]


def test_a_level_reads_its_own_band_alone() -> None:
    visual = stream("model.frequency=bands", "model.fusion=concatenated").eval()
    clip = normal(1, 3, 4, 32, 32)
    brighter = visual.grids(clip + 1)[1]  # without detail: all of it in the lowest band
    moved = [not torch.allclose(a, b, atol=1e-4) for a, b in zip(brighter, visual.grids(clip)[1], strict=True)]
    assert moved == [True, False, False]
