"""What happened while a sweep ran: one line of JSON an event, in a file of its own for each run.

Written by the driver alone, which hears everything of its workers with each fold: nothing is interleaved, however many
processes and nodes there are. Beside the cells, in logs/<cluster_name>/; where those are behind a URI, which cannot be
appended to, in the folder logs/ where the sweep was started.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.addresses import without_password, without_passwords

if TYPE_CHECKING:
    from orchestration.plan import Plan

FOLDER = "logs"
KEPT = 20
"""Runs of a sweep whose logs stay: 2 events a cell are half a kilobyte."""
MESSAGES, EVENTS = logging.getLogger("madv"), logging.getLogger("madv.events")
ALWAYS, OF_CELLS, OPTIONAL = ("time", "sweep", "event"), ("key", "variant", "subject"), {"message", "traceback"}
ALSO = {"cell ended": (*OF_CELLS, "state"), "cell warned": (*OF_CELLS, "message")}
"""Texts of an event: of each, of a cell's, where there are any, and by kind."""


def note(event: str, **fields: object) -> None:
    """An event of the sweep that runs in this process; nothing where none does. Fields that are None are left out."""
    EVENTS.info(event, extra={"fields": fields})


def logs_folder(storage_path: str) -> Path:
    """Where the logs of the sweeps over this storage are."""
    return Path(FOLDER) if "://" in storage_path else Path(storage_path).expanduser() / FOLDER


def recorded(plan: Plan, run: Callable[[], int]) -> int:
    """Run a sweep with a log of its own; the exit code is run's own."""
    with _journal(plan):
        started = time.monotonic()
        note("sweep started", planned=len(plan.cells), digest=plan.spec.digest, pid=os.getpid(), node=_host())
        end: dict[str, object] = {}
        try:
            end["exit_code"] = run()
            return int(str(end["exit_code"]))
        except BaseException as error:
            end["error"] = f"{type(error).__name__}: {error}"
            raise
        finally:
            note("sweep ended", seconds=round(time.monotonic() - started, 3), **end)


@contextlib.contextmanager
def _journal(plan: Plan) -> Iterator[None]:
    name = plan.spec.cluster_name
    folder = logs_folder(plan.spec.storage_path).absolute() / name
    file = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{_host()}-{os.getpid()}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("*.jsonl"))[: -(KEPT - 1)]:
            old.unlink(missing_ok=True)
        lines = _Lines(file, {"sweep": name})
    except OSError as error:
        MESSAGES.warning("madv: there will be no log in %s: %s", folder, error.strerror)
        yield
        return
    # Python's own handler of last resort, which prints warnings, steps back where there is another.
    handlers = [lines, *([logging.lastResort] if logging.lastResort and not logging.getLogger().handlers else [])]
    EVENTS.setLevel(logging.INFO)
    EVENTS.propagate = False
    EVENTS.addHandler(lines)
    for handler in handlers:
        MESSAGES.addHandler(handler)
    try:
        yield
    finally:
        EVENTS.setLevel(logging.NOTSET)
        EVENTS.removeHandler(lines)
        for handler in handlers:
            MESSAGES.removeHandler(handler)
        lines.close()


class _Lines(logging.Handler):
    """A line a record, flushed; a disk that is full ends the log, not the sweep."""

    def __init__(self, file: Path, common: dict[str, object]) -> None:
        super().__init__()
        self._common = common
        self._file = file.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] | None = getattr(record, "fields", None)
        message = record.getMessage()
        entry = {"event": message, **fields} if fields is not None else {"event": "warning", "message": message}
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, **self._common, **{name: value for name, value in entry.items() if value is not None}}
        with contextlib.suppress(OSError, ValueError):
            self._file.write(json.dumps(without_passwords(line), default=_shown) + "\n")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        super().close()


def events(folder: Path) -> Iterator[dict[str, Any]]:
    """All events below a folder of logs, sweep by sweep and each in its order; what is no event of ours is left out."""
    for file in sorted(folder.glob("*/*.jsonl")):
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with contextlib.suppress(ValueError, RecursionError):
                    entry = json.loads(line)
                    if isinstance(entry, dict) and _is_event(entry):
                        yield {**entry, "run": file.stem}


def _is_event(entry: dict[str, Any]) -> bool:
    """Whether there is what a reader looks for; a line that was cut off is not even JSON."""
    needed = {*ALWAYS, *(OF_CELLS if "key" in entry else ()), *ALSO.get(str(entry.get("event")), ())}
    return all(isinstance(entry.get(name), str) for name in needed | OPTIONAL.intersection(entry))


def _shown(value: object) -> str:
    return without_password(str(value))


def _host() -> str:
    return re.sub(r"[^\w.-]", "_", socket.gethostname()) or "localhost"
