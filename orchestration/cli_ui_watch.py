"""What `madv ui` looks at again and again: how far a sweep or a search is, and its report so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from orchestration.failures import reasons

if TYPE_CHECKING:
    from orchestration.prepared import Prepared

Reasons = list[tuple[str, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """How far it is; two that are equal need no new report."""

    noun: str
    """What is counted: cells or configurations."""
    planned: int
    done: int
    failed: int
    mark: int
    """Of everything that the report hangs on."""

    def counts(self) -> dict[str, Any]:
        """As the page takes it."""
        return {"noun": self.noun, "planned": self.planned, "done": self.done, "failed": self.failed}


class Watch(Protocol):
    """A sweep or a search."""

    def look(self) -> Seen:
        """Cheap: a listing, no cell is read."""

    def write(self, folder: Path) -> Reasons:
        """Write the report so far; why what failed did."""


def watch(prepared: Prepared, overrides: Sequence[str]) -> Watch:
    """Whichever it is."""
    return _Search(prepared, overrides) if prepared.searches else _Sweep(prepared, overrides)


class _Sweep:
    def __init__(self, prepared: Prepared, overrides: Sequence[str]) -> None:
        self._prepared = prepared
        self._overrides = overrides
        self._keys = [cell.key for cell in prepared.plan.cells]

    def look(self) -> Seen:
        states = self._prepared.store.states(self._keys)
        counted = Counter(states.values())
        mark = hash(frozenset(states.items()))
        done, failed = counted["done"], counted["failed"]
        return Seen(noun="cells", planned=len(self._keys), done=done, failed=failed, mark=mark)

    def write(self, folder: Path) -> Reasons:
        from orchestration.cli_report import report_sweep

        plan, store = self._prepared.plan, self._prepared.store
        report_sweep(plan, store, self._prepared.cache_root, self._overrides, folder)
        states = store.states(self._keys)
        return reasons(store.read_whole(key for key, state in states.items() if state == "failed").values())


class _Search:
    def __init__(self, prepared: Prepared, overrides: Sequence[str]) -> None:
        self._prepared = prepared
        self._overrides = overrides

    def look(self) -> Seen:
        from orchestration.search_study import open_study

        searches = self._prepared.searches
        studies = [open_study(search, create=False) for search in searches]
        states = Counter(trial.state.name for study in studies if study for trial in study.get_trials(deepcopy=False))
        return Seen(
            noun="configurations",
            planned=sum(search.spec.trials for search in searches),
            done=states["COMPLETE"] + states["PRUNED"],
            failed=states["FAIL"],
            mark=hash((frozenset(states.items()), len(self._prepared.store.states()))),
        )

    def write(self, folder: Path) -> Reasons:
        from orchestration.cli_search_report import report_searches

        return Counter(report_searches(self._prepared, self._overrides, folder).failed).most_common()
