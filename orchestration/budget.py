"""What a budget of hours buys: whole trials, the most decisive first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from madv.errors import MadvError
from orchestration.cells import CellStore
from orchestration.forecast import seconds_per_cell
from orchestration.keyed_store import State
from orchestration.plan import Plan, PlannedCell

HOUR = 3600.0
UNPRICED = (
    "--hours needs a forecast, and no cell is done; "
    "`madv plan --pilot FILE` trains two of the cheapest and two of the dearest variant first"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Portion:
    """What one trial, a (variant, seed), still has to train."""

    variant: str
    seed: int
    cells: tuple[PlannedCell, ...]
    """That are missing."""
    seconds: float
    """Expected, of one core or GPU."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Trials in the order of their decisiveness, cut where the hours end."""

    bought: tuple[Portion, ...]
    left_out: tuple[Portion, ...]
    """The least decisive last."""

    @property
    def keys(self) -> frozenset[str]:
        """Of the missing cells that are bought."""
        return frozenset(cell.key for portion in self.bought for cell in portion.cells)


def spend(plan: Plan, states: Mapping[str, State], store: CellStore, hours: float) -> Budget:
    """Cut the list of missing trials where the hours end.

    A score is pooled over all subjects, so a trial is bought whole or not at all; and nothing less decisive is bought
    in the place of what no longer fits.

    Args:
        plan: variants and cells.
        states: of the plan's cells; what is there costs nothing.
        store: where the done ones are.
        hours: of one core or GPU.

    Raises:
        MadvError: no cell is done, so that nothing is known of the costs.
    """
    prices = seconds_per_cell(plan, states, store)
    if prices is None:
        raise MadvError(UNPRICED)
    bought: list[Portion] = []
    left_out: list[Portion] = []
    left = hours * HOUR
    for (variant, seed), cells in _by_decisiveness(plan).items():
        missing = tuple(cell for cell in cells if cell.key not in states)
        if not missing:
            continue
        portion = Portion(variant=variant, seed=seed, cells=missing, seconds=len(missing) * prices[variant])
        left -= portion.seconds
        (left_out if left < 0 else bought).append(portion)
    return Budget(bought=tuple(bought), left_out=tuple(left_out))


def _by_decisiveness(plan: Plan) -> dict[tuple[str, int], list[PlannedCell]]:
    """Trials, the most decisive first.

    One seed of everything comes before a second seed of anything, since a further seed narrows an interval and a
    variant that is missing has none. Within a seed: the reference, which every comparison needs; the controls, without
    which none can be trusted; then variants by how many factors they change, main effects before interactions.
    """
    reference = plan.variants[0]
    changed = {
        variant.name: sum(level != reference.levels.get(factor) for factor, level in variant.levels.items())
        for variant in plan.variants
    }
    controls = {variant.name for variant in plan.controls.values()}
    repetition = {
        (variant.name, variant.first_seed + seed): place
        for variant in plan.trained
        for place, seed in enumerate(plan.spec.seeds)
    }
    trials: dict[tuple[str, int], list[PlannedCell]] = {}
    for cell in plan.cells:
        trials.setdefault((cell.variant, cell.seed), []).append(cell)

    def rank(trial: tuple[str, int]) -> tuple[int, bool, bool, int]:
        name = trial[0]
        return repetition[trial], name != reference.name, name not in controls, changed.get(name, 0)

    return {trial: trials[trial] for trial in sorted(trials, key=rank)}  # equal ranks stay in the plan's order
