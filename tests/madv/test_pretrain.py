"""Pre-training a fold: the held-out subject is never seen, labels come from others alone, weights arrive."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from pretraining import SHAPES, SOURCE, config, method, network, same

from madv.compose import compose
from madv.config import TrainConfig
from madv.data.clips import Clips
from madv.data.folds import Fold, leave_one_subject_out
from madv.encoder_key import check_pretraining, encoder_meaning
from madv.errors import DataError
from madv.learners import make_learner
from madv.pretrain import pretrain_fold
from madv.pretrained import encoder_state, load_pretrained


def make_clips(dataset: str, subjects: list[str], classes: tuple[str, ...], seed: int) -> Clips:
    """Four clips a subject: a bright square at a place of the clip's own, moving right, brighter in odd classes."""
    rng = np.random.default_rng(seed)
    number = 4 * len(subjects)
    label = np.arange(number) % len(classes)
    streams = {name: np.zeros((number, *shape), np.float32) for name, shape in SHAPES.items()}
    for row in range(number):
        top, left = rng.integers(4, 16, size=2)
        for frame in range(4):
            for name in ("texture", "depth"):
                streams[name][row, :, frame, top : top + 10, left + frame : left + frame + 10] += 1.0 + label[row] % 2
        streams["au"][row, label[row] % 3, 1:] += 1.5
    manifest = pd.DataFrame(
        {
            "sample_id": [f"{dataset}{row}" for row in range(number)],
            "subject": np.repeat(subjects, 4),
            "dataset": dataset,
            "label": label,
        }
    )
    return Clips(manifest=manifest, class_names=classes, streams=streams, fingerprint=f"{dataset}{seed}")


@pytest.fixture(scope="module")
def clips() -> Clips:
    """A composite: its first subject is also in the source, under another name."""
    return make_clips("composite", ["smic/s03", "samm/006", "samm/007", "casme2/sub01"], ("no", "yes"), seed=0)


@pytest.fixture(scope="module")
def source() -> Clips:
    return make_clips("smic", ["s1", "s3", "s11"], ("negative", "positive", "surprise"), seed=1)


@pytest.fixture(scope="module")
def fold(clips: Clips) -> Fold:
    return next(fold for fold in leave_one_subject_out(clips.subjects) if fold.subject == "smic/s03")


MASKED = config("pretrain.masked_epochs=2")
BOTH = config("pretrain.masked_epochs=2", "pretrain.supervised_epochs=2", SOURCE)


def test_masked_modelling_learns(clips: Clips, fold: Fold) -> None:
    settings = config(
        "pretrain.masked_epochs=20",
        "pretrain.learning_rate=0.01",
        "model.streams.depth=false",
        "model.streams.au=false",
    )
    result = pretrain_fold(settings, fold, clips, 0, None)
    history = result.history["masked"]
    assert set(history) == {"loss", "appearance", "motion"}
    assert sum(history["loss"][-3:]) < 0.8 * sum(history["loss"][:3])
    assert set(result.history) == {"masked"}
    assert result.clips == len(fold.train)


def test_a_fold_is_the_same_every_time_and_leaves_the_global_generator_alone(
    clips: Clips, source: Clips, fold: Fold
) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    steps: list[int] = []
    first = pretrain_fold(BOTH, fold, clips, 3, source, steps.append)
    assert torch.equal(before, torch.random.get_rng_state())
    assert steps == [1, 2, 3, 4]
    torch.manual_seed(6)
    second = pretrain_fold(BOTH, fold, clips, 3, source)
    assert first.history == second.history
    assert same(first.state, second.state)
    assert not same(first.state, pretrain_fold(BOTH, fold, clips, 4, source).state)
    assert first.clips == len(fold.train) + 8


def test_the_held_out_subject_is_out_of_reach_in_both_data_sets(clips: Clips, source: Clips, fold: Fold) -> None:
    reference = pretrain_fold(BOTH, fold, clips, 0, source)
    blind = dataclasses.replace(clips, streams=poisoned(clips, fold.test))
    blind_source = dataclasses.replace(source, streams=poisoned(source, np.flatnonzero(source.subjects == "s3")))
    result = pretrain_fold(BOTH, fold, blind, 0, blind_source)
    assert result.history == reference.history
    assert same(result.state, reference.state)


def poisoned(clips: Clips, rows: np.ndarray) -> dict[str, np.ndarray]:
    streams = {name: x.copy() for name, x in clips.streams.items()}
    for x in streams.values():
        x[rows] = np.nan
    return streams


