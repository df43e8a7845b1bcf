"""What faults are measured against, and the table of what they cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from drill import FULL, ROOT, SMALL, Sweep


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What a kind of fault has cost."""

    fault: str
    tried: int
    lost: int
    """Cells that were missing in the end."""
    twice: int
    """Finished cells that were trained again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Undisturbed:
    """A sweep to which nothing happened."""

    sweep: Sweep
    seconds: float
    table: str
    predictions: dict[str, bytes]

    def again(self, folder: object, **environment: str) -> Sweep:
        """The same sweep in another folder, on the same clips."""
        text = self.sweep.text
        return Sweep(folder=folder, text=text, environment={**self.sweep.environment, **environment})  # type: ignore[arg-type]


ROWS: list[Row] = []


@pytest.fixture
def ledger() -> list[Row]:
    """The table to which a test adds its line."""
    return ROWS


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    """The demo's sweep, or a small one."""
    text = (ROOT / "sweeps" / "ablate_streams.yaml").read_text() if FULL else SMALL
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep = Sweep(folder=folder, text=text, environment={"MADV_CACHE": str(folder / "clips"), "OMP_NUM_THREADS": "1"})
    started = time.monotonic()
    assert sweep.run() == 0, sweep.output()
    seconds = time.monotonic() - started
    yield Undisturbed(sweep=sweep, seconds=seconds, table=sweep.table(), predictions=sweep.predictions())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table in Markdown, as the README has it."""
    if not ROWS:
        return
    total: dict[str, Row] = {}
    for row in ROWS:
        known = total.get(row.fault, Row(fault=row.fault, tried=0, lost=0, twice=0))
        total[row.fault] = Row(
            fault=row.fault,
            tried=known.tried + row.tried,
            lost=known.lost + row.lost,
            twice=known.twice + row.twice,
        )
    terminalreporter.section("faults")
    terminalreporter.write_line("| fault | times tried | cells lost | cells trained twice |")
    terminalreporter.write_line("|:---|---:|---:|---:|")
    for row in total.values():
        terminalreporter.write_line(f"| {row.fault} | {row.tried} | {row.lost} | {row.twice} |")
