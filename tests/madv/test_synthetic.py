"""Synthetic clips: the planted shares, what each stream can and cannot tell, and that they come out the same."""

from __future__ import annotations

import ast
import dataclasses
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from madv.compose import compose, presets
from madv.config_model import STREAMS
from madv.config_synthetic import Signal, SyntheticConfig
from madv.data import synthetic
from madv.data.action_units import AU_NAMES, CLASSES, EMOTIONS
from madv.data.clips import MANIFEST_COLUMNS
from madv.data.folds import leave_one_subject_out
from madv.data.synthetic_key import SOURCES, cache_key
from madv.errors import ConfigError

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def tiny():
    return synthetic.read(SyntheticConfig())


@pytest.fixture(scope="module")
def several():
    return [synthetic.read(SyntheticConfig(seed=seed)) for seed in SEEDS]


CLEAR = SyntheticConfig(amplitude=2, noise=0.5, clips_per_class=(60, 60, 60))
"""Expressions that a linear probe reads from estimates too."""


@pytest.fixture(scope="module")
def clear():
    return synthetic.read(CLEAR)


def _carriers(clips):
    return np.array(clips.facts["carriers"])


def _change(clips, stream):
    """(N, features): apex less onset; pictures in 16 x 16 blocks, channels averaged."""
    values, rows = clips.streams[stream], np.arange(len(clips.manifest))
    times = clips.manifest["apex"].to_numpy(), clips.manifest["onset"].to_numpy()
    if stream == "au":
        apex, onset = (values[rows, :, time].astype(float) for time in times)
        return apex - onset
    apex, onset = (values[rows, :, time].astype(float).mean(1) for time in times)
    blocks = (apex - onset).reshape(len(rows), 16, apex.shape[1] // 16, 16, apex.shape[2] // 16)
    return blocks.mean((2, 4)).reshape(len(rows), -1)


def _predict(features, clips):
    """A linear probe, leaving one subject out."""
    predicted = np.full(len(features), -1)
    for fold in leave_one_subject_out(clips.subjects):
        probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        probe.fit(features[fold.train], clips.labels[fold.train])
        predicted[fold.test] = probe.predict(features[fold.test])
    return predicted


def test_shapes_and_scales(tiny):
    assert {name: values.shape for name, values in tiny.streams.items()} == {
        "texture": (108, 3, 8, 32, 32),
        "depth": (108, 1, 8, 32, 32),
        "au": (108, 14, 8),
    }
    assert tuple(tiny.manifest.columns) == MANIFEST_COLUMNS
    assert tiny.manifest["sample_id"].is_unique
    assert (tiny.manifest["onset"] < tiny.manifest["apex"]).all()
    assert (tiny.manifest["apex"] < tiny.manifest["offset"]).all()
    for values in tiny.streams.values():
        assert np.isfinite(values).all()
        assert abs(values.astype(float).mean()) < 0.5
        assert 0.1 < values.astype(float).std() < 2


def test_the_same_settings_give_the_same_clips(tiny):
    again = synthetic.read(SyntheticConfig())
    assert again.fingerprint == tiny.fingerprint
    assert all((again.streams[name] == tiny.streams[name]).all() for name in STREAMS)
    assert synthetic.read(SyntheticConfig(seed=1)).fingerprint != tiny.fingerprint


def test_tiny_is_balanced(tiny):
    labels, subjects, carriers = tiny.labels, tiny.subjects, _carriers(tiny)
    assert len(set(subjects)) == 12
    for subject in set(subjects):
        assert np.bincount(labels[subjects == subject]).tolist() == [3, 3, 3]
    # .45, .20 and .35 of 108 are 48.6, 21.6 and 37.8.
    assert [int((carriers == name).sum()) for name in STREAMS] == [49, 21, 38]


def test_ceilings_by_hand():
    each_its_own = {name: {name} for name in STREAMS}
    ceilings = synthetic.ceilings({"texture": 0.45, "depth": 0.20, "au": 0.35}, 3, each_its_own)
    assert ceilings == pytest.approx(
        {
            "texture": 0.45 + 0.55 / 3,
            "depth": 0.20 + 0.80 / 3,
            "au": 0.35 + 0.65 / 3,
            "texture+depth": 0.65 + 0.35 / 3,
            "texture+au": 0.80 + 0.20 / 3,
            "depth+au": 0.55 + 0.45 / 3,
            "texture+depth+au": 1,
        }
    )


@pytest.mark.parametrize(
    ("source", "stream", "carries"),
    [
        ({"depth": "per_frame"}, "depth", "depth"),
        ({"depth": "luminance"}, "depth", "texture"),
        ({"depth": "zero"}, "depth", None),
        ({"depth": "shuffled"}, "depth", None),
        ({"au": "flow"}, "au", "texture"),
    ],
)
def test_a_source_tells_what_it_is_made_from_and_leaves_the_other_streams_alone(clear, source, stream, carries):
    clips = synthetic.read(dataclasses.replace(CLEAR, **source))
    for name in {*STREAMS} - {stream}:
        assert (clips.streams[name] == clear.streams[name]).all()
    assert clips.au_targets.shape[1] == clips.streams["au"].shape[1] == len(clips.au_names)
    right = _predict(_change(clips, stream), clips) == clips.labels
    for carrier in STREAMS:
        share, clips_of = right[_carriers(clips) == carrier].mean(), (_carriers(clips) == carrier).sum()
        chance = abs(share - 1 / 3) < 3 * np.sqrt(2 / 9 / clips_of)
        assert share > 0.6 if carrier == carries else chance, (carrier, share)
    known = (_carriers(clips) == carries).mean()
    assert clips.facts["ceilings"][stream] == pytest.approx(known + (1 - known) / 3)


def test_sampling_stretches_the_times_over_the_clip():
    # Onset 0, apex 4 and offset 7 of 8 frames; from onset to apex, 7 frames of time become 4.
    uniform, whole, rise = (
        synthetic.make_design(SyntheticConfig(sampling=name)) for name in ("uniform", "onset_offset", "onset_apex")
    )
    last = SyntheticConfig().frames - 1
    assert set(whole.onset) == set(rise.onset) == {0}
    assert set(whole.offset) == set(rise.apex) == {last}
    length, rising = uniform.offset - uniform.onset, uniform.apex - uniform.onset
    assert (whole.apex == np.rint(rising * last / length)).all()
    assert (rise.offset == np.rint(length * last / rising)).all()
    clips = synthetic.read(SyntheticConfig(sampling="onset_apex", noise=0, signal=Signal(texture=0, depth=0, au=1)))
    intensities = clips.streams["au"].astype(float).max(1)  # (N, T) of the strongest unit: it only rises
    assert (np.diff(intensities, axis=1) >= 0).all()
    assert (intensities[:, -1] > 0).all()


def test_the_facts_hold_the_ceilings_of_the_planted_shares(tiny):
    ceilings = tiny.facts["ceilings"]
    assert ceilings["texture"] == pytest.approx(49 / 108 + 59 / 108 / 3)
    assert ceilings["texture+depth+au"] == pytest.approx(1)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_tells_the_label_of_what_it_carries_and_of_nothing_else(several, stream):
    carried, others, pooled, ceilings = [], [], [], []
    for clips in several:
        right = _predict(_change(clips, stream), clips) == clips.labels
        carries = _carriers(clips) == stream
        carried += right[carries].tolist()
        others += right[~carries].tolist()
        pooled += right.tolist()
        ceilings.append(clips.facts["ceilings"][stream])
    assert np.mean(carried) >= 0.95
    assert np.mean(pooled) == pytest.approx(np.mean(ceilings), abs=0.05)
    # Chance is 1/3; three standard deviations of as many guesses.
    assert abs(np.mean(others) - 1 / 3) < 3 * np.sqrt(2 / 9 / len(others))


def test_a_stream_is_still_where_another_carries(several):
    for clips in several:
        carriers = _carriers(clips)
        for stream in STREAMS:
            size = np.abs(_change(clips, stream)).max(1)
            assert np.median(size[carriers == stream]) > 2 * np.median(size[carriers != stream])


@pytest.mark.parametrize("stream", ["texture", "depth"])
def test_the_mean_of_the_apex_does_not_tell_the_label(several, stream):
    # One number a clip: enough if an expression made the whole picture darker or nearer. Even of the clips that the
    # stream carries, where a look at the pixels is right every time, it tells little more than chance.
    right = []
    for clips in several:
        rows = np.flatnonzero(_carriers(clips) == stream)
        apex = clips.streams[stream][rows, :, clips.manifest["apex"].to_numpy()[rows]]
        mean = apex.astype(float).reshape(len(rows), -1).mean(1, keepdims=True)
        labels = clips.labels[rows]
        for fold in leave_one_subject_out(clips.subjects[rows]):
            probe = LinearDiscriminantAnalysis().fit(mean[fold.train], labels[fold.train])
            right += (probe.predict(mean[fold.test]) == labels[fold.test]).tolist()
    assert np.mean(right) < 0.55


def test_an_amplitude_of_zero_shows_nothing():
    clips = synthetic.read(SyntheticConfig(amplitude=0))
    right = np.mean([(_predict(_change(clips, name), clips) == clips.labels).mean() for name in STREAMS])
    assert right < 0.45


def test_without_noise_a_still_stream_is_still():
    clips = synthetic.read(SyntheticConfig(noise=0))
    for stream, values in clips.streams.items():
        still = values[_carriers(clips) != stream].astype(float)
        assert np.ptp(still, axis=2).max() == 0


def test_texture_does_not_leak_depth():
    # The same clips without noise: what depth carries is not to be seen in texture, not even by shading.
    clips = synthetic.read(SyntheticConfig(noise=0, signal=Signal(texture=0, depth=1, au=0)))
    texture = clips.streams["texture"].astype(float)
    assert np.ptp(texture, axis=2).max() == 0
    assert np.ptp(clips.streams["depth"].astype(float), axis=2).max() > 0.1


def test_targets_are_the_action_units_that_the_au_stream_shows(tiny):
    carried = _carriers(tiny) == "au"
    assert not tiny.au_targets[~carried].any()
    for row in np.flatnonzero(carried):
        shown = {AU_NAMES[unit] for unit in np.flatnonzero(tiny.au_targets[row])}
        assert shown == {display.action_unit for display in EMOTIONS[tiny.manifest["emotion"][row]]}


def test_table_1():
    units = {emotion: sorted(int(d.action_unit[2:]) for d in EMOTIONS[emotion]) for emotion in EMOTIONS}
    table = {
        "happiness": [6, 12],
        "sadness": [1, 4, 15],
        "surprise": [1, 2, 5, 26],
        "fear": [1, 2, 4, 5, 7, 20, 26],
        "anger": [4, 5, 7, 23],
        "disgust": [9, 15, 16],
        "contempt": [12, 14],
    }
    assert {emotion: units[emotion] for emotion in table} == table
    assert len({tuple(shown) for shown in units.values()}) == len(units)
    assert {emotion for emotions in CLASSES.values() for emotion in emotions} == set(EMOTIONS)


def test_contempt_is_on_the_right_side_only():
    settings = {"classes": ("contempt", "happiness"), "clips_per_class": (6, 6), "subjects": 2, "noise": 0.0}
    clips = synthetic.read(SyntheticConfig(**settings, signal=Signal(texture=0, depth=1, au=0)))
    size = np.ptp(clips.streams["depth"].astype(float)[:, 0], axis=1)  # (N, H, W)
    left, right = size[:, :, :14].max((1, 2)), size[:, :, -14:].max((1, 2))
    contempt = clips.labels == 0
    # The person's right is on the left of the picture.
    assert (left[contempt] > 10 * right[contempt]).all()
    assert (left[~contempt] < 2 * right[~contempt]).all()


PUBLISHED = {
    "casme2_like": (26, {"happiness": 32, "repression": 27, "surprise": 25, "disgust": 63, "others": 99}),
    "samm_like": (
        29,
        {
            "anger": 57,
            "others": 26,
            "happiness": 26,
            "surprise": 15,
            "contempt": 12,
            "disgust": 9,
            "fear": 8,
            "sadness": 6,
        },
    ),
    "smic_like": (16, {"negative": 70, "positive": 51, "surprise": 43}),
    "casme_sq_like": (14, {"negative": 21, "others": 19, "surprise": 9, "positive": 8}),
    "synthetic": (12, {"happiness": 36, "surprise": 36, "disgust": 36}),
}


def test_every_preset_is_checked_here():
    rendered = {name for name in presets("dataset") if compose([f"dataset={name}"]).dataset.kind == "synthetic"}
    assert rendered == {*PUBLISHED, "tiny"}


def test_the_default_goes_by_the_name_tiny_too():
    assert compose(["dataset=tiny"]) == compose(["dataset=synthetic"])


@pytest.mark.parametrize("preset", PUBLISHED)
def test_a_preset_has_the_published_counts_and_even_carriers(preset):
    config = compose([f"dataset={preset}"]).dataset
    subjects, counts = PUBLISHED[preset]
    design = synthetic.make_design(config)
    assert dict(zip(config.classes, np.bincount(design.label).tolist(), strict=True)) == counts
    sizes = np.bincount(design.subject)
    assert len(sizes) == subjects == config.subjects
    if config.clips_per_subject is not None:
        assert sizes.tolist() == list(config.clips_per_subject)
    shares = np.array([0.45, 0.20, 0.35])
    for group in (design.label, design.subject):
        table = np.zeros((group.max() + 1, 3))
        np.add.at(table, (group, design.carrier), 1)
        assert np.abs(table - table.sum(1, keepdims=True) * shares).max() < 1


@given(
    counts=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    shares=st.sampled_from([(0.45, 0.2, 0.35), (1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (1 / 3, 1 / 3, 1 / 3)]),
    subjects=st.integers(2, 5),
)
@settings(max_examples=40, deadline=None)
def test_the_totals_are_exact_whatever_the_shares(counts, shares, subjects):
    config = SyntheticConfig(
        subjects=min(subjects, sum(counts)),
        classes=("happiness", "surprise", "disgust", "anger")[: len(counts)],
        clips_per_class=tuple(counts),
        signal=Signal(texture=shares[0], depth=shares[1], au=shares[2]),
    )
    design = synthetic.make_design(config)
    assert np.bincount(design.label).tolist() == counts
    assert np.ptp(np.bincount(design.subject)) <= 1
    totals = np.bincount(design.carrier, minlength=3)
    assert np.abs(totals - np.array(shares) * sum(counts)).max() < 1
    assert not totals[np.array(shares) == 0].any()


def test_the_cache_key_covers_every_module_that_makes_clips():
    for name in SOURCES:
        tree = ast.parse(files("madv.data").joinpath(name).read_text(encoding="utf-8"))
        used = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        modules = {f"{m.rpartition('.')[2]}.py" for m in used if m.startswith("madv.data.")} - {"clips.py"}
        assert modules <= set(SOURCES)


def test_the_cache_key_tells_settings_apart():
    config = SyntheticConfig()
    assert cache_key(config) == cache_key(SyntheticConfig())
    assert cache_key(config) != cache_key(dataclasses.replace(config, seed=1))


@pytest.mark.parametrize(
    ("overrides", "messages"),
    [
        (["dataset.signal.texture=0.5"], ["the shares of texture, depth and au must add up to 1; they add up to 1.05"]),
        (["dataset.classes=[happiness,surprize,disgust]"], ["unknown emotion 'surprize'; did you mean 'surprise'?"]),
        (["dataset.classes=[happiness,surprise]"], ["2 classes (happiness, surprise) need 2 numbers of clips"]),
        (["dataset.classes=[positive,happiness,fear]"], ["classes 'positive' and 'happiness' would both show happin"]),
        (["dataset.subjects=200"], ["108 clips are too few for 200 subjects"]),
        (["dataset.clips_per_subject=[50,58]"], ["12 subjects need 12 numbers of clips"]),
        (
            ["dataset.subjects=2", "dataset.clips_per_subject=[50,50]"],
            ["must add up to the 100 clips of dataset.clips_p"],
        ),
        (["dataset.frames=1", "dataset.size=8"], ["dataset.frames", "dataset.size"]),
    ],
)
def test_settings_that_do_not_hold(overrides, messages):
    with pytest.raises(ConfigError) as caught:
        compose(overrides)
    problems = [str(problem) for problem in caught.value.problems]
    assert len(problems) == len(messages)
    for problem, message in zip(problems, messages, strict=True):
        assert message in problem
        assert "\n" not in problem
