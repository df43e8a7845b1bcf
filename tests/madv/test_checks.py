"""What contradicts itself is refused before training, with the settings that would do."""

import subprocess
import sys

import pytest

from madv.compose import compose, presets
from madv.config import Config
from madv.errors import ConfigError
from madv.model.checks import Shapes, contradictions

CLIPS: Shapes = {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (5, 8)}
FLOW: Shapes = {"texture": (3, 1, 28, 28)}


def refused(*overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compose(["model=madv_tiny", *overrides])
    return [str(problem) for problem in caught.value.problems]


def misfits(shapes: Shapes, *overrides: str) -> list[str]:
    return [str(problem) for problem in contradictions(compose(["model=madv_tiny", *overrides]).model, shapes)]


NO_DEPTH, NO_AU = "model.streams.depth=false", "model.streams.au=false"
LINEAR, DROP = "model.projection.kind=linear", "model.dropping.keep=0.7"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.streams={texture: false, depth: false, au: false}"],
            "model.streams: all streams are off; set one of model.streams.texture=true, model.streams.depth=true, "
            "model.streams.au=true",
        ),
        (
            ["model.depth_injection=channel", NO_DEPTH],
            "model.depth_injection: channel puts depth into the texture stream, but depth is off; "
            "set model.streams.depth=true or model.depth_injection=stream",
        ),
        (
            ["model.attention.depth=null"],
            "model.attention.depth: the depth stream is on without attention; set it to one of joint, factorised_self, "
            "factorised_dot, factorised_encoder, or model.streams.depth=false",
        ),
        (
            ["model.heads=[6,2,4]"],
            "model.heads: 6 heads do not divide width 16 of the low level; 4 would, or set model.widths",
        ),
        (
            ["model.heads=[2,1,4]", "model.attention.texture=factorised_dot"],
            "model.heads: 1 heads of the mid level: the texture and au stream needs an even number, half of them along "
            "time; set another number, or another kind for model.attention.texture and model.attention.au "
            "(factorised_self, say)",
        ),
        (
            [DROP, "model.blocks=[1,2,2]", "model.dropping.how=remove"],
            "model.dropping.how: a depthwise projection needs the whole grid, so that no token can be removed; "
            "set model.dropping.how=auto or mask, or model.projection.kind=linear",
        ),
        (
            [DROP, "model.blocks=[1,2,2]", "model.dropping.how=remove", LINEAR, "model.dropping.by=halting"],
            "model.dropping.how: each clip halts its own number of tokens: they can be masked alone; "
            "set it to auto or mask",
        ),
        (
            [DROP, "model.dropping.after=3", "model.blocks=[1,2,3]"],
            "model.dropping.after: no level has more than 3 blocks, so that nothing is left to do with fewer tokens "
            "after 3; set model.dropping.keep=1, a smaller number here, or more model.blocks",
        ),
    ],
)
def test_settings_that_contradict_each_other(overrides: list[str], message: str) -> None:
    assert refused(*overrides) == [message]


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.heads=[2,1,4]", "model.attention.au=joint"],
        ["model.heads=[2,1,4]", NO_AU],
        ["model.heads=[2,2,5]", "model.levels=2"],
        ["model.heads=[1,2,4]"],  # the low level of the preset has no block that could halve its heads
        ["model.attention.depth=null", NO_DEPTH],
        ["model.attention.depth=null", "model.depth_injection=channel"],
        ["model.dropping.how=remove"],
        [DROP, "model.blocks=[1,2,2]"],
        [DROP, "model.blocks=[1,2,2]", "model.levels=1"],
        [DROP, "model.blocks=[1,2,2]", "model.dropping.how=remove", LINEAR],
    ],
)
def test_what_is_not_built_contradicts_nothing(overrides: list[str]) -> None:
    assert misfits(CLIPS, *overrides) == []


def test_all_problems_at_once() -> None:
    found = refused("model.heads=[3,1,4]", "model.attention.texture=null", "train.min_learning_rate=1")
    places = ["model.attention.texture", "model.heads", "model.heads", "train.min_learning_rate"]
    assert sorted(line.partition(": ")[0] for line in found) == places


@pytest.mark.parametrize(
    ("shapes", "overrides", "message"),
    [
        (
            {"texture": (3, 8, 16, 16), "depth": (1, 8, 16, 16)},
            [],
            "model.levels: 3 levels are too many for texture clips of 8 x 16 x 16: after grids of 4 x 2 x 2, 4 x 1 x 1 "
            "there is nothing left to halve; set model.levels=2, smaller strides of model.tokenizer, or larger clips",
        ),
        (
            {"texture": (3, 8, 8, 8)},
            ["model.levels=2"],
            "model.levels: 2 levels are too many for texture clips of 8 x 8 x 8: after grids of 4 x 1 x 1 there is "
            "nothing left to halve; set model.levels=1, smaller strides of model.tokenizer, or larger clips",
        ),
        (
            {"depth": (1, 8, 32, 6)},
            ["model.tokenizer.kind=tubelet"],
            "model.tokenizer: leaves no token of depth clips of 8 x 32 x 6; set smaller strides (a token stands for "
            "2 x 8 x 8 pixels), or larger clips",
        ),
        (
            {"texture": (3, 8, 32, 32), "depth": (1, 4, 32, 32)},
            ["model.depth_injection=channel"],
            "model.depth_injection: depth clips of 4 x 32 x 32 are no channel of texture clips of 8 x 32 x 32; "
            "set model.depth_injection=stream",
        ),
        (
            {"texture": (3, 8, 2, 32)},
            ["model.frequency=bands", "model.tokenizer.pool_stride=[1,1,1]"],
            "model.frequency: texture clips of 8 x 2 x 32 have no 3 bands; set model.frequency=stages, or larger clips",
        ),
        (
            {"au": (5, 1)},
            [],
            "model.streams.au: the clips have one frame, and its difference to itself is always zero; "
            "set model.streams.au=false, or more frames a clip",
        ),
    ],
)
def test_clips_that_do_not_fit(shapes: Shapes, overrides: list[str], message: str) -> None:
    assert misfits(shapes, *overrides) == [message]


def test_one_level_takes_any_clip_that_leaves_a_token() -> None:
    assert misfits({"texture": (3, 1, 1, 1)}, "model.levels=1") == []


@pytest.mark.parametrize("preset", presets("model"))
def test_presets_fit_their_clips(preset: str) -> None:
    config: Config = compose([f"model={preset}"])
    assert contradictions(config.model, FLOW if preset == "madv_flow" else CLIPS) == []


def test_a_plan_needs_no_torch_for_it() -> None:
    code = "import sys, madv.model.checks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
