"""Ctrl-C and SIGTERM: once, what runs is brought to its end; twice, the process and all below it end now."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


@contextlib.contextmanager
def twice_ends() -> Iterator[None]:
    """Within, the first SIGINT or SIGTERM raises KeyboardInterrupt, and the second ends the process whatever it is at.

    A scheduler that takes its machine back sends SIGTERM: what is being written deserves the same. The second is a
    thread's to notice: the main one may be in a call that does not come back to Python.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # In a background job of a shell Ctrl-C is ignored, and stays so.
    usual = (signal.default_int_handler, signal.SIG_DFL)
    ours = [number for number, handler in before.items() if handler in usual]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    thread = threading.Thread(target=_count, args=(reader, ours), name="interrupts", daemon=True)
    thread.start()
    others = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in ours:
        signal.signal(number, _first)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
        signal.set_wakeup_fd(others)
        os.close(writer)
        thread.join()
        os.close(reader)


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Ray has a SIGTERM of its own, which would end a sweep without a word; what there was comes back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _first(number: int, frame: FrameType | None) -> NoReturn:
    """The handler of the first."""
    for one in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(one) is _first:
            signal.signal(one, _second)
    raise KeyboardInterrupt


def _second(number: int, frame: FrameType | None) -> None:
    """The thread has it."""


def _count(reader: int, ours: Sequence[int]) -> None:
    """Wait for the second of these signals: of each that has a handler the interpreter writes a byte, its number."""
    seen = 0
    while found := os.read(reader, 1):
        seen += found[0] in ours
        if seen == 2:
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
