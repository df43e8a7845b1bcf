"""Whether a configuration and its data set go together, asked before anything trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from madv.config import Config
from madv.encoder_key import check_pretraining, check_source
from madv.errors import Problem
from madv.methods.table import misfits as method_misfits
from madv.model.checks import contradictions

if TYPE_CHECKING:
    from madv.config_data import DatasetConfig
    from madv.data.dataset_facts import DatasetFacts

Shapes = Mapping[str, tuple[int, ...]]
"""Of one clip by stream: texture (C, T, H, W), depth (1, T, H, W), au (n_au, T)."""
Describe = Callable[["DatasetConfig"], "DatasetFacts"]
"""Settings of a data set to what there is to know of it: madv.data.cache.describe with its folder."""


def misfits(config: Config, describe: Describe) -> list[Problem]:
    """What the data sets do not have and the network needs, each with the settings that would do.

    Args:
        config: checked by compose.
        describe: called for the data set and, where there is one, that of the pre-training.
    """
    from madv.data.dataset_facts import check_streams

    facts, source = describe(config.dataset), None
    if config.pretrain.active() and config.pretrain.dataset is not None:
        source = describe(config.pretrain.dataset)
    ours = config.method.name == "madv_net"
    # The data set's own words first: it knows which setting of its own would bring a stream in.
    problems = check_streams(facts, config.model.streams) if ours else []
    problems = problems or shape_misfits(config, facts.streams)
    if not problems and config.pretrain.active():
        problems = check_pretraining(config, facts.streams, None if source is None else source.streams)
        if source is not None:
            own = set(source.recordings) <= set(facts.recordings)
            problems += check_source(config, facts.au_names, source.au_names, own=own)
    if ours and config.model.streams.au and config.model.au.source == "annotated":
        problems += [
            Problem(place="model.au.source", message=f"{name} has no annotated action units; set it to estimated")
            for name, described in (("the data set", facts), ("pretrain.dataset", source))
            if described is not None and not described.has_au_targets
        ]
    return problems


def shape_misfits(config: Config, shapes: Shapes) -> list[Problem]:
    """Why the configured network cannot take clips of these shapes, with what would do."""
    if config.method.name != "madv_net":
        return method_misfits(config.method, shapes)
    has = " and ".join(shapes) or "none"
    problems = [
        Problem(place=f"model.streams.{name}", message=f"the clips have no {name} stream, only {has}: set it to false")
        for name in config.model.streams.active()
        if name not in shapes
    ]
    return problems or contradictions(config.model, shapes)
