"""A sweep of a night in a process of its own: what ends it takes no other sweep along, nor the night's last word."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.nightly_file import NightlySweep

PROGRAM = "madv: "
"""How a line begins that says why a command stopped."""


def sweep_apart(listed: NightlySweep) -> tuple[int, str]:
    """Run `madv sweep`; its exit code, and the last that it said of why.

    Ctrl-C reaches this process alone, which passes it on: the sweep would take two for "at once".
    """
    command = [sys.executable, "-m", "orchestration.cli", "sweep", str(listed.file), *listed.overrides]
    why = ""
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace", start_new_session=True
    ) as process:
        assert process.stderr is not None
        while True:
            try:
                for line in process.stderr:
                    sys.stderr.write(line)
                    sys.stderr.flush()
                    why = line.removeprefix(PROGRAM).strip() if line.startswith(PROGRAM) else why
                break
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
    code = process.returncode
    return code, why or (f"killed by signal {-code}" if code < 0 else f"exit code {code}")
