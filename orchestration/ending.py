"""What a webhook hears at the end of a command on a sweep, however it ends."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from madv.errors import MadvError
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
        _tell(prepared, event, code, summary | {"seconds": round(time.monotonic() - started, 1)})


def tell_lost(prepared: Prepared, reason: str) -> None:
    """The same where the process will not come to the end of run: its Ray is gone."""
    _tell(prepared, FAILED, 2, {"error": f"Ray is lost: {reason}"})


def _tell(prepared: Prepared, event: str, code: int | None, summary: dict[str, Any]) -> None:
    spec = prepared.plan.spec
    url = webhook(spec.notify)
    if url is None:
        return
    head: dict[str, Any] = {
        "event": event,
        "exit_code": code,
        "sweep": spec.cluster_name,
        "question": spec.question,
        "digest": spec.digest[:12],
        "cells": _cells(prepared),
    }
    trouble = notify(url, head | summary)
    if trouble:
        print(f"madv: not notified: {trouble}", file=sys.stderr)


def _cells(prepared: Prepared) -> dict[str, int]:
    """Of the plan: how many there are, are done, and have failed; of a search what is there so far."""
    keys = None if prepared.searches else [cell.key for cell in prepared.plan.cells]
    try:
        states = Counter(prepared.store.states(keys).values())
    except MadvError:
        return {}  # the storage is in trouble, which is what is told
    planned = {} if keys is None else {"planned": len(keys)}
    return planned | {"done": states["done"], "failed": states["failed"]}
