"""What a report or a nightly record refers to, kept beside it: `madv gc` leaves that alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from madv.errors import MadvError, Problem
from madv.whole_file import write_whole

if TYPE_CHECKING:
    from orchestration.plan import Plan

FILE = "cells.json"
PAGE = "index.html"
"""By which the folder of a report is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class References:
    """Keys of cells, which are those of their networks, and of pre-trainings; fingerprints of data."""

    keys: frozenset[str] = frozenset()
    data: frozenset[str] = frozenset()

    def __or__(self, other: References) -> References:
        return References(keys=self.keys | other.keys, data=self.data | other.data)


def references(plan: Plan, cache_root: Path) -> References:
    """All cells of a plan, the pre-trainings that they start from, and the clips that they are trained on."""
    from madv.data.cache import describe

    configs = [variant.config for variant in plan.trained]
    datasets = {config.dataset for config in configs} | {one.pretrain.dataset for one in configs}
    return References(
        keys=frozenset(key for cell in plan.cells for key in (cell.key, cell.start) if key is not None),
        data=frozenset(describe(dataset, cache_root).fingerprint for dataset in datasets if dataset is not None),
    )


def write_references(folder: Path, found: References) -> None:
    """Write cells.json into the folder of a report."""
    write_whole(folder / FILE, json.dumps({"keys": sorted(found.keys), "data": sorted(found.data)}, indent=0))


def read_references(reports: Iterable[Path]) -> References:
    """What the reports in these folders refer to, all together.

    Raises:
        MadvError: a folder is not there, or it cannot be told what a report in it refers to.
    """
    found = References()
    problems = []
    for root in reports:
        if not root.is_dir():
            problems.append(Problem(place=str(root), message="there is no such folder; name another with --reports"))
            continue
        for folder in sorted(path for path in (root, *root.iterdir()) if path.is_dir()):
            if not (folder / FILE).exists():
                if (folder / PAGE).exists():
                    way_out = "write it once more (madv report FILE), or delete its folder"
                    problems.append(Problem(place=str(folder), message=f"does not say which cells it used; {way_out}"))
                continue
            try:
                held = json.loads((folder / FILE).read_text(encoding="utf-8"))
                found |= References(keys=frozenset(held["keys"]), data=frozenset(held["data"]))
            except (OSError, ValueError, KeyError, TypeError):
                problems.append(Problem(place=str(folder / FILE), message="cannot be read; write the report once more"))
    if problems:
        raise MadvError(problems)
    return found
