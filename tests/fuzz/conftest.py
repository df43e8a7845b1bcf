"""The table of what was tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from damage import LONG, SEED


@dataclass(kw_only=True, slots=True)
class Row:
    """What became of the inputs of a kind."""

    kind: str
    inputs: int = 0
    refused: int = 0
    """By a sentence; the others were read."""
    slowest: float = 0.0
    """CPU seconds."""
    memory: float = 0.0
    """Peak of the process so far, GB."""


ROWS: list[Row] = []


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Iterator[Row]:
    """The line that a test fills in."""
    ROWS.append(Row(kind=request.node.callspec.params["name"]))
    yield ROWS[-1]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table in Markdown."""
    if not (LONG and ROWS):
        return
    terminalreporter.section(f"hostile input, MADV_FUZZ_SEED={SEED}")
    terminalreporter.write_line("| kind | inputs | read | refused | slowest, s | peak memory, GB |")
    terminalreporter.write_line("|:---|---:|---:|---:|---:|---:|")
    for one in ROWS:
        counts = f"{one.inputs} | {one.inputs - one.refused} | {one.refused}"
        terminalreporter.write_line(f"| {one.kind} | {counts} | {one.slowest:.2f} | {one.memory:.2f} |")