METHODS = {
    "videomae": {"loss", "appearance"},
    "mae_dfer": {"loss", "appearance", "motion"},
}


@pytest.mark.parametrize("name", METHODS)
def test_other_methods_pre_train_in_the_same_stage(name: str, clips: Clips, source: Clips, fold: Fold) -> None:
    settings = method(name, SOURCE, "pretrain.supervised_epochs=2")
    result = pretrain_fold(settings, fold, clips, 0, source)
    assert set(result.history) == {"masked", "supervised"}
    assert set(result.history["masked"]) == METHODS[name]
    blind = dataclasses.replace(clips, streams=poisoned(clips, fold.test))
    blind_source = dataclasses.replace(source, streams=poisoned(source, np.flatnonzero(source.subjects == "s3")))
    assert same(result.state, pretrain_fold(settings, fold, blind, 0, blind_source).state)
    # The encoder goes on, with a classifier for other classes.
    learner = make_learner(settings, clips, "another")
    before = encoder_state(learner.network)
    load_pretrained(learner.network, result.state)
    assert same(encoder_state(learner.network), result.state)
    changed = [key for key, tensor in before.items() if not torch.equal(tensor, result.state[key])]
    assert changed == list(before)
    assert not any("head" in key or "classifier" in key or "norm." in key.removeprefix("blocks") for key in before)


@pytest.mark.parametrize("name", METHODS)
def test_masked_modelling_of_other_methods_learns(name: str, clips: Clips, fold: Fold) -> None:
    settings = method(name, "pretrain.masked_epochs=30", "pretrain.learning_rate=0.01")
    loss = pretrain_fold(settings, fold, clips, 0, None).history["masked"]["loss"]
    assert sum(loss[-3:]) < 0.8 * sum(loss[:3])


def test_a_method_without_pre_training_says_so() -> None:
    shapes = {"texture": (3, 8, 32, 32)}
    (problem,) = check_pretraining(compose(["method=c3d", "pretrain=masked"]), shapes, None)
    assert (
        problem.message
        == "c3d has no pre-training; set pretrain=none, or method to one of madv_net, videomae, mae_dfer"
    )
    whole = ["method=videomae", "method.patch=32", "pretrain=masked"]
    (problem,) = check_pretraining(compose(whole), shapes, None)
    assert problem.message.endswith("set pretrain.masked_epochs=0, or a smaller method.patch")
    (problem,) = check_pretraining(compose([*whole, "method.patch=8", SOURCE]), shapes, {"texture": (3, 8, 64, 64)})
    assert problem.message.startswith("its texture clips are 3 x 8 x 64 x 64, those of dataset 3 x 8 x 32 x 32")


def test_recordings_that_the_data_set_has_too_get_no_labels(clips: Clips, source: Clips, fold: Fold) -> None:
    """The source's second subject is in the data set under another name, with two of its four clips."""
    names = [*(f"smic/{name}" for name in source.manifest["sample_id"][8:10]), *clips.manifest["sample_id"][2:]]
    subjects = ["smic/s11", "smic/s11", *clips.manifest["subject"][2:]]
    shared = dataclasses.replace(clips, manifest=clips.manifest.assign(sample_id=names, subject=subjects))
    fold = Fold(subject="samm/006", train=np.flatnonzero(shared.subjects != "samm/006"), test=fold.test)
    labelled = config(SOURCE, "pretrain.supervised_epochs=1")
    result = pretrain_fold(labelled, fold, shared, 0, source)
    assert result.clips == len(source.labels) - 2
    blind = dataclasses.replace(source, streams=poisoned(source, np.array([8, 9])))
    assert same(result.state, pretrain_fold(labelled, fold, shared, 0, blind).state)


def test_a_pre_training_that_would_do_nothing_is_refused(clips: Clips, fold: Fold) -> None:
    units_alone = config("pretrain.masked_epochs=2", "model.streams.texture=false", "model.streams.depth=false")
    with pytest.raises(DataError, match="the action-unit stream alone has none"):
        pretrain_fold(units_alone, fold, clips, 0, None)
    louder = dataclasses.replace(clips, fingerprint="louder")  # the same recordings, read in another way
    for settings in (config(SOURCE, "pretrain.supervised_epochs=2"), BOTH):
        with pytest.raises(DataError, match="all its recordings are the data set's own"):
            pretrain_fold(settings, fold, clips, 0, louder)


