"""Pre-training: what is hidden stays hidden, the held-out subject is never seen, weights arrive where they belong."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from madv.compose import compose, presets
from madv.config import Config, PretrainConfig
from madv.data.clips import Clips
from madv.data.folds import Fold, leave_one_subject_out
from madv.data.identity import subject_identity
from madv.encoder_key import check_pretraining, encoder_meaning
from madv.errors import DataError
from madv.learners import make_learner
from madv.model.network import MADVNet, initialise
from madv.model.reconstruction import Reconstruction, boxes, draw_tubes, frame_differences, objectives
from madv.pretrain import pretrain_fold
from madv.pretrained import Pretrained, PretrainedError, decode, encode, encoder_state, load_pretrained

TINY = [
    "model=madv_tiny",
    "model.widths=[8,8,8]",
    "model.heads=[2,2,2]",
    "model.blocks=[1,2,1]",
    "pretrain.batch_size=12",
    "pretrain.mask_ratio=0.5",
    "pretrain.decoder_blocks=1",
]
SHAPES = {"texture": (3, 4, 32, 32), "depth": (1, 4, 32, 32), "au": (3, 4)}


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


def config(*overrides: str) -> Config:
    return compose([*TINY, *overrides])


def network(*overrides: str, key: str = "0/s1") -> MADVNet:
    settings = config(*overrides)
    net = MADVNet(settings.model, settings.loss, SHAPES, 2)
    initialise(net, key)
    return net


# What is hidden, and what is rebuilt


@pytest.mark.parametrize(("ratio", "hidden"), [(0.9, 11), (0.5, 6), (0.01, 1), (0.999, 11)])
def test_every_clip_hides_its_share_of_tubes_and_leaves_one(ratio: float, hidden: int) -> None:
    mask = draw_tubes(50, (2, 3, 4), ratio, np.random.default_rng(0))
    assert mask.shape == (50, 3, 4)
    assert set(mask.sum(axis=(1, 2))) == {hidden}
    assert len({clip.tobytes() for clip in mask}) > 1


BY_HAND = dataclasses.replace(
    compose(["model=madv_tiny"]).model.tokenizer,
    kernel=(1, 1, 1),
    stride=(2, 1, 2),
    pool=(1, 1, 1),
    pool_stride=(1,) * 3,
)


def by_hand(config: PretrainConfig) -> tuple[Reconstruction, torch.Tensor, torch.Tensor]:
    """One clip of two frames, two rows and four columns; a token's box is both frames of two neighbours in a row."""
    model = dataclasses.replace(compose(["model=madv_tiny"]).model, tokenizer=BY_HAND)
    half = Reconstruction((1, 2, 2, 4), model, config, motion_unit=2.0)
    clip = torch.zeros(1, 1, 2, 2, 4)
    clip[0, 0, :, 0, :2] = torch.tensor([1.0, 3.0])  # at rest: normalised (-1, 1), no differences
    clip[0, 0, 1, 1, 2:] = 2.0  # from 0 to 2: normalised (-1, 1) along time, differences (0, 2)
    clip[0, 0, :, 0, 2:] = 7.0
    return half, clip, torch.tensor([[[True, False], [False, True]]])


def test_the_loss_by_hand() -> None:
    half, clip, mask = by_hand(PretrainConfig(motion_weight=0.25))
    appearance, motion = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    appearance[0, 3] = torch.tensor([-1.0, -1.0, 1.0, 1.0])  # right; the first box is off by 1 everywhere
    motion[0, 0] = 0.5  # off by .5; the last box is off by 0, 0, 1, 1
    appearance[0, 1:3], motion[0, 1:3] = torch.nan, torch.nan  # boxes in sight do not count
    losses = half.losses({"appearance": appearance, "motion": motion}, clip, mask)
    assert losses["appearance"].item() == pytest.approx((1 + 0) / 2, abs=1e-5)
    assert losses["motion"].item() == pytest.approx((0.25 + 0.5) / 2)
    assert losses["loss"].item() == pytest.approx(0.75 * 0.5 + 0.25 * 0.375, abs=1e-5)


def test_boxes_lie_where_their_tokens_lie() -> None:
    half, clip, _ = by_hand(PretrainConfig())
    # (frame, row, column) inside a box; boxes by row, then column.
    found = boxes(clip, half.grid, half.box)
    assert found[0, :, 0].tolist() == [[1, 3, 1, 3], [7, 7, 7, 7], [0, 0, 0, 0], [0, 0, 2, 2]]


