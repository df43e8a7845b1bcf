"""Whether a configuration and its data set go together, asked before anything trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from madv.config import Config
from madv.encoder_key import check_pretraining
from madv.errors import Problem
from madv.methods.table import misfits as method_misfits
from madv.model.checks import contradictions

if TYPE_CHECKING:
    from madv.config_data import DatasetConfig
    from madv.data.cache import DatasetFacts

Describe = Callable[["DatasetConfig"], "DatasetFacts"]
"""Settings of a data set to what there is to know of it: madv.data.cache.describe with its folder."""


def misfits(config: Config, describe: Describe) -> list[Problem]:
    """What the data sets do not have and the network needs, each with the settings that would do.

    Args:
        config: checked by compose.
        describe: called for the data set and, where there is one, that of the pre-training.
    """
    from madv.data.cache import check_streams

    facts = describe(config.dataset)
    if config.method.name != "madv_net":
        return method_misfits(config.method, facts.streams)
    problems = check_streams(facts, config.model.streams) or contradictions(config.model, facts.streams)
    if not problems and config.pretrain.active():
        source = config.pretrain.dataset
        problems = check_pretraining(config, facts.streams, None if source is None else describe(source).streams)
    return problems
