"""Folds trained as one program: the numbers of folds trained one by one, but for rounding."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from marked_clips import make_clips
from torch import nn

from madv.compose import compose
from madv.config import Config
from madv.data.clips import Clips
from madv.data.folds import leave_one_subject_out, make_folds
from madv.fold_result import FoldResult
from madv.learners import make_learner
from madv.model.shared_norm import SharedNorm
from madv.optimise import TrainingError
from madv.pretrained import encoder_state
from madv.together import can_share, groups, most_at_once, train_folds
from madv.train import train_fold

CPU = torch.device("cpu")
SETTINGS = (
    *("model=madv_tiny", "model.widths=[8,8,8]", "model.heads=[2,2,2]", "model.blocks=[1,2,1]"),
    *("model.tokenizer.stride=[2,2,2]", "model.dropout=0.2", "model.head_dropout=0.3"),
    *("train=demo", "train.epochs=2", "train.batch_size=8", "train.mirror=true", "train.shift=2"),
    "train.learning_rate=1e-4",  # Adam makes steps of full length out of gradients that are rounding alone
)


@pytest.fixture(scope="module")
def clips() -> Clips:
    """Subjects of 6 or 7 clips: folds train on 31 to 33, in batches of 6 to 8."""
    made = make_clips(subjects=6, per_subject=7)
    rows = np.delete(np.arange(len(made.labels)), [3, 9, 10, 25])
    assert made.au_targets is not None
    return dataclasses.replace(
        made,
        manifest=made.manifest.iloc[rows].reset_index(drop=True),
        streams={name: x[rows] for name, x in made.streams.items()},
        au_targets=made.au_targets[rows],
    )


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model.au.sampled=true", "model.tokenizer.kind=tubelet"],
        ["model.dropping.keep=0.5", "model.dropping.by=random", "model.projection.kind=linear"],
        ["model.dropping.keep=0.5", "model.projection.volume=true"],
        ["model.projection.kv_stride=2", "model.attention.texture=factorised_encoder"],
        ["model.frequency=bands", "model.depth_injection=channel"],
        ["protocol.labels=shuffled", "model.streams.au=false"],
        ["protocol.copies=2", "model.au.source=annotated"],
    ],
    ids=lambda overrides: " ".join(overrides) or "reference",
)
def test_folds_together_are_folds_alone(clips: Clips, overrides: list[str]) -> None:
    config = compose([*SETTINGS, *overrides])
    folds = next(iter(groups(make_folds(config.protocol, clips.subjects, 0), config.train.batch_size, 3)))
    assert len(folds) == 3
    for fold, found in zip(folds, train_folds(config, folds, clips, 0), strict=True):
        alone = train_fold(config, fold, clips, 0)
        assert isinstance(found, FoldResult)
        assert found.sample_id == alone.sample_id
        np.testing.assert_allclose(found.probabilities, alone.probabilities, atol=2e-4)
        assert found.history.keys() == alone.history.keys()
        for name, values in alone.history.items():
            np.testing.assert_allclose(found.history[name], values, rtol=1e-3, atol=1e-4, err_msg=name)


def test_folds_of_unequal_steps_are_apart(clips: Clips) -> None:
    """33 clips are five batches of at most 8, 32 and 31 are four; at most two folds are asked for."""
    sizes = [[len(fold.train) for fold in group] for group in groups(leave_one_subject_out(clips.subjects), 8, 2)]
    assert sizes == [[32, 31], [32, 31], [31], [33]]


def test_pre_trained_weights_reach_their_own_fold(clips: Clips) -> None:
    config = compose([*SETTINGS, "train.epochs=1", "train.learning_rate=1e-8", "train.min_learning_rate=0"])
    folds = leave_one_subject_out(clips.subjects)[2:4]
    start = _start(config, clips, 3.0)
    with_start, without = (train_folds(config, folds, clips, 0, starts=s) for s in ([start, None], [None, None]))
    first, second = zip(with_start, without, strict=True)
    assert np.abs(_probabilities(first[0]) - _probabilities(first[1])).max() > 1e-3
    np.testing.assert_array_equal(_probabilities(second[0]), _probabilities(second[1]))


def test_one_fold_that_leaves_the_numbers_leaves_the_others(clips: Clips) -> None:
    config = compose([*SETTINGS, "train.epochs=1"])
    folds = leave_one_subject_out(clips.subjects)[2:5]
    broken = _start(config, clips, torch.nan)
    found = train_folds(config, folds, clips, 0, starts=[None, broken, None])
    assert isinstance(found[1], TrainingError)
    assert "the loss is nan after epoch 1" in str(found[1])
    for place in (0, 2):
        alone = train_fold(config, folds[place], clips, 0)
        np.testing.assert_allclose(_probabilities(found[place]), alone.probabilities, atol=2e-4)


@pytest.mark.parametrize(
    ("override", "shares"),
    [
        ("model.dropping.by=class_attention", True),
        ("model.dropping.by=halting", False),
        ("model.dropping.by=predictor", False),
        ("protocol.epoch=best_on_test", False),
        ("train.compile=true", False),
        ("method=c3d", False),
    ],
)
def test_what_has_to_be_trained_alone(override: str, shares: bool) -> None:
    config = compose([*SETTINGS, "model.dropping.keep=0.5", "train.folds_per_step=4", override])
    assert can_share(config, CPU) is shares
    assert most_at_once(config) == (4 if shares else 1)


def test_how_many_at_once_is_no_part_of_what_a_cell_means() -> None:
    one, four = (compose(["model=madv_tiny", f"train.folds_per_step={n}"]) for n in ("auto", "4"))
    assert one.meaning() == four.meaning()
    assert isinstance(one, Config)
    if not torch.cuda.is_available():
        assert most_at_once(one) == 1


@pytest.mark.parametrize("shape", [(8, 3, 4, 5, 5), (24, 3, 7), (8, 3)])
def test_padding_has_no_part_in_a_norm(shape: tuple[int, ...]) -> None:
    """Six clips of eight count, in one row or three each: the norm of the six alone, and its gradient."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator, requires_grad=True)
    kinds: dict[int, type[nn.Module]] = {5: nn.BatchNorm3d, 3: nn.BatchNorm1d, 2: nn.BatchNorm1d}
    norm = kinds[len(shape)](3)
    nn.init.normal_(norm.weight, generator=generator)  # type: ignore[arg-type]
    shared = SharedNorm(norm)  # type: ignore[arg-type]
    shared.share = torch.tensor([1 / 6] * 6 + [0, 0])
    rows = shape[0] // 8 * 6
    torch.testing.assert_close(shared(x)[:rows], norm(x[:rows]))
    (found,) = torch.autograd.grad(shared(x)[:rows].square().sum(), x)
    (expected,) = torch.autograd.grad(norm(x[:rows]).square().sum(), x)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def _start(config: Config, clips: Clips, bias: float) -> dict[str, torch.Tensor]:
    """An encoder whose texture tokens have this bias."""
    state = encoder_state(make_learner(config, clips, "0/s0").network)
    return state | {"streams.texture.tokens.0.norm.bias": torch.full((8,), bias)}


def _probabilities(found: FoldResult | TrainingError) -> np.ndarray:
    assert isinstance(found, FoldResult)
    return found.probabilities
