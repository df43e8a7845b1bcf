"""One driver a study: a lock that ends with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from madv.errors import Problem
from orchestration.ids import digest
from orchestration.search_study import JOURNAL, SQLITE, StudyError, storage_url

if TYPE_CHECKING:
    from orchestration.search_plan import Search

POSTGRES = "postgresql"
SUFFIX = ".lock"
"""Of the file beside a study's file. It stays behind, and holds nothing: the kernel keeps the locks."""
LARGEST = 2**62


@contextlib.contextmanager
def alone(searches: Sequence[Search]) -> Iterator[None]:
    """Hold the studies of a sweep. Two drivers would each take the other's trials for cut off.

    The kernel drops a file's lock, and PostgreSQL that of a session, when their process is gone: what kill -9 leaves
    behind blocks nobody. Other databases are not guarded.

    Args:
        searches: of one sweep, whose studies have one storage.

    Raises:
        StudyError: another driver has one of them.
    """
    url = storage_url(searches[0])
    marks = {int(digest(search.study)[:16], 16) % LARGEST: search for search in searches}
    for start in (SQLITE, JOURNAL):
        if url.startswith(start):
            with _locked_file(url.removeprefix(start) + SUFFIX, marks):
                yield
            return
    if url.startswith(POSTGRES):
        with _locked_session(url, marks):
            yield
        return
    yield


@contextlib.contextmanager
def _locked_file(path: str, marks: dict[int, Search]) -> Iterator[None]:
    """One byte a study: a storage may hold those of several sweeps."""
    with contextlib.ExitStack() as stack:
        # What can be neither written nor locked guards nothing; a study that is not there says so when it is opened.
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            file = stack.enter_context(open(path, "a+b"))
            for mark, search in marks.items():
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, mark)
                except (BlockingIOError, PermissionError):
                    raise _taken(search) from None
        yield


@contextlib.contextmanager
def _locked_session(url: str, marks: dict[int, Search]) -> Iterator[None]:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    with contextlib.ExitStack() as stack:
        try:
            engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
            session = stack.enter_context(engine.connect())
            held = {mark: session.scalar(text("SELECT pg_try_advisory_lock(:mark)"), {"mark": mark}) for mark in marks}
        except (SQLAlchemyError, ImportError):
            held = {}  # the study itself cannot be opened either, which says why
        for mark, got in held.items():
            if not got:
                raise _taken(marks[mark])
        yield


def _taken(search: Search) -> StudyError:
    place = search.spec.places.get("study", "search.study")
    message = f"another `madv sweep` is at work on the study {search.study!r}; wait for its end, or stop it"
    return StudyError([Problem(place=place, message=message)])
