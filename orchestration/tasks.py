"""What a trial is told to do, and the order in which trials are started so that every core is busy to the end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from madv.config import Config
    from orchestration.plan import Plan, PlannedCell


Outcome = Literal["done", "failed", "crowded", "unstored"]
"""crowded: the GPU's memory was taken by other trials; unstored: the storage is in trouble. Nothing is stored."""
Work = Literal["training", "pretraining", "again"]
"""What is left of it: cells, what cells start from, or the networks of cells that are there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialTask:
    """The folds that one trial trains, one after the other: all of a (variant, seed), or a share of them."""

    digest: str
    """Of what the variant's config means: Variant.digest."""
    config: Config
    seed: int
    cells: tuple[PlannedCell, ...]
    work: Work = "training"
    """What the cells stand for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellEvent:
    """A fold has ended, for the display and for tracking; everything else about it is in the store."""

    cell: PlannedCell
    state: Literal["done", "failed"]
    seconds: float
    """Training time."""


def make_tasks(plan: Plan, pending: Iterable[PlannedCell], slots: int, work: Work = "training") -> list[TrialTask]:
    """Split pending cells into trials, in the order in which they should start.

    A trial is a (variant, seed). The dearest variants go first; a trial never takes more than half of its slot's share
    of what is left, so only the last ones are split and no slot idles long while another ends a long trial
    (guided self-scheduling, Polychronopoulos and Kuck, 1987).

    Args:
        plan: where the variants' configs are.
        pending: cells to train.
        slots: trials that run at once.
        work: what the cells stand for.
    """
    variants = {variant.name: variant for variant in plan.trained}
    groups: dict[tuple[str, int], list[PlannedCell]] = {}
    for cell in pending:
        groups.setdefault((cell.variant, cell.seed), []).append(cell)
    waiting = deque(sorted(groups.values(), key=lambda cells: -expected_cost(variants[cells[0].variant].config)))
    left = sum(expected_cost(variants[cells[0].variant].config) * len(cells) for cells in waiting)
    tasks = []
    while waiting:
        cells = waiting.popleft()
        variant = variants[cells[0].variant]
        cost = expected_cost(variant.config)
        most = max(1, math.ceil(left / cost / (2 * slots)))
        if len(cells) > most:
            waiting.appendleft(cells[most:])
        chosen = tuple(cells[:most])
        left -= cost * len(chosen)
        tasks.append(
            TrialTask(
                digest=variant.digest,
                config=variant.config,
                seed=chosen[0].seed,
                cells=chosen,
                work=work,
            )
        )
    return tasks


def expected_cost(config: Config) -> float:
    """Expected time of one fold, in arbitrary units: only the order matters."""
    clip = getattr(config.dataset, "clip", config.dataset)
    pixels = getattr(clip, "frames", 1) * getattr(clip, "size", 1) ** 2
    return len(config.model.streams.active()) * pixels * config.train.epochs * config.protocol.copies