def test_hiding_replaces_all_pixels_of_hidden_boxes_and_no_others() -> None:
    half, clip, mask = by_hand(PretrainConfig())
    torch.nn.init.constant_(half.mask_token, 9.0)
    hidden = half.hide(clip, mask)
    assert hidden[0, 0, 0].tolist() == [[9, 9, 7, 7], [0, 0, 9, 9]]
    assert hidden[0, 0, 1].tolist() == [[9, 9, 7, 7], [0, 0, 9, 9]]


def test_differences_start_at_zero() -> None:
    clip = torch.tensor([1.0, 4.0, 2.0]).view(1, 1, 3, 1, 1)
    assert frame_differences(clip).flatten().tolist() == [0, 3, -2]


@pytest.mark.parametrize(
    ("target", "frames", "expected"),
    [
        ("both", 8, {"appearance": 0.7, "motion": 0.3}),
        ("appearance", 8, {"appearance": 1.0}),
        ("motion", 8, {"motion": 1.0}),
        ("both", 1, {"appearance": 1.0}),
        ("motion", 1, {"appearance": 1.0}),
    ],
)
def test_a_single_frame_has_no_motion_to_rebuild(target: str, frames: int, expected: dict[str, float]) -> None:
    weights = objectives(PretrainConfig(target=target, motion_weight=0.3), frames)  # type: ignore[arg-type]
    assert weights == pytest.approx(expected)


VARIANTS = {
    "default": [],
    "one level": ["model.levels=1"],
    "two levels, concatenated": ["model.levels=2", "model.fusion=concatenated"],
    "last": ["model.fusion=last"],
    "weighted": ["model.fusion=weighted"],
    "bands": ["model.frequency=bands"],
    "tubelet": ["model.tokenizer.kind=tubelet"],
    "channel": ["model.depth_injection=channel"],
    "factorised encoder": ["model.attention.texture=factorised_encoder"],
}


def masked_modelling(overrides: list[str]) -> tuple[torch.nn.Module, Reconstruction, torch.Tensor]:
    """The texture stream of a variant, its reconstruction, and clips for it."""
    settings, net = config(*overrides), network(*overrides)
    shape = (4 if settings.model.depth_injection == "channel" else 3, 4, 32, 32)
    half = Reconstruction(shape, settings.model, settings.pretrain, 1.0)
    initialise(half, "0/s1")
    return net.streams["texture"], half, torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_hidden_reaches_the_encoder_and_every_level_learns(variant: str) -> None:
    stream, half, clip = masked_modelling(VARIANTS[variant])
    mask = torch.from_numpy(draw_tubes(6, half.grid, 0.5, np.random.default_rng(0)))
    clip.requires_grad_()
    rebuilt = half(stream.grids(half.hide(clip, mask))[1])
    half.losses(rebuilt, clip.detach(), mask)["loss"].backward()
    seen = clip.grad.abs().sum(dim=(1, 2))  # (B, H, W)
    pixels = mask.repeat_interleave(8, 1).repeat_interleave(8, 2)
    assert not seen[pixels].any()
    assert seen[~pixels].any()
    assert [name for name, p in half.named_parameters() if p.grad is None or not p.grad.any()] == []
    idle = {name.split(".")[0] for name, p in stream.named_parameters() if p.grad is None or not p.grad.any()}
    assert {name.split("_")[0] for name in idle} <= {
        "project",
        "convolution",
    }  # the read-outs to vectors have no part in it


def test_a_flow_image_is_rebuilt_from_what_is_left_of_it() -> None:
    settings = compose(["model=madv_flow"])
    half = Reconstruction((3, 1, 28, 28), settings.model, settings.pretrain, 1.0)
    assert half.grid == (1, 7, 7)
    assert half.box == (1, 4, 4)
    assert set(half.rebuild) == {"appearance"}


# Whole folds


MASKED = config("pretrain.masked_epochs=2")
SOURCE = "pretrain.dataset=smic_like"
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


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


METHODS = {
    "videomae": {"loss", "appearance"},
    "mae_dfer": {"loss", "appearance", "motion"},
}


def method(name: str, *overrides: str) -> Config:
    sizes = ("method.width=16", "method.blocks=2", "method.patch=8")
    return config(f"method={name}", *sizes, "pretrain.masked_epochs=2", *overrides)


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


def test_a_source_that_is_the_data_set_itself_gets_no_labels(clips: Clips, fold: Fold) -> None:
    result = pretrain_fold(BOTH, fold, clips, 0, clips)
    assert set(result.history) == {"masked"}
    assert same(result.state, pretrain_fold(MASKED, fold, clips, 0, None).state)


