"""A search as MLflow runs: its configurations come one after the other, and some are stopped before their last fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.mlflow_record import Child, Recorder

if TYPE_CHECKING:
    from orchestration.cells import Cell, CellStore
    from orchestration.plan import Plan, PlannedCell, Variant

COST = ("seconds", "parameters")
"""What is said of a configuration that was cut short: it has folds, and no score."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What a search has tried so far."""

    plan: Plan
    """Its configurations as variants; of those that were cut short, the cells that are there."""
    key: str
    """By which its runs are found again, however many configurations there are."""
    short: frozenset[str]
    """Names of those that were stopped early, or failed."""


class SearchRecorder(Recorder):
    """Writes the cells of a search into MLflow, into the same runs whenever it goes on."""

    def __init__(self, tried: Tried, store: CellStore, uri: str) -> None:
        self._key_of_search = tried.key
        self._short = set(tried.short)
        super().__init__(tried.plan, store, uri)

    def expect(self, variant: Variant, cells: Iterable[PlannedCell], *, short: bool) -> None:
        """A configuration is about to be trained, or was cut short and has no other cells than these."""
        # One that was cut off is tried again under another name.
        name = next((known.name for known in self._variants.values() if known.digest == variant.digest), variant.name)
        self._variants[name] = variant
        (self._short.add if short else self._short.discard)(name)
        for child in [child for child in self._cells if child[0] == name]:
            del self._cells[child]
            self._complete.discard(child)
        for cell in cells:
            self._cells.setdefault((name, cell.seed), []).append(cell)
        parent = self._runs.get(self._sweep_key)
        if parent is not None and parent.info.status != "RUNNING":
            self._open_again(self._sweep_key)

    def settle(self, tried: Tried) -> None:
        """The search has ended: there is nothing but this."""
        self._short = set(tried.short)
        self._lay_out(tried.plan)

    def close(self, report: Path | None) -> None:
        """End the runs; also those of configurations that were cut off and not taken up again."""
        super().close(report)
        kept = {self._sweep_key, *map(self._child_key, self._cells)}
        for key, run in self._runs.items():
            if key not in kept and run.info.status == "RUNNING":
                self._client.set_terminated(run.info.run_id, "KILLED")

    def _key(self) -> str:
        return self._key_of_search

    def _finished(self, child: Child) -> bool:
        """One that was cut short may since have been trained whole, for another trial of the same configuration."""
        key = self._child_key(child)
        return super()._finished(child) and (child[0] in self._short or "uf1" in self._runs[key].data.metrics)

    def _pooled(self, child: Child, cells: Sequence[Cell]) -> Iterable[tuple[str, float]]:
        whole = child[0] not in self._short
        return ((name, value) for name, value in super()._pooled(child, cells) if whole or name in COST)
