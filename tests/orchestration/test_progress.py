"""The progress display without a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from orchestration.plan import PlannedCell
from orchestration.progress import PLAIN_SECONDS, SweepProgress, duration
from orchestration.tasks import CellEvent


class Clock:
    """Seconds, set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def event(state: str = "done") -> CellEvent:
    cell = PlannedCell(key="k", variant="reference", seed=0, subject="s01")
    return CellEvent(cell=cell, state="failed" if state == "failed" else "done", seconds=1.0)


def test_rate_and_time_left_count_from_the_first_cell() -> None:
    clock = Clock()
    progress = SweepProgress(20, 10, Console(file=io.StringIO()), clock)
    assert progress.line() == "10 of 20 cells, starting"
    clock.now = 100.0  # Ray was starting
    for _ in range(5):
        progress.update(event())
        clock.now += 0.5
    assert progress.line() == "15 of 20 cells, 2.0 a second, 2 s left"


def test_failures_show() -> None:
    clock = Clock()
    progress = SweepProgress(3, 0, Console(file=io.StringIO()), clock)
    for state in ("done", "failed"):
        progress.update(event(state))
        clock.now += 10
    assert progress.line() == "2 of 3 cells, 6.0 a minute, 10 s left, 1 failed"


def test_without_a_terminal_a_line_comes_now_and_then_and_at_the_end() -> None:
    clock, output = Clock(), io.StringIO()
    with SweepProgress(40, 0, Console(file=output), clock) as progress:
        for _ in range(40):
            clock.now += 1
            progress.update(event())
    lines = output.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [f"{done} of 40 cells" for done in (10, 20, 30, 40)]
    assert PLAIN_SECONDS == 10


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.4, "8 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
