"""Clips made in several processes, each as it is done."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from madv.data.prepare_clip import ClipJob, Made, make_and_write
from madv.errors import DataError

if TYPE_CHECKING:  # every process imports this module: the plan's own imports take longer than a hundred frames
    from madv.data.prepare_plan import Plan

FEWEST = 8
"""Clips that another process is worth starting for."""


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_all(jobs: Sequence[ClipJob], todo: Plan, making: Path, processes: int) -> Iterator[Made]:
    """Make clips in processes of their own, or in this one where there are few.

    Raises:
        DataError: a process was killed.
        OSError: the disk is full.
    """
    processes = min(processes, len(jobs) // FEWEST)
    if processes < 2:
        for job in jobs:
            yield make_and_write(job, todo.recipe, making)
        return
    with _one_thread_each(), ProcessPoolExecutor(processes, get_context("spawn"), _end_with_parent) as pool:
        try:
            futures = [pool.submit(make_and_write, job, todo.recipe, making) for job in jobs]
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            message = "a process that decodes was killed (out of memory?); run it again: finished clips are kept"
            raise DataError(message) from None
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile compute in one thread: there is one process a core."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """Of a process that decodes: leave Ctrl-C to the parent, and end when it ends, however that was."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
