"""What the settings of MADV-Net allow one by one but not together, or not with the clips at hand; light."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import get_args

from madv.config_model import LEVELS, STREAMS, AttentionKind, ModelConfig
from madv.errors import Problem
from madv.model.grids import Grid, level_grids, tokens_grid

Shapes = Mapping[str, tuple[int, ...]]


def contradictions(model: ModelConfig, shapes: Shapes | None) -> list[Problem]:
    """Why a network cannot be built as configured, with the settings that would do.

    Args:
        model: its settings.
        shapes: of one clip by stream, texture (3, T, H, W), depth (1, T, H, W), au (n_au, T); None where they are not
            known yet: then what can be said without them.
    """
    problems = [*_streams(model), *_heads(model), *_dropping(model)]
    if shapes is not None:
        problems += _fits({name: shapes[name] for name in model.streams.active() if name in shapes}, model)
    return problems


def _streams(model: ModelConfig) -> list[Problem]:
    problems = []
    if not model.streams.active():
        choices = ", ".join(f"model.streams.{name}=true" for name in STREAMS)
        problems.append(Problem(place="model.streams", message=f"all streams are off; set one of {choices}"))
    elif model.depth_injection == "channel":
        # Without both there is nothing to inject, or nothing to inject it into.
        for name in ("texture", "depth"):
            if name not in model.streams.active():
                message = (
                    f"channel puts depth into the texture stream, but {name} is off; "
                    f"set model.streams.{name}=true or model.depth_injection=stream"
                )
                problems.append(Problem(place="model.depth_injection", message=message))
    for name in _built(model):
        if getattr(model.attention, name) is None:
            kinds = ", ".join(get_args(AttentionKind))
            message = f"the {name} stream is on without attention; set it to one of {kinds}, or {_off(name)}"
            problems.append(Problem(place=f"model.attention.{name}", message=message))
    return problems


def _heads(model: ModelConfig) -> list[Problem]:
    problems = []
    halved = [name for name in _built(model) if getattr(model.attention, name) == "factorised_dot"]
    for level in range(model.levels):
        name, width, heads = LEVELS[level], model.widths[level], model.heads[level]
        if width % heads:
            near = min((count for count in range(1, width + 1) if width % count == 0), key=lambda n: abs(n - heads))
            message = (
                f"{heads} heads do not divide width {width} of the {name} level; {near} would, or set model.widths"
            )
            problems.append(Problem(place="model.heads", message=message))
        if halved and heads % 2 and model.blocks[level]:
            attention = " and ".join(f"model.attention.{stream}" for stream in halved)
            message = (
                f"{heads} heads of the {name} level: the {' and '.join(halved)} stream needs an even number, half of "
                f"them along time; set another number, or another kind for {attention} (factorised_self, say)"
            )
            problems.append(Problem(place="model.heads", message=message))
    return problems


def _dropping(model: ModelConfig) -> list[Problem]:
    rule = model.dropping
    if rule.keep == 1:
        return []
    problems = []
    if rule.how == "remove" and model.projection.kind == "depthwise":
        message = (
            "a depthwise projection needs the whole grid, so that no token can be removed; "
            "set model.dropping.how=auto or mask, or model.projection.kind=linear"
        )
        problems.append(Problem(place="model.dropping.how", message=message))
    if rule.how == "remove" and rule.by == "halting":
        message = "each clip halts its own number of tokens: they can be masked alone; set it to auto or mask"
        problems.append(Problem(place="model.dropping.how", message=message))
    # Of all levels, also those above model.levels: a sweep over the number of levels keeps its other settings.
    if rule.after >= max(model.blocks):
        message = (
            f"no level has more than {max(model.blocks)} blocks, so that nothing is left to do with fewer tokens "
            f"after {rule.after}; set model.dropping.keep=1, a smaller number here, or more model.blocks"
        )
        problems.append(Problem(place="model.dropping.after", message=message))
    return problems


def _fits(shapes: Shapes, model: ModelConfig) -> list[Problem]:
    """With the clips of the streams that are on."""
    problems = []
    sizes = {name: shapes[name][1:] for name in ("texture", "depth") if name in shapes}
    if model.depth_injection == "channel" and len(set(sizes.values())) > 1:
        message = (
            f"depth clips of {_times(sizes['depth'])} are no channel of texture clips of {_times(sizes['texture'])}; "
            "set model.depth_injection=stream"
        )
        problems.append(Problem(place="model.depth_injection", message=message))
    found: dict[Grid, Problem | None] = {}
    for name, (frames, height, width) in sizes.items():
        # Texture and depth mostly have one shape, and one message.
        found.setdefault((frames, height, width), _grids(name, (frames, height, width), model))
    problems += [problem for problem in found.values() if problem is not None]
    if "au" in shapes and shapes["au"][1] == 1:
        message = (
            f"the clips have one frame, and its difference to itself is always zero; set {_off('au')}, "
            "or more frames a clip"
        )
        problems.append(Problem(place="model.streams.au", message=message))
    return problems


def _grids(name: str, shape: Grid, model: ModelConfig) -> Problem | None:
    """Whether the tokenizer leaves tokens, and each level something to halve."""
    clips = f"{name} clips of {_times(shape)}"
    grid = tokens_grid(shape, model.tokenizer)
    if min(grid) < 1:
        steps = _times(tuple(a * b for a, b in zip(model.tokenizer.stride, model.tokenizer.pool_stride, strict=True)))
        message = (
            f"leaves no token of {clips}; set smaller strides (a token stands for {steps} pixels), or larger clips"
        )
        return Problem(place="model.tokenizer", message=message)
    grids = level_grids(shape, model)
    fitting = next((level for level in range(1, model.levels) if grids[level - 1][1:] == (1, 1)), model.levels)
    if fitting < model.levels:
        message = (
            f"{model.levels} levels are too many for {clips}: after grids of "
            f"{', '.join(_times(grid) for grid in grids[:fitting])} there is nothing left to halve; set "
            f"model.levels={fitting}, smaller strides of model.tokenizer, or larger clips"
        )
        return Problem(place="model.levels", message=message)
    if model.frequency == "bands" and min(shape[1:]) < 2 ** (model.levels - 1):
        message = f"{clips} have no {model.levels} bands; set model.frequency=stages, or larger clips"
        return Problem(place="model.frequency", message=message)
    return None


def _built(model: ModelConfig) -> tuple[str, ...]:
    """The streams that are on and have weights of their own."""
    streams = model.streams
    if model.depth_injection == "channel":
        streams = dataclasses.replace(streams, depth=False)
    return streams.active()


def _off(stream: str) -> str:
    return f"model.streams.{stream}=false"


def _times(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))
