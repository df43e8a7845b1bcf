"""The action-unit stream: what it reads, what is built for which setting, and that all of it learns."""

import itertools

import pytest
import torch

from madv.compose import compose
from madv.model.action_units import ActionUnitStream, _pool_time
from madv.model.network import initialise
from madv.model.streams import StreamFeatures

READINGS = list(
    itertools.product(
        ("conditioned", "vector"), ("bounded", "full_rank", "identity", "gated"), ("sampled=false", "sampled=true")
    )
)


def stream(
    *overrides: str, num_aus: int = 5, frames: int = 8, classify: bool = True, targets: bool = True
) -> ActionUnitStream:
    config = compose(["model=madv_tiny", *(f"model.{override}" for override in overrides)]).model
    units = ActionUnitStream(num_aus, frames, 3, config, classify=classify, targets=targets)
    initialise(units, "0/s1")
    return units


def intensities(batch: int = 4, num_aus: int = 5, frames: int = 8) -> torch.Tensor:
    return torch.randn(batch, num_aus, frames, generator=torch.Generator().manual_seed(0))


def total(features: StreamFeatures) -> torch.Tensor:
    """A sum of everything, each number weighted by its place so that nothing cancels."""
    parts = [*features.levels, features.convolution, features.au_logits, features.compression, features.reconstruction]
    return torch.stack(
        [(part.flatten() * torch.arange(1.0, part.numel() + 1)).sum() for part in parts if part is not None]
    ).sum()


def silent(units: ActionUnitStream, x: torch.Tensor) -> list[str]:
    total(units(x)).backward()
    return [name for name, p in units.named_parameters() if p.grad is None or not p.grad.any()]


@pytest.mark.parametrize("reading", READINGS, ids="-".join)
@pytest.mark.parametrize("classify", [True, False], ids=["with loss", "without"])
def test_every_parameter_of_every_bottleneck_learns(reading: tuple[str, str, str], classify: bool) -> None:
    gate, decoder, sampled = reading
    units = stream(f"au.gate={gate}", f"au.decoder={decoder}", f"au.{sampled}", classify=classify)
    assert silent(units, intensities()) == []


@pytest.mark.parametrize(
    "override",
    [
        *(f"attention.au={kind}" for kind in ("joint", "factorised_self", "factorised_dot", "factorised_encoder")),
        *(f"levels={levels}" for levels in (1, 2, 3)),
        "blocks=[0,0,0]",
        "convolution_branch=false",
        "attention.double=true",
        "au.time=kept",
    ],
)
def test_every_parameter_of_every_setting_learns(override: str) -> None:
    assert silent(stream(override), intensities()) == []
    assert silent(stream(override, targets=False), intensities()) == []


@pytest.mark.parametrize("frames", [2, 3, 5])
def test_few_frames_are_enough(frames: int) -> None:
    assert silent(stream(frames=frames), intensities(frames=frames)) == []


@pytest.mark.parametrize(("levels", "width"), [(1, 16), (2, 32), (3, 64)])
def test_levels_that_are_not_there_are_not_built(levels: int, width: int) -> None:
    features = stream(f"levels={levels}")(intensities())
    assert [tuple(level.shape) for level in features.levels] == [(4, width)] * levels
    assert features.convolution is not None and features.convolution.shape == (4, width)


def test_without_its_branch_there_is_no_convolution() -> None:
    units = stream("convolution_branch=false")
    assert units(intensities()).convolution is None
    assert not [name for name, _ in units.named_parameters() if "convolution" in name]


def test_the_classifier_goes_with_the_loss_and_with_the_targets() -> None:
    with_all, of_emotions, without_targets, without_loss = (
        stream(f"au.without_units={aim}", classify=classify, targets=targets)(intensities())
        for aim, classify, targets in (
            ("emotion", True, True),
            ("emotion", True, False),
            ("none", True, False),
            ("emotion", False, False),
        )
    )
    assert with_all.au_logits is not None and with_all.au_logits.shape == (4, 5)
    assert of_emotions.au_logits is not None and of_emotions.au_logits.shape == (4, 3)
    assert without_targets.au_logits is None and without_targets.compression is not None
    assert without_loss.au_logits is None and without_loss.compression is None and without_loss.reconstruction is None


def test_only_the_difference_to_the_onset_is_read() -> None:
    units, x = stream().eval(), intensities()
    offset = torch.arange(20.0).view(4, 5, 1)  # a coder's bias, of each clip and unit
    assert torch.allclose(total(units(x)), total(units(x + offset)), rtol=1e-4)


def test_a_clip_of_one_frame_says_nothing() -> None:
    units = stream(frames=1).eval()
    assert torch.equal(units(intensities(frames=1)).levels[-1], units(torch.zeros(4, 5, 1)).levels[-1])


def test_the_classifier_of_a_unit_reads_that_units_tokens() -> None:
    units, x = stream().eval(), intensities()
    changed = x.clone()
    changed[:, 2, 1:] += 1
    moved = (units(changed).au_logits - units(x).au_logits).abs().max(0).values
    assert (moved > 1e-4).tolist() == [False, False, True, False, False]


def test_the_terms_are_means_over_layers() -> None:
    units, x = stream(), intensities()
    seen = []
    for layer in units.layers:
        layer.register_forward_hook(lambda _, __, output: seen.append(output[1]))
    features = units(x)
    assert features.compression is not None and features.reconstruction is not None
    assert features.compression.tolist() == pytest.approx((sum(term.compression for term in seen) / 3).tolist())
    assert features.reconstruction.tolist() == pytest.approx((sum(term.reconstruction for term in seen) / 3).tolist())


def test_time_is_averaged_over_runs() -> None:
    series = torch.tensor([1.0, 3, 5, 7, 100]).view(1, 5, 1, 1)
    assert _pool_time(series, 2).flatten().tolist() == [2, 6]
    assert _pool_time(series[:, :1], 2).flatten().tolist() == [1]


def test_time_is_kept_or_halved_from_level_to_level() -> None:
    kept, halved = (stream(f"au.time={time}") for time in ("kept", "halved"))
    assert [encoder.grid for encoder in kept.encoders] == [(8, 1, 5)] * 3
    assert [encoder.grid for encoder in halved.encoders] == [(4, 1, 5), (2, 1, 5), (1, 1, 5)]


def test_time_is_shortened_as_by_the_visual_tokenizer() -> None:
    assert stream("tokenizer.stride=[2,4,4]", "tokenizer.pool_stride=[2,2,2]").stride == 4
