"""Ctrl-C: once, what runs is brought to its end; twice, the process and all below it end now."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


@contextlib.contextmanager
def twice_ends() -> Iterator[None]:
    """Within, the first SIGINT raises KeyboardInterrupt, and the second ends the process whatever it is at."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not main or before is not signal.default_int_handler:
        yield  # in a background job of a shell it is ignored
        return

    def first(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGINT, second)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def second(number: int, frame: FrameType | None) -> NoReturn:
    """The handler of the second."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Not by print: the first may have come in the middle of one.
    with contextlib.suppress(OSError):
        os.write(sys.__stderr__.fileno(), b"\nmadv: stopped at once; what was finished is kept\n")  # type: ignore[union-attr]
    end_now(INTERRUPTED)


def end_now(code: int) -> NoReturn:
    """End this process from any thread, and take the processes of a local Ray along."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os._exit(code)
