"""What a webhook hears at the end of a command on a sweep, however it ends."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchestration.addresses import without_password
from orchestration.notify import ENDED, notify, webhook

if TYPE_CHECKING:
    from orchestration.prepared import Prepared

FAILED = "failed"


def told(prepared: Prepared, run: Callable[[dict[str, Any]], int]) -> int:
    """Run a sweep and tell its webhook, if it has one, how it ended; the exit code is run's own.

    Args:
        prepared: the sweep.
        run: does it, and adds what it has to say to the summary.
    """
    url = webhook(prepared.plan.spec.notify)
    if url is None:
        return run({})
    summary: dict[str, Any] = {}
    started = time.monotonic()
    event, code = FAILED, None
    try:
        code = run(summary)
        event = ENDED.get(code, FAILED)
        return code
    except BaseException as error:
        summary["error"] = without_password(str(error)) or type(error).__name__
        raise
    finally:
        spec = prepared.plan.spec
        head: dict[str, Any] = {
            "event": event,
            "exit_code": code,
            "sweep": spec.cluster_name,
            "question": spec.question,
        }
        head |= {"digest": spec.digest[:12], "seconds": round(time.monotonic() - started, 1), "cells": _cells(prepared)}
        trouble = notify(url, head | summary)
        if trouble:
            print(f"madv: not notified: {trouble}", file=sys.stderr)


def _cells(prepared: Prepared) -> dict[str, int]:
    """Of the plan: how many there are, are done, and have failed; of a search what is there so far."""
    keys = None if prepared.searches else [cell.key for cell in prepared.plan.cells]
    states = Counter(prepared.store.states(keys).values())
    planned = {} if keys is None else {"planned": len(keys)}
    return planned | {"done": states["done"], "failed": states["failed"]}
