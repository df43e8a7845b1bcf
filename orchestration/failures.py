"""Why cells failed, in a line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.cells import Cell


def reasons(cells: Iterable[Cell]) -> list[tuple[str, int]]:
    """The last line of each failed cell's traceback and how many cells have it, the most frequent first."""
    return Counter(_last_line(cell.reason) for cell in cells if cell.state == "failed").most_common()


def _last_line(reason: str | None) -> str:
    lines = (reason or "").strip().splitlines()
    return lines[-1].strip() if lines else "no reason was left"
