"""How long the cells that are missing will take, from those that are there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestration.cells import Cell, CellStore
from orchestration.keyed_store import State
from orchestration.plan import Plan, PlannedCell
from orchestration.tasks import expected_cost

SAMPLE = 5
"""Cells of a variant that are read: reading all of ten thousand would take longer than a plan may."""
UNKNOWN = math.log(2)
"""Standard deviation of a variant's cost, in logarithms, as long as only one variant has been measured."""
NORMAL = 1.96
PILOT = 2
"""Cells of a variant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """Seconds of one trial's core or GPU for all that is missing, and their 95% interval."""

    seconds: float
    low: float
    high: float
    cells: int
    """That it rests on."""
    variants: int
    """That these belong to."""
    device: str
    """That they were trained on."""


def forecast(plan: Plan, states: Mapping[str, State], store: CellStore) -> Forecast | None:
    """The training time of the cells that are missing, pre-trainings left out; None if nothing is there to go by.

    A variant that has cells costs what they did; of the others the expected order of costs is scaled by those.

    Args:
        plan: variants and cells.
        states: of the plan's cells.
        store: where the done ones are.
    """
    by_variant = _by_variant(plan)
    sampled = _sample(by_variant, states, store)
    if not sampled:
        return None
    seconds = {name: [cell.seconds for cell in cells] for name, cells in sampled.items()}
    missing = {name: sum(cell.key not in states for cell in cells) for name, cells in by_variant.items()}
    costs = {variant.name: expected_cost(variant.config) for variant in plan.trained}
    total, guessed, variance = 0.0, 0.0, 0.0
    scale, doubt = _scale(seconds, costs)
    for name, count in missing.items():
        mean = float(np.mean(seconds[name])) if name in seconds else costs[name] * scale
        own = seconds.get(name, [])
        if len(own) > 1:
            spread = float(np.var(own, ddof=1))
            variance += count**2 * spread / len(own) + count * spread
        else:
            variance += (count * mean * doubt) ** 2
        guessed += 0 if own else count * mean
        total += count * mean
    # The scale is off for all of them alike.
    variance += (guessed * doubt) ** 2 / len(seconds)
    half = NORMAL * math.sqrt(variance)
    return Forecast(
        seconds=total,
        low=max(0.0, total - half),
        high=total + half,
        cells=sum(map(len, sampled.values())),
        variants=len(sampled),
        device=next(iter(sampled.values()))[0].device,
    )


def seconds_per_cell(plan: Plan, states: Mapping[str, State], store: CellStore) -> dict[str, float] | None:
    """Expected seconds of one cell of each variant and control, as the forecast has them; None if no cell is done."""
    sampled = _sample(_by_variant(plan), states, store)
    if not sampled:
        return None
    seconds = {name: [cell.seconds for cell in cells] for name, cells in sampled.items()}
    costs = {variant.name: expected_cost(variant.config) for variant in plan.trained}
    scale, _ = _scale(seconds, costs)
    return {name: float(np.mean(seconds[name])) if name in seconds else cost * scale for name, cost in costs.items()}


def pilot(plan: Plan) -> list[PlannedCell]:
    """The first cells of the cheapest and of the dearest variant: what a forecast can go by."""
    variants = sorted(plan.trained, key=lambda variant: expected_cost(variant.config))
    ends = dict.fromkeys((variants[0].name, variants[-1].name))
    return [cell for name in ends for cell in [cell for cell in plan.cells if cell.variant == name][:PILOT]]


def _by_variant(plan: Plan) -> dict[str, list[PlannedCell]]:
    cells: dict[str, list[PlannedCell]] = {}
    for cell in plan.cells:
        cells.setdefault(cell.variant, []).append(cell)
    return cells


def _sample(
    by_variant: Mapping[str, Sequence[PlannedCell]], states: Mapping[str, State], store: CellStore
) -> dict[str, list[Cell]]:
    """A few done cells of each variant that has any."""
    keys = {
        name: _spread([cell.key for cell in cells if states.get(cell.key) == "done"])
        for name, cells in by_variant.items()
    }
    read = store.read_whole(key for chosen in keys.values() for key in chosen)
    sampled = {name: [read[key] for key in chosen if key in read] for name, chosen in keys.items()}
    return {name: cells for name, cells in sampled.items() if cells}


def _scale(seconds: Mapping[str, Sequence[float]], costs: Mapping[str, float]) -> tuple[float, float]:
    """Seconds a unit of expected cost, and the standard deviation of its logarithm from one variant to another."""
    ratios = np.array([math.log(float(np.mean(found)) / costs[name]) for name, found in seconds.items()])
    doubt = float(ratios.std(ddof=1)) if len(ratios) > 1 else UNKNOWN
    return math.exp(float(ratios.mean())), doubt


def _spread(keys: Sequence[str]) -> list[str]:
    """A few, evenly spread: subjects differ in how many clips are left to train on."""
    return list(dict.fromkeys(keys[round(place)] for place in np.linspace(0, len(keys) - 1, SAMPLE))) if keys else []
