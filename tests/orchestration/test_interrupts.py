"""The second Ctrl-C ends a process that does not come back to Python, and so do two that come as one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STUCK = """
import sqlite3, threading
from orchestration.interrupts import twice_ends
endless = "with recursive one(x) as (select 1 union all select x + 1 from one) select max(x) from one"
with twice_ends():
    threading.Timer(1, print, ["in"], {"flush": True}).start()
    sqlite3.connect(":memory:").execute(endless).fetchone()
"""


@pytest.mark.parametrize("pause", [0.05, 0.5])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_ends_what_hangs(pause: float, second: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with Ctrl-C ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "in\n"
        process.send_signal(signal.SIGINT)
        time.sleep(pause)
        assert process.poll() is None
        process.send_signal(second)
        try:
            errors = process.communicate(timeout=30)[1]
        finally:
            process.kill()
        assert (process.returncode, errors) == (130, "\nmadv: stopped at once; what was finished is kept\n")