def test_a_pre_training_that_would_do_nothing_is_refused(clips: Clips, fold: Fold) -> None:
    units_alone = config("pretrain.masked_epochs=2", "model.streams.texture=false", "model.streams.depth=false")
    with pytest.raises(DataError, match="the action-unit stream alone has none"):
        pretrain_fold(units_alone, fold, clips, 0, None)
    louder = dataclasses.replace(clips, fingerprint="louder")  # the same recordings, read in another way
    with pytest.raises(DataError, match="its recordings are the data set's own"):
        pretrain_fold(config(SOURCE, "pretrain.supervised_epochs=2"), fold, clips, 0, louder)


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


# Who is who, and what shares a pre-training


def test_one_person_has_one_identity_in_a_composite_and_in_its_data_set() -> None:
    rows = [
        ("composite", "smic/s03"), ("smic", "s3"), ("SMIC-HS", "3"),
        ("samm", "samm/006"), ("SAMM", "6"),
        ("CASME-II", "sub01"), ("casme2", "01"), ("CAS(ME)^2", "s01"), ("casme_sq", "s1"),
        ("mine", "Anna"), ("mine", "anna"), ("mine", "bo2b"),
    ]  # fmt: skip
    manifest = pd.DataFrame(rows, columns=["dataset", "subject"])
    assert subject_identity(manifest).tolist() == [
        "smic/3", "smic/3", "smic/3",
        "samm/6", "samm/6",
        "casme2/1", "casme2/1", "casmesq/1", "casmesq/1",
        "mine/anna", "mine/anna", "mine/bo2b",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "override",
    [
        "loss.alpha=0",
        "loss.w_au=0",
        "model.head_dropout=0",
        "model.dropping.keep=0.5",
        "train.epochs=3",
        "pretrain.decoder_blocks=3",
    ],
)
def test_what_the_encoder_does_not_depend_on_is_shared(override: str) -> None:
    labelled = (SOURCE, "pretrain.supervised_epochs=1")
    assert encoder_meaning(config(override, *labelled)) == encoder_meaning(config(*labelled))


def test_what_a_method_does_not_read_does_not_tell_its_pre_trainings_apart() -> None:
    reference = encoder_meaning(method("mae_dfer"))
    for override in ("method.class_mu=1", "model.levels=2", "pretrain.target=motion", "pretrain.motion_weight=0.9"):
        assert encoder_meaning(method("mae_dfer", override)) == reference
    for override in ("method.width=32", "pretrain.decoder_blocks=3"):
        assert encoder_meaning(method("mae_dfer", override)) != reference


@pytest.mark.parametrize(
    "override",
    ["model.levels=2", "model.au.sampled=true", "pretrain.mask_ratio=0.75", "pretrain.supervised_epochs=3"],
)
def test_what_the_encoder_depends_on_is_not(override: str) -> None:
    overrides = [*TINY, SOURCE, "pretrain.masked_epochs=1"]
    assert encoder_meaning(compose([*overrides, override])) != encoder_meaning(compose(overrides))


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


def test_weights_of_another_network_are_refused() -> None:
    state = encoder_state(network())
    with pytest.raises(PretrainedError) as error:
        load_pretrained(network("model.streams.au=false", "model.mlp_ratio=2"), state)
    messages = [str(problem) for problem in error.value.problems]
    assert "streams.au.unit: is pre-trained, but not in this network" in messages
    assert any(message.endswith("is (16,) here and (8,) in the pre-trained weights") for message in messages)


def test_a_pretrained_encoder_as_bytes() -> None:
    state = {"streams.a": torch.tensor([[1.5, -2.0]]), "streams.n": torch.tensor(7), "fuse_b": torch.zeros(0, 3)}
    history = {"masked": {"loss": [1.0, 0.1 + 0.2]}}
    stored = encode(Pretrained(state=state, history=history, seconds=1.25, clips=12))
    read = decode(stored, "file")
    assert (read.history, read.seconds, read.clips) == (history, 1.25, 12)
    assert same(read.state, state)
    flipped = bytearray(stored)
    flipped[-3] ^= 1
    with pytest.raises(PretrainedError, match=r"^file: was altered after it was written; delete it"):
        decode(bytes(flipped), "file")
    for broken in (stored[:-1], stored[:20], b"", b"PAR1" * 9):
        with pytest.raises(PretrainedError, match=r"^file: was cut off or is no pre-trained encoder of ours"):
            decode(broken, "file")


@pytest.mark.parametrize("preset", presets("pretrain"))
def test_every_preset_says_what_it_does(preset: str) -> None:
    pretrain = compose([f"pretrain={preset}"]).pretrain
    assert pretrain.active() == (preset != "none")
    assert (pretrain.dataset is None) == (pretrain.supervised_epochs == 0)
