"""The table of what faults cost, to which the tests of any folder add a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest

COSTS: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
"""By the fault: how often it was tried, cells that were missing in the end, finished cells that were trained again."""


@pytest.fixture
def ledger() -> Callable[..., None]:
    """What a test tells what its fault has cost."""

    def add(fault: str, *, tried: int = 1, lost: int, twice: int) -> None:
        for place, number in enumerate((tried, lost, twice)):
            COSTS[fault][place] += number

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table in Markdown, as the README has it."""
    if not COSTS:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line("| fault | times tried | cells lost | cells trained twice |")
    terminalreporter.write_line("|:---|---:|---:|---:|")
    for fault, costs in COSTS.items():
        terminalreporter.write_line(f"| {fault} | {' | '.join(str(number) for number in costs)} |")