def test_clips_that_are_too_many_to_keep_are_read_batch_by_batch(
    clips: Clips, source: Clips, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = pretrain_fold(BOTH, fold, clips, 0, source)
    monkeypatch.setattr("madv.inputs.WHOLE", 10**5)
    read = pretrain_fold(BOTH, fold, clips, 0, source)
    # Scales are means of means then: the same but for rounding, which Adam makes a step of where a gradient is near 0.
    apart = {name: (kept.state[name].double() - read.state[name].double()).abs().mean() for name in kept.state}
    assert max(apart.values()) < 1e-4
    assert kept.history["masked"]["loss"] == pytest.approx(read.history["masked"]["loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("base", "override"),
    [
        (["model.attention.double=true", "pretrain.masked_epochs=1"], "model.mlp_ratio=2"),
        (["loss.w_au=0", SOURCE, "pretrain.supervised_epochs=1"], "model.au.decoder=full_rank"),
        (["loss.w_au=0", SOURCE, "pretrain.supervised_epochs=1"], "model.au.without_units=none"),
    ],
    ids=["decoders have an MLP", "labels come with the default loss", "and with Eq. 11"],
)
def test_what_pre_training_reads_tells_runs_apart(
    base: list[str], override: str, clips: Clips, source: Clips, fold: Fold
) -> None:
    first, second = config(*base), config(*base, override)
    assert first.meaning() != second.meaning() and encoder_meaning(first) != encoder_meaning(second)
    labelled = source if SOURCE in base else None
    states = [pretrain_fold(one, fold, clips, 0, labelled).state for one in (first, second)]
    assert not same(*states)


def test_pre_training_has_the_precision_of_the_training(
    monkeypatch: pytest.MonkeyPatch, clips: Clips, fold: Fold
) -> None:
    seen = []

    def autocast(train: TrainConfig, device: torch.device) -> torch.autocast:
        seen.append(train.precision)
        return torch.autocast(device.type, enabled=False)

    monkeypatch.setattr("madv.pretrain.autocast", autocast)
    half = config("pretrain.masked_epochs=1", "train.precision=fp16")
    pretrain_fold(half, fold, clips, 0, None)
    assert set(seen) == {"fp16"}
    assert encoder_meaning(half) != encoder_meaning(config("pretrain.masked_epochs=1"))


def test_data_sets_that_do_not_fit_together(clips: Clips, source: Clips, fold: Fold) -> None:
    streams = {"texture": source.streams["texture"], "depth": source.streams["depth"][..., :16]}
    with pytest.raises(DataError) as error:
        pretrain_fold(BOTH, fold, clips, 0, dataclasses.replace(source, streams=streams))
    assert [problem.message.split(":")[0] for problem in error.value.problems] == [
        "its depth clips are 1 x 4 x 32 x 16, those of dataset 1 x 4 x 32 x 32",
        "has no au stream; it has texture and depth",
    ]


def test_a_frame_of_one_token_cannot_be_half_hidden() -> None:
    shapes = {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (3, 8)}
    coarse = "model.tokenizer.stride=[2,16,16]"
    (problem,) = check_pretraining(
        compose(["pretrain=masked", coarse, "model.levels=1", "model.blocks=[1,1,1]"]), shapes, None
    )
    assert problem.message.startswith("a frame of 32 x 32 pixels is a single token")
    assert check_pretraining(compose(["pretrain=masked"]), shapes, shapes) == []


def test_a_source_of_the_held_out_subject_alone(clips: Clips, source: Clips, fold: Fold) -> None:
    manifest = source.manifest.assign(subject="s3")
    with pytest.raises(DataError, match="no two clips of anybody but the held-out subject smic/s03"):
        pretrain_fold(BOTH, fold, clips, 0, dataclasses.replace(source, manifest=manifest))


def test_a_pretrained_encoder_fits_every_variant_that_shares_it(clips: Clips, source: Clips, fold: Fold) -> None:
    state = pretrain_fold(BOTH, fold, clips, 0, source).state
    for overrides in ([], ["loss.w_au=0", "loss.alpha=0"], ["model.dropping.keep=0.5", "model.dropping.by=halting"]):
        net = network(*overrides, key="another")
        heads = {name: tensor.clone() for name, tensor in net.state_dict().items() if name not in state}
        load_pretrained(net, state)
        assert same(encoder_state(net), state)
        assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in heads.items())
        assert {name.split(".")[0] for name in heads} - {"streams"} == {"heads", "attention_mlp", "classifier"} - (
            set() if net.heads else {"heads"}
        )
