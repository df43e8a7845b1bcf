"""A sweep file, read and laid out over its store: what every command on it starts from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from madv.modes import keep
from orchestration.cells import CellStore
from orchestration.keyed_store import State
from orchestration.plan import Facts, Plan, PlannedCell, expand
from orchestration.spec import load_spec
from orchestration.store_group import keep_store
from orchestration.weights import WeightStore

if TYPE_CHECKING:
    from orchestration.search_plan import Search


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A sweep file, read: nothing has been started."""

    plan: Plan
    store: CellStore
    weights: WeightStore
    cache_root: Path
    searches: tuple[Search, ...] = ()
    """The studies of design search, whose plan is that of the configuration it starts from."""

    @property
    def asks_frozen(self) -> bool:
        """Whether an ablation with a search trains its variants as they are typed, too."""
        return self.plan.spec.search is not None and self.plan.spec.search.frozen

    def pretraining(self, states: Mapping[str, State]) -> list[PlannedCell]:
        """Pre-trainings that are still to do, the cells being in these states."""
        from orchestration.runner import pending_pretraining

        pending = [cell for cell in self.plan.cells if cell.key not in states]
        return pending_pretraining(self.plan, pending, self.weights)


def cache_folder(storage_path: str = "store") -> Path:
    """Where clip caches are: MADV_CACHE, else beside the cells, else (cells behind a URI) in the home directory."""
    named = os.environ.get("MADV_CACHE")
    if named:
        return Path(named)
    return Path.home() / ".cache" / "madv" if "://" in storage_path else Path(storage_path) / "clips"


def own_cache() -> Path:
    """The folder of the clip caches for what has no sweep file: what is made there is the user's."""
    folder = cache_folder()
    keep(None, folder)
    return folder


def prepare(file: Path, overrides: Sequence[str]) -> Prepared:
    """Read the file and lay out its cells.

    Raises:
        MadvError: with everything that is wrong.
    """
    from madv.data.cache import describe
    from orchestration.code import training_code

    spec = load_spec(file, overrides)
    cache_root = cache_folder(spec.storage_path)
    keep_store(spec, cache_root)
    facts_of = Facts(lambda dataset: describe(dataset, cache_root))
    plan = expand(spec, facts_of, training_code)
    searches: tuple[Search, ...] = ()
    if spec.search is not None:
        from orchestration.search_plan import lay_out_searches

        searches = lay_out_searches(plan, facts_of, training_code)
    return Prepared(
        plan=plan,
        store=CellStore(spec.storage_path),
        weights=WeightStore(spec.storage_path),
        cache_root=cache_root,
        searches=searches,
    )
