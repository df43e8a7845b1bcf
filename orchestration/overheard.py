"""What a fold said while it trained: warnings of Python and of our own log, for the sweep's log."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

MOST, LENGTH = 20, 500
"""Warnings of one fold, and characters of one, that are kept."""


@contextlib.contextmanager
def overheard() -> Iterator[list[str]]:
    """Collects the warnings of what runs in it; each once."""
    said: dict[str, None] = {}
    listener = _Collect(said)
    logger = logging.getLogger("madv")
    logger.addHandler(listener)
    heard: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            yield heard
    finally:
        logger.removeHandler(listener)
        for one in caught:
            said.setdefault(f"{one.category.__name__}: {one.message}")
        heard += [text[:LENGTH] for text in list(said)[:MOST]]


class _Collect(logging.Handler):
    def __init__(self, said: dict[str, None]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.setdefault(record.getMessage())
