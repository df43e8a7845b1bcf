"""Training one fold: deterministic, blind to the held-out subject, able to learn."""

import dataclasses

import numpy as np
import pytest
import torch
from marked_clips import make_clips

from madv.augment import copied, mirror, translate
from madv.compose import compose
from madv.config import Config
from madv.data.clips import Clips
from madv.data.folds import Fold, leave_one_subject_out, make_folds
from madv.inputs import scales
from madv.learners import make_learner
from madv.optimise import TrainingError, batches_per_epoch, learning_rate_factor
from madv.train import _predict, shuffled_labels, train_fold

TINY = [
    "model=madv_tiny",
    "model.widths=[8,8,8]",
    "model.heads=[2,2,2]",
    "model.head_dropout=0",
    "train=demo",
    "train.epochs=2",
]


@pytest.fixture(scope="module")
def clips() -> Clips:
    return make_clips()


@pytest.fixture(scope="module")
def fold(clips: Clips) -> Fold:
    return leave_one_subject_out(clips.subjects)[1]


@pytest.fixture(scope="module")
def config() -> Config:
    return compose(TINY)


def test_a_fold_is_the_same_every_time_and_leaves_the_global_generator_alone(clips: Clips, fold: Fold) -> None:
    chances = ["model.dropout=0.2", "model.head_dropout=0.5", "train.mirror=true", "train.shift=2"]
    config = compose([*TINY, *chances])
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = train_fold(config, fold, clips, seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(6)
    second = train_fold(config, fold, clips, seed=3)
    assert np.array_equal(first.probabilities, second.probabilities)
    assert first.history == second.history


def test_seed_and_subject_both_matter(clips: Clips, fold: Fold, config: Config) -> None:
    reference = train_fold(config, fold, clips, seed=3).history["loss"]
    assert train_fold(config, fold, clips, seed=4).history["loss"] != reference
    renamed = dataclasses.replace(fold, subject="someone else")
    assert train_fold(config, renamed, clips, seed=3).history["loss"] != reference


def test_the_held_out_subject_is_out_of_reach_while_training(clips: Clips, fold: Fold, config: Config) -> None:
    reference = train_fold(config, fold, clips, seed=0)
    hidden = fold.test[1:]  # what is predicted for the first clip must not know the others either
    poisoned = {name: x.copy() for name, x in clips.streams.items()}
    for x in poisoned.values():
        x[hidden] = 1e3
    assert clips.au_targets is not None
    targets = clips.au_targets.copy()
    targets[fold.test] = np.nan
    manifest = clips.manifest.copy()
    manifest.loc[fold.test, "label"] = 1 - manifest.loc[fold.test, "label"]
    blind = dataclasses.replace(clips, streams=poisoned, au_targets=targets, manifest=manifest)
    result = train_fold(config, fold, blind, seed=0)
    assert result.history == reference.history
    assert result.probabilities[0] == pytest.approx(reference.probabilities[0], abs=1e-6)


def test_predictions_belong_to_the_held_out_clips(clips: Clips, fold: Fold, config: Config) -> None:
    result = train_fold(config, fold, clips, seed=0)
    assert result.sample_id == ("clip4", "clip5", "clip6", "clip7")
    assert result.y_true.tolist() == [0, 1, 0, 1]
    assert result.probabilities.sum(axis=1) == pytest.approx([1] * 4)
    assert result.y_pred.tolist() == result.probabilities.argmax(axis=1).tolist()
    assert set(result.history) == {"loss", "accuracy", "focal", "low", "mid", "high", "au"}
    assert all(len(values) == config.train.epochs for values in result.history.values())


@pytest.mark.parametrize("stream", ["texture", "depth", "au"])
def test_each_stream_alone_learns_what_is_written_into_it(stream: str, clips: Clips, fold: Fold) -> None:
    streams = [f"model.streams.{name}={str(name == stream).lower()}" for name in ("texture", "depth", "au")]
    result = train_fold(compose([*TINY, *streams, "train.epochs=25"]), fold, clips, seed=0)
    assert result.history["accuracy"][-1] > 0.9
    assert result.y_pred.tolist() == result.y_true.tolist()


def test_depth_that_is_off_might_as_well_not_be_there(clips: Clips, fold: Fold) -> None:
    off = compose([*TINY, "model.streams.depth=false"])
    never = dataclasses.replace(clips, streams={name: x for name, x in clips.streams.items() if name != "depth"})
    broken = dataclasses.replace(
        clips, streams={**clips.streams, "depth": np.full_like(clips.streams["depth"], np.nan)}
    )
    first, *others = (train_fold(off, fold, those, 0) for those in (never, clips, broken))
    for other in others:
        assert np.array_equal(first.probabilities, other.probabilities)
        assert (first.history, first.parameters) == (other.history, other.parameters)


def test_clips_that_are_too_many_to_keep_are_read_batch_by_batch(
    clips: Clips, fold: Fold, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = train_fold(config, fold, clips, 0)
    monkeypatch.setattr("madv.inputs.WHOLE", 10_000)
    read = train_fold(config, fold, clips, 0)
    # Scales are means of means then: the same but for rounding.
    assert np.allclose(kept.probabilities, read.probabilities, atol=1e-3)
    assert kept.history["loss"] == pytest.approx(read.history["loss"], rel=1e-4)


def test_a_loss_that_is_not_a_number_ends_training(clips: Clips, fold: Fold, config: Config) -> None:
    streams = {name: x.copy() for name, x in clips.streams.items()}
    streams["au"][fold.train[0]] = np.nan
    with pytest.raises(TrainingError, match=r"loss is nan after epoch 1; lower train\.learning_rate"):
        train_fold(config, fold, dataclasses.replace(clips, streams=streams), seed=0)


def test_a_prediction_that_is_not_a_number_is_an_error_and_no_class(clips: Clips, fold: Fold, config: Config) -> None:
    streams = {name: x.copy() for name, x in clips.streams.items()}
    streams["depth"][fold.test[0]] = np.nan
    with pytest.raises(TrainingError, match="predictions for s1 are not numbers"):
        train_fold(config, fold, dataclasses.replace(clips, streams=streams), seed=0)


@pytest.mark.parametrize(("clips_left", "batch_size", "expected"), [(99, 33, 3), (97, 33, 3), (5, 2, 2), (2, 64, 1)])
def test_no_batch_has_a_single_clip(clips_left: int, batch_size: int, expected: int) -> None:
    steps = batches_per_epoch(clips_left, batch_size)
    assert steps == expected
    assert min(map(len, np.array_split(np.arange(clips_left), steps))) >= 2


def test_a_class_missing_from_the_training_fold_is_no_error(clips: Clips, fold: Fold, config: Config) -> None:
    manifest = clips.manifest.copy()
    manifest["label"] = 0
    manifest.loc[fold.test, "label"] = 1
    result = train_fold(config, fold, dataclasses.replace(clips, manifest=manifest), seed=0)
    assert np.isfinite(result.history["loss"]).all()


def test_a_clip_and_its_mirror_image_are_predicted_alike(clips: Clips, fold: Fold, config: Config) -> None:
    streams = {name: x.copy() if name == "au" else x[..., ::-1].copy() for name, x in clips.streams.items()}
    mirrored = dataclasses.replace(clips, streams=streams)
    learner = make_learner(config, clips, "0/s1")
    scale = scales(clips, fold.train, config.model.streams.active())
    both = dataclasses.replace(config, train=dataclasses.replace(config.train, mirror_prediction=True))
    for settings, equal in ((config, False), (both, True)):
        found = [_predict(learner, settings, fold.test, data, scale, torch.device("cpu")) for data in (clips, mirrored)]
        assert np.allclose(*found, atol=1e-6) == equal


def test_mirroring_turns_horizontal_flow_and_swaps_sides(clips: Clips) -> None:
    flow = dataclasses.replace(clips, signed_channels=(0,), mirrored_aus=(1, 0, 2))
    x = torch.arange(12.0).view(1, 3, 1, 2, 2)
    mirrored = mirror("texture", x, torch.tensor([True]), flow)
    assert mirrored[0, 0, 0].tolist() == [[-1, 0], [-3, -2]]
    assert mirrored[0, 1, 0].tolist() == [[5, 4], [7, 6]]
    units = mirror("au", torch.tensor([[[1.0], [2.0], [3.0]]] * 2), torch.tensor([True, False]), flow)
    assert units[:, :, 0].tolist() == [[2, 1, 3], [1, 2, 3]]


def test_translation_by_hand() -> None:
    x = torch.arange(1.0, 5.0).view(1, 1, 1, 2, 2)  # [[1, 2], [3, 4]]
    assert translate(x, np.array([[1, 0]]), 1)[0, 0, 0].tolist() == [[3, 4], [0, 0]]
    assert translate(x, np.array([[0, -1]]), 1)[0, 0, 0].tolist() == [[0, 1], [0, 3]]


def test_copies_by_hand(clips: Clips) -> None:
    x = torch.arange(1.0, 5.0).view(1, 1, 1, 2, 2).expand(4, 1, 1, 2, 2)  # [[1, 2], [3, 4]], moved by 1 pixel
    found = copied({"depth": x}, np.array([0, 1, 2, 3]), clips)["depth"][:, 0, 0]
    assert found.tolist() == [[[1, 2], [3, 4]], [[2, 1], [4, 3]], [[4, 0], [0, 0]], [[3, 0], [0, 0]]]
    units = torch.ones(4, 3, 2)
    assert torch.equal(copied({"au": units}, np.array([0, 1, 2, 3]), clips)["au"], units)


def test_copies_enlarge_the_training_fold_and_are_not_predicted(clips: Clips) -> None:
    config = compose([*TINY, "protocol.copies=4", "protocol.split=clips"])
    fold = make_folds(config.protocol, clips.subjects, seed=0)[1]
    assert len(fold.train) == 4 * 20
    result = train_fold(config, fold, clips, seed=0)
    assert result.sample_id == tuple(f"clip{row}" for row in fold.test)
    bare = train_fold(config, dataclasses.replace(fold, copies=None), clips, seed=0)
    assert bare.history["loss"] != result.history["loss"]


def test_the_best_epoch_on_the_test_clips_is_the_first_of_the_best(clips: Clips, fold: Fold) -> None:
    chances = ["model.dropout=0.2", "train.epochs=4"]
    last = train_fold(compose([*TINY, *chances]), fold, clips, seed=0)
    best = train_fold(compose([*TINY, *chances, "protocol.epoch=best_on_test"]), fold, clips, seed=0)
    accuracy = best.history.pop("held_out_accuracy")
    assert best.history == last.history  # looking at the test clips leaves the training as it is
    assert len(accuracy) == 4 and accuracy[-1] == np.mean(last.y_pred == last.y_true)
    assert np.mean(best.y_pred == best.y_true) == max(accuracy)


def test_shuffled_labels_are_dealt_out_among_the_training_clips_alone(clips: Clips, fold: Fold) -> None:
    dealt = shuffled_labels(clips, np.repeat(fold.train, 2), "0/a")
    assert (dealt.labels[fold.test] == clips.labels[fold.test]).all()
    assert sorted(dealt.labels[fold.train]) == sorted(clips.labels[fold.train])
    assert (dealt.labels[fold.train] != clips.labels[fold.train]).any()
    assert (dealt.labels == shuffled_labels(clips, fold.train, "0/a").labels).all()
    assert (dealt.labels != shuffled_labels(clips, fold.train, "1/a").labels).any()


def test_the_learning_rate_rises_then_falls_to_its_minimum() -> None:
    train = compose(["train.learning_rate=1", "train.min_learning_rate=0.1", "train.warmup=0.2"]).train
    factor = learning_rate_factor(train, 10)
    assert [factor(step) for step in (0, 1, 2)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert factor(6) == pytest.approx(0.1 + 0.9 / 2)
    assert factor(10) == pytest.approx(0.1)
