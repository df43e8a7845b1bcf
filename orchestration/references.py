"""What a report or a nightly record refers to, kept beside it and in the store: `madv gc` leaves that alone."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from madv.errors import MadvError, Problem, StorageError
from madv.whole_file import write_whole
from orchestration.folders import open_folder
from orchestration.ids import digest

if TYPE_CHECKING:
    from orchestration.plan import Plan

FILE = "cells.json"
SHARED = "references"
"""Of a store: what the reports of all who sweep over it refer to."""
FORGOTTEN = 365 * 86400.0
"""Seconds after which the report of another machine is taken to be gone."""
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
    write_whole(folder / FILE, json.dumps(_plain(found), indent=0))


def share_references(storage: str, folder: Path, found: References) -> None:
    """The same into the store, for whoever else collects there and does not see the folder.

    Storage that may only be read is warned of: the report is there.
    """
    report, host = str(folder.absolute()), socket.gethostname()
    content = json.dumps({"host": host, "report": report, **_plain(found)}, indent=0)
    try:
        open_folder(storage, SHARED).put(f"{digest([host, report])[:32]}.json", content.encode())
    except StorageError as error:
        logging.getLogger("madv").warning("madv: `madv gc` elsewhere will not know of %s: %s", folder, error)


def shared_references(storage: str, before: float) -> tuple[References, list[str]]:
    """What all reports of a store refer to, and names of files that have none: they were written before a time (Unix,
    seconds), and their report was of this machine and has gone, or of another and was not written for a year.

    Raises:
        MadvError: one cannot be read.
    """
    folder = open_folder(storage, SHARED)
    found, stale, problems = References(), [], []
    for name, _, modified in folder.files():
        if not name.endswith(".json"):
            continue
        try:
            held = json.loads(folder.get(name) or b"")
            # Whether a report of another machine is still there cannot be seen; pods come and go under new names.
            here = held["host"] == socket.gethostname()
            gone = not Path(held["report"]).exists() if here else modified < time.time() - FORGOTTEN
            if gone and modified < before:
                stale.append(name)
            else:
                found |= References(keys=frozenset(held["keys"]), data=frozenset(held["data"]))
        except (ValueError, KeyError, TypeError):
            message = "cannot be read; delete it once you know whose report it was"
            problems.append(Problem(place=f"{folder}/{name}", message=message))
    if problems:
        raise MadvError(problems)
    return found, stale


def _plain(found: References) -> dict[str, list[str]]:
    return {"keys": sorted(found.keys), "data": sorted(found.data)}


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
