"""One step of every variant: what would break after hours breaks in minutes. Nothing is stored."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from madv.config import Config
from orchestration.plan import Plan

if TYPE_CHECKING:
    from madv.config_data import DatasetConfig
    from madv.data.clips import Clips

CLIPS = 6
"""Of two subjects: a batch and a clip to predict."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """How one variant's step went."""

    variant: str
    seconds: float
    parameters: int | None
    problem: str | None
    """The last line of the traceback; None if all is well."""


def dry_run(plan: Plan, cache_root: Path) -> Iterator[Trial]:
    """Pre-train, train and predict with a handful of clips, one optimiser step each, variant by variant.

    Args:
        plan: whose variants are tried.
        cache_root: folder of the clip caches.
    """
    known: dict[str, Clips] = {}
    for variant in plan.trained:
        started = time.monotonic()
        parameters, problem = None, None
        try:
            parameters = _step(variant.config, known, cache_root)
        except Exception as error:  # any fault of any variant is what is looked for
            problem = f"{type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error) else ''}"
        seconds = time.monotonic() - started
        yield Trial(variant=variant.name, seconds=seconds, parameters=parameters, problem=problem)


def _step(config: Config, known: dict[str, Clips], cache_root: Path) -> int:
    """Parameters of the network that was trained."""
    from madv.data.folds import make_folds
    from madv.pretrain import pretrain_fold
    from madv.train import train_fold

    config = dataclasses.replace(
        config,
        train=dataclasses.replace(config.train, epochs=1, batch_size=CLIPS),
        pretrain=dataclasses.replace(
            config.pretrain,
            masked_epochs=min(1, config.pretrain.masked_epochs),
            supervised_epochs=min(1, config.pretrain.supervised_epochs),
            batch_size=CLIPS,
        ),
    )
    clips = _few(config.dataset, known, cache_root)
    fold = make_folds(config.protocol, clips.subjects, 0)[0]
    start = None
    if "pretrain" in config.meaning():
        source = config.pretrain.dataset
        few = None if source is None else _few(source, known, cache_root)
        start = pretrain_fold(config, fold, clips, 0, few).state
    return train_fold(config, fold, clips, 0, start=start).parameters


def _few(dataset: DatasetConfig, known: dict[str, Clips], cache_root: Path) -> Clips:
    """One clip of one subject, and some of others, in memory."""
    import numpy as np

    from madv.data.cache import load

    settings = repr(dataset)
    if settings not in known:
        clips = load(dataset, cache_root)
        first = clips.subjects[0]
        others = np.flatnonzero(clips.subjects != first)[: CLIPS - 1]
        rows = np.array([0, *others])
        known[settings] = dataclasses.replace(
            clips,
            manifest=clips.manifest.iloc[rows].reset_index(drop=True),
            streams={name: np.array(stream[rows]) for name, stream in clips.streams.items()},
            au_targets=None if clips.au_targets is None else np.array(clips.au_targets[rows]),
        )
    return known[settings]
