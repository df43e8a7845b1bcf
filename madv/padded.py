"""Batches of many folds at once: each fold's own, filled up to the largest with clips that count for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from madv.augment import Changes, augment, copied, draw_changes
from madv.config import Config
from madv.data.clips import Clips
from madv.data.folds import Fold
from madv.inputs import Batches, Part
from madv.learners import Learner
from madv.optimise import batches_per_epoch
from madv.seeds import seed_of

Stacked = dict[str, torch.Tensor]
"""By name, (F, ...): of F folds."""


class Student(NamedTuple):
    """One fold that is trained beside others."""

    fold: Fold
    key: str
    learner: Learner
    scale: dict[str, torch.Tensor]


class Padded(NamedTuple):
    """A step's batches of F folds, each filled up to the largest, B."""

    rows: npt.NDArray[np.int64]
    """(F, B) of the data set."""
    share: npt.NDArray[np.float32]
    """(F, B) in the mean over a batch; 0 for what fills it up."""
    copies: npt.NDArray[np.int64] | None
    """(F B,) which copy of its clip each row is."""
    changes: Changes
    """Of F B clips."""


def padded_batches(students: Sequence[Student], config: Config) -> Iterator[Padded]:
    """The batches that each fold would have alone, for ever."""
    orders = [np.random.default_rng(seed_of(student.key, "batches")) for student in students]
    draws = [np.random.default_rng(seed_of(student.key, "augmentation")) for student in students]
    folds = [student.fold for student in students]
    steps = batches_per_epoch(len(folds[0].train), config.train.batch_size)
    while True:
        split = [
            np.array_split(order.permutation(len(fold.train)), steps) for order, fold in zip(orders, folds, strict=True)
        ]
        for batches in zip(*split, strict=True):
            size = max(map(len, batches))
            filled = [np.concatenate([batch, np.repeat(batch[:1], size - len(batch))]) for batch in batches]
            drawn = [draw_changes(len(batch), config.train, rng) for batch, rng in zip(batches, draws, strict=True)]
            mirrored, shifts = np.zeros((len(folds), size), bool), np.zeros((len(folds), size, 2), np.int64)
            share = np.zeros((len(folds), size), np.float32)
            for place, (batch, change) in enumerate(zip(batches, drawn, strict=True)):
                mirrored[place, : len(batch)], shifts[place, : len(batch)] = change
                share[place, : len(batch)] = 1 / len(batch)
            copies = None
            if folds[0].copies is not None:
                copies = np.concatenate([fold.copies[i] for fold, i in zip(folds, filled, strict=True)])  # type: ignore[index]
            yield Padded(
                rows=np.stack([fold.train[i] for fold, i in zip(folds, filled, strict=True)]),
                share=share,
                copies=copies,
                changes=Changes(mirrored.flatten(), shifts.reshape(-1, 2)),
            )


def reader(
    students: Sequence[Student], config: Config, clips: Clips, device: torch.device
) -> Callable[[Padded], Stacked]:
    """A function of Padded to streams (F, B, C, T, H, W) and action units (F, B, n_au, T), as training reads them."""
    reads = students[0].learner.reads
    plain = {name: torch.ones_like(students[0].scale[name]) for name in reads}
    whole = Batches(config, [Part(clips, np.arange(len(clips.labels)), plain)], device)
    factors = {name: torch.stack([student.scale[name] for student in students])[:, None].to(device) for name in reads}
    if config.model.au.source == "annotated":
        factors.pop("au", None)

    def read(batch: Padded) -> Stacked:
        clip = whole(torch.from_numpy(batch.rows.flatten()).to(device))
        if batch.copies is not None:
            clip = copied(clip, batch.copies, clips)
        clip = augment(clip, clips, config.train, batch.changes)
        folded = {name: x.unflatten(0, batch.rows.shape) for name, x in clip.items()}
        return {name: x * factors[name] if name in factors else x for name, x in folded.items()}

    return read
