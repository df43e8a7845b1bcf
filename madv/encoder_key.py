"""What a pre-trained encoder depends on, and what stands in its way; light, for plans."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from madv.config import Config
from madv.config_model import DroppingConfig, ModelConfig
from madv.errors import Problem
from madv.model.grids import tokens_grid


def encoder_model(model: ModelConfig) -> ModelConfig:
    """The model as it is pre-trained: every token is kept, and the heads, which are thrown away, are the default ones.

    So variants that differ in these alone share one pre-training.
    """
    default = ModelConfig()
    return dataclasses.replace(model, dropping=DroppingConfig(), head_dropout=default.head_dropout)


def encoder_meaning(config: Config) -> dict[str, Any]:
    """Everything that pre-trained weights depend on besides data, seed and held-out subject, as plain JSON values.

    Heads, losses and the training that follows are not among it, nor is a setting that is without effect here. The
    data sets enter a key by their fingerprints instead.
    """
    model = dataclasses.asdict(encoder_model(config.model))
    for name in ("dropping", "head_dropout"):
        del model[name]
    pretrain = dataclasses.asdict(config.pretrain)
    if pretrain.pop("dataset") is None:
        pretrain["supervised_epochs"] = 0
    if not pretrain["masked_epochs"]:
        for name in ("mask_ratio", "target", "motion_weight", "decoder_blocks"):
            del pretrain[name]
    elif pretrain["target"] != "both":
        del pretrain["motion_weight"]
    return {"model": model, "pretrain": pretrain}


def check_pretraining(
    config: Config, shapes: Mapping[str, tuple[int, ...]], source: Mapping[str, tuple[int, ...]] | None
) -> list[Problem]:
    """What stands in the way of pre-training, one problem each.

    Args:
        config: streams, tokenizer and pre-training.
        shapes: of one clip of the data set, by stream.
        source: the same of pretrain.dataset; None where there is none.
    """
    problems = []
    streams = config.model.streams.active()
    visual = [name for name in streams if name != "au"]
    if config.pretrain.masked_epochs and visual:
        frames, height, width = shapes[visual[0]][1:]
        if tokens_grid((frames, height, width), config.model.tokenizer)[1:] == (1, 1):
            message = (
                f"a frame of {height} x {width} pixels is a single token, which cannot be hidden and seen; "
                "set pretrain.masked_epochs=0, or a smaller model.tokenizer.stride or pool_stride"
            )
            problems.append(Problem(place="pretrain.masked_epochs", message=message))
    if source is None:
        return problems
    for name in streams:
        here, there = shapes[name], source.get(name)
        if there is None:
            message = f"has no {name} stream; it has {' and '.join(source)}: set model.streams.{name}=false"
            problems.append(Problem(place="pretrain.dataset", message=message))
        elif tuple(there) != tuple(here):
            message = (
                f"its {name} clips are {_times(there)}, those of dataset {_times(here)}: "
                "set frames and size of the two data sets alike"
            )
            problems.append(Problem(place="pretrain.dataset", message=message))
    return problems


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
