"""Whatever is handed in is read, or refused in a sentence: no traceback, no hang, no flood of memory.

The short form is the same every time; `make fuzz` (MADV_FUZZ=20000) takes a random seed, MADV_FUZZ_SEED repeats it.
"""

from __future__ import annotations

import re
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Row
from damage import LONG, SEED
from hypothesis import HealthCheck, given, seed, settings
from readers import KINDS

from madv.errors import MadvError

SHORT = 60
"""Inputs of a kind in the short form."""
SECONDS = 2.0
"""Of CPU: a busy machine is no hang."""
PATIENCE = 120.0
"""Seconds of waiting."""
MEMORY = 2.0
"""GB by which the process may grow."""
LONGEST = 2000
"""Characters of a problem."""


class HangError(BaseException):
    """Not to be caught by what hangs."""


def _hang(*_: object) -> None:
    raise HangError(f"over {SECONDS:g} s of CPU, or {PATIENCE:g} s of waiting")


def peak() -> float:
    """Of the process, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def check_refusal(error: MadvError) -> None:
    """Each problem is a sentence for a terminal, and it names what was handed in."""
    assert error.problems
    for text in map(str, error.problems):
        assert text.isprintable() and 10 < len(text) <= LONGEST and re.search("hostile|storage|cell", text), text


# MLflow brings pydantic and SQLAlchemy features that are on their way out.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow.*")
@pytest.mark.parametrize("name", KINDS)
def test_an_input_is_read_or_refused(name: str, row: Row, tmp_path: Path) -> None:
    sound, inputs, take = KINDS[name]
    for content in sound():
        take(tmp_path, content)
    before = peak()

    @seed(SEED if LONG else 0)
    @settings(
        max_examples=LONG // len(KINDS) + 1 if LONG else SHORT,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs())
    def once(content: Any) -> None:
        row.inputs += 1
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        began = time.process_time()
        try:
            take(tmp_path, content)
        except MadvError as error:
            row.refused += 1
            check_refusal(error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            row.slowest = max(row.slowest, time.process_time() - began)
        row.memory = peak()
        assert row.memory - before < MEMORY

    before_this = {number: signal.signal(number, _hang) for number in (signal.SIGPROF, signal.SIGALRM)}
    try:
        once()
    finally:
        for number, handler in before_this.items():
            signal.signal(number, handler)
