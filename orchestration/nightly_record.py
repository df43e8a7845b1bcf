"""What a night leaves for the next one: which cells it had, what they scored and how long they took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from madv.errors import MadvError, Problem
from madv.modes import public_folder
from madv.whole_file import write_whole

FILE = "record.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantRecord:
    """One variant of a sweep, last night."""

    score: float | None
    """In the sweep's metric; None if folds are missing or failed."""
    seconds: float | None
    """Of a cell, their mean; None if none is done."""
    cells: tuple[tuple[int, str, str], ...]
    """(seed, subject, key), those that are done."""
    failed: tuple[tuple[int, str], ...] = ()
    """(seed, subject)"""


Record = Mapping[str, Mapping[str, VariantRecord]]
"""Sweep -> variant -> what it was."""


def write_record(folder: Path, record: Record) -> None:
    """Write it whole or not at all."""
    public_folder(folder)
    plain = {sweep: {name: asdict(one) for name, one in variants.items()} for sweep, variants in record.items()}
    write_whole(folder / FILE, json.dumps(plain), public=False)


def read_record(folder: Path) -> Record | None:
    """Last night's record; None if there was no night before.

    Raises:
        MadvError: it cannot be read.
    """
    try:
        plain = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return {sweep: {name: _variant(one) for name, one in variants.items()} for sweep, variants in plain.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        message = "cannot be read; delete it, and tonight is a first night"
        raise MadvError([Problem(place=str(folder / FILE), message=message)]) from None


def _variant(plain: dict[str, Any]) -> VariantRecord:
    return VariantRecord(
        score=plain["score"],
        seconds=plain["seconds"],
        cells=tuple((int(seed), str(subject), str(key)) for seed, subject, key in plain["cells"]),
        failed=tuple((int(seed), str(subject)) for seed, subject in plain["failed"]),
    )
