"""`madv gc`: cells, trained networks, pre-trained weights and clip caches that are old and that no report refers to."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from madv.data.cache_seal import ASIDE
from orchestration.folders import open_folder
from orchestration.references import References

DAY = 86_400.0
KEEP_DAYS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Old:
    """Something to remove."""

    kind: str
    """cells, pretrained, checkpoints, clips or references."""
    name: str
    size: int
    """Bytes."""
    remove: Callable[[], None]


def add_gc(parser: argparse.ArgumentParser) -> None:
    """The options of `madv gc`."""
    parser.description = "Remove cells, networks, pre-trained weights and clip caches that are old and in no report."
    parser.add_argument("--store", default="store", metavar="PATH", help="folder or URI of the cells (default: store)")
    parser.add_argument(
        "--reports", type=Path, action="append", metavar="FOLDER", help="whose reports keep theirs (default: reports)"
    )
    parser.add_argument("--keep-days", type=_days, default=KEEP_DAYS, metavar="N", help="keep what is younger (30)")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, remove nothing")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Remove, or with --dry-run list; says what was freed.

    Raises:
        MadvError: it cannot be told what the reports refer to; nothing is removed.
    """
    from orchestration.prepared import cache_folder
    from orchestration.references import read_references, shared_references

    before = time.time() - options.keep_days * DAY
    shared, stale = shared_references(options.store, before)
    kept = read_references(options.reports or [Path("reports")]) | shared
    sums: dict[str, tuple[int, int]] = {}
    found = old_ones(options.store, cache_folder(options.store), kept, before)
    for old in chain(found, old_references(options.store, stale)):
        if options.dry_run:
            print(f"{old.kind}/{old.name}  {_megabytes(old.size)}")
        else:
            old.remove()
        number, size = sums.get(old.kind, (0, 0))
        sums[old.kind] = number + 1, size + old.size
    parts = [f"{number} of {kind} ({_megabytes(size)})" for kind, (number, size) in sums.items()]
    verb = "would remove" if options.dry_run else "removed"
    print(f"{verb} {', '.join(parts) or 'nothing'}; {_megabytes(sum(size for _, size in sums.values()))} in all")
    return 0


def old_ones(storage: str, cache_root: Path, kept: References, before: float) -> Iterator[Old]:
    """What was last written before a time (Unix, seconds) and is not among what is kept."""
    from orchestration.cells import CellStore
    from orchestration.checkpoints import CheckpointStore
    from orchestration.weights import WeightStore

    stores = {"cells": CellStore(storage), "pretrained": WeightStore(storage), "checkpoints": CheckpointStore(storage)}
    for kind, store in stores.items():
        for file in store.files():
            if file.modified < before and (file.key not in kept.keys or file.unfinished):
                remove = partial(store.folder.remove, file.name)
                yield Old(kind=kind, name=file.name, size=file.size, remove=remove)
    yield from _old_caches(cache_root, kept.data, before)


def old_references(storage: str, stale: Iterable[str]) -> Iterator[Old]:
    """What was kept for reports that are no more."""
    from orchestration.references import SHARED

    folder = open_folder(storage, SHARED)
    sizes = {file.name: file.size for file in folder.files()}
    for name in stale:
        yield Old(kind=SHARED, name=name, size=sizes.get(name, 0), remove=partial(folder.remove, name))


def _old_caches(root: Path, kept: frozenset[str], before: float) -> Iterator[Old]:
    """Folders of clips, and broken ones that were set aside; what has no facts is none of ours."""
    for folder in sorted(root.glob(f"{ASIDE}*")):
        if folder.is_dir() and folder.stat().st_mtime < before:
            yield _old_cache(folder)
    for facts in sorted(root.glob("[!.]*/facts.json")):
        try:
            fingerprint = json.loads(facts.read_text(encoding="utf-8"))["described"]["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if facts.stat().st_mtime < before and fingerprint not in kept:
            yield _old_cache(facts.parent)


def _old_cache(folder: Path) -> Old:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Old(kind="clips", name=folder.name, size=size, remove=lambda: shutil.rmtree(folder))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 0")
    return days
