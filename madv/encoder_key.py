"""What a pre-trained encoder depends on, and what stands in its way; light, for plans."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from madv.config import Config, LossConfig
from madv.config_method import MethodConfig
from madv.config_model import DroppingConfig, ModelConfig
from madv.errors import Problem
from madv.methods.table import TUBELETS, tubelet
from madv.model.grids import boxes_grid, tokens_grid

OURS = "madv_net"


def encoder_config(config: Config) -> Config:
    """The configuration that a network is pre-trained with: losses and heads, which are thrown away, are the default
    ones, and every token is kept.

    So variants that differ in these alone share one pre-training.
    """
    default = ModelConfig()
    model = dataclasses.replace(config.model, dropping=DroppingConfig(keep=1.0), head_dropout=default.head_dropout)
    plain = MethodConfig()
    method = dataclasses.replace(config.method, own_loss=plain.own_loss, class_mu=plain.class_mu)
    return dataclasses.replace(config, model=model, method=method, loss=LossConfig())


def encoder_meaning(config: Config) -> dict[str, Any]:
    """Everything that pre-trained weights depend on besides data, seed and held-out subject, as plain JSON values.

    Heads, losses and the training that follows are not among it, nor is a setting that is without effect here. The
    data sets enter a key by their fingerprints instead.
    """
    meaning = encoder_config(config).meaning()
    pretrain = meaning["pretrain"]
    if config.pretrain.dataset is None:
        pretrain["supervised_epochs"] = 0
    if not pretrain["masked_epochs"]:
        for name in ("mask_ratio", "target", "motion_weight", "decoder_blocks"):
            pretrain.pop(name, None)
    elif pretrain.get("target", "both") != "both":
        del pretrain["motion_weight"]
    found = {name: meaning[name] for name in ("method", "model", "pretrain") if name in meaning}
    return found | {"precision": config.train.precision}


def check_pretraining(
    config: Config, shapes: Mapping[str, tuple[int, ...]], source: Mapping[str, tuple[int, ...]] | None
) -> list[Problem]:
    """What stands in the way of pre-training, one problem each.

    Args:
        config: streams, tokenizer and pre-training.
        shapes: of one clip of the data set, by stream.
        source: the same of pretrain.dataset; None where there is none.
    """
    method = config.method.name
    if method not in (OURS, *TUBELETS):
        message = f"{method} has no pre-training; set pretrain=none, or method to one of {', '.join((OURS, *TUBELETS))}"
        return [Problem(place="pretrain", message=message)]
    problems = []
    streams = config.reads()
    visual = [name for name in streams if name != "au"]
    if config.pretrain.masked_epochs and visual:
        frames, height, width = shapes[visual[0]][1:]
        if method == OURS:
            grid = tokens_grid((frames, height, width), config.model.tokenizer)
        else:
            grid = boxes_grid((frames, height, width), tubelet(config.method, frames))
        if grid[1:] == (1, 1):
            way = "model.tokenizer.stride or pool_stride" if method == OURS else "method.patch"
            message = (
                f"a frame of {height} x {width} pixels is a single token, which cannot be hidden and seen; "
                f"set pretrain.masked_epochs=0, or a smaller {way}"
            )
            problems.append(Problem(place="pretrain.masked_epochs", message=message))
    if config.pretrain.masked_epochs and not visual:
        message = (
            "masked modelling hides pixels, and the action-unit stream alone has none; set pretrain.masked_epochs=0, "
            "or exclude this variant"
        )
        problems.append(Problem(place="pretrain.masked_epochs", message=message))
    if source is None:
        return problems
    for name in streams:
        here, there = shapes[name], source.get(name)
        if there is None:
            way = f": set model.streams.{name}=false" if method == OURS else ""
            message = f"has no {name} stream; it has {' and '.join(source)}{way}"
            problems.append(Problem(place="pretrain.dataset", message=message))
        elif tuple(there) != tuple(here):
            message = (
                f"its {name} clips are {_times(there)}, those of dataset {_times(here)}: "
                "set frames and size of the two data sets alike"
            )
            problems.append(Problem(place="pretrain.dataset", message=message))
    return problems


def check_source(config: Config, names: tuple[str, ...], source_names: tuple[str, ...], *, own: bool) -> list[Problem]:
    """Whether pretrain.dataset has anything to add.

    Args:
        config: its streams.
        names: action units of the data set.
        source_names: those of pretrain.dataset.
        own: whether all recordings of pretrain.dataset are the data set's own.
    """
    problems = []
    if own:
        message = (
            "all its recordings are the data set's own, which masked modelling sees anyway, and whose labels no "
            "pre-training may see; choose another, or pretrain.dataset=null"
        )
        problems.append(Problem(place="pretrain.dataset", message=message))
    if "au" in config.reads() and names != source_names:
        message = f"its action units are {', '.join(source_names)}, those of dataset {', '.join(names)}"
        problems.append(Problem(place="pretrain.dataset", message=message))
    return problems


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
