"""How far a sweep is: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console

from orchestration.tasks import CellEvent

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_SECONDS = 10.0
"""Between two lines where there is no terminal."""
WINDOW = 50
"""The rate is that of the last so many cells."""


class SweepProgress:
    """Cells done of all, rate, time left and failures. A context manager that holds the live display.

    Args:
        total: cells of the plan.
        done: of them, those that were there before.
        console: where to write.
        clock: seconds, for tests.
    """

    def __init__(self, total: int, done: int, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.done = done
        self.failed = 0
        self._console = console
        self._clock = clock
        self._ends: deque[float] = deque(maxlen=WINDOW + 1)  # starting Ray does not count
        self._last_line = clock()
        self._live: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> SweepProgress:
        if self._console.is_terminal:
            self._live = _live_display(self._console, self.total, self.done)
            self._live[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Give the terminal back; safe to call twice and from another thread."""
        if self._live is not None:
            self._live[0].stop()
            self._live = None

    def update(self, event: CellEvent) -> None:
        """A cell has ended."""
        self.done += 1
        self.failed += event.state == "failed"
        self._ends.append(self._clock())
        if self._live is not None:
            display, task = self._live
            display.update(task, completed=self.done, status=self.status())
        elif self._clock() - self._last_line >= PLAIN_SECONDS or self.done == self.total:
            self._last_line = self._clock()
            self._console.print(self.line(), highlight=False)

    def skip(self, count: int) -> None:
        """So many cells will not be trained after all."""
        self.total -= count
        if self._live is not None:
            display, task = self._live
            display.update(task, total=self.total)

    def line(self) -> str:
        """All in one line, e.g. "57 of 168 cells, 1.9 a second, 58 s left, 1 failed"."""
        return f"{self.done} of {self.total} cells, {self.status()}"

    def status(self) -> str:
        """Rate, time left and failures."""
        elapsed = self._ends[-1] - self._ends[0] if self._ends else 0.0
        rate = (len(self._ends) - 1) / elapsed if elapsed > 0 else None
        parts = ["starting" if rate is None else _rate(rate)]
        if rate is not None and self.done < self.total:
            parts.append(f"{duration((self.total - self.done) / rate)} left")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time span for people: "8 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _rate(rate: float) -> str:
    return f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.1f} a minute"


def _live_display(console: Console, total: int, done: int) -> tuple[Progress, TaskID]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), MofNCompleteColumn(), BarColumn(), TextColumn("{task.fields[status]}"))
    display = Progress(*columns, TimeElapsedColumn(), console=console, refresh_per_second=4)
    return display, display.add_task("cells", total=total, completed=done, status="starting Ray")
