"""What all trials of a sweep share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from madv.modes import mask

if TYPE_CHECKING:
    from orchestration.cells import CellStore
    from orchestration.checkpoints import CheckpointStore
    from orchestration.tasks import TrialTask
    from orchestration.weights import WeightStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Paths instead of data: each worker maps the clips itself."""

    tasks: tuple[TrialTask, ...]
    """That trials name by their places; those of a search are not known beforehand and come with the trial."""
    store: CellStore
    weights: WeightStore
    cache_root: Path
    threads: int
    """Of a worker's linear algebra."""
    trainer: str
    """module:function with the signature of madv.train.train_fold."""
    pretrainer: str
    """module:function with the signature of madv.pretrain.pretrain_fold."""
    loader: str
    """module:function with the signature of madv.data.cache.load."""
    checkpoints: CheckpointStore | None = None
    """Where the trained networks stay; None: they go."""
    together: str | None = None
    """module:function with the signature of madv.together.train_folds; None: one fold after the other."""
    attempts: int = 2
    """A fold that has failed so often is recorded as failed."""
    crowd: bool = False
    """Whether trials share a GPU: one that finds too little memory leaves the fold for when there are fewer."""
    pilot: bool = False
    """Whether to measure what a trial uses of a GPU."""
    mask: int = field(default_factory=mask)
    """Of the files that the trials make."""
