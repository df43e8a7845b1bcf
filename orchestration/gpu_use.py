"""What a trial uses of a GPU, and how many trials that leaves room for."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

PERIOD = 0.05
"""Seconds between two looks at the GPU."""
CONTEXT = 600 * 2**20
"""Bytes that a process holds on a GPU before it has a tensor there."""
FILL = 0.9
"""Share of a GPU's memory that trials may fill."""
SAID = ("out of memory", "alloc_failed")
"""By errors of CUDA's libraries whose type does not tell."""


@dataclass(kw_only=True, slots=True)
class Use:
    """Of one GPU by one trial, as far as it was measured."""

    memory: int | None = None
    """Bytes, at most, that torch held."""
    total: int | None = None
    """Bytes of the GPU."""
    utilisation: float | None = None
    """Share of the time in which a kernel ran."""


def trials_per_gpu(use: Use, cpus: float) -> int:
    """How many such trials a GPU takes.

    Args:
        use: of the trial that was measured.
        cpus: trials that the processors of a GPU's share take.
    """
    if use.memory is None or use.total is None:
        return 1
    by_memory = FILL * use.total / (use.memory + CONTEXT)
    by_time = math.inf if not use.utilisation else 1 / use.utilisation
    return max(1, int(min(by_memory, by_time, cpus)))


@contextlib.contextmanager
def watched(use: Use, *, wanted: bool) -> Iterator[None]:
    """Measure into `use` what this process does on its GPU meanwhile, if that is wanted and there is one."""
    if not wanted:
        yield
        return
    import torch

    if not torch.cuda.is_available():
        yield
        return
    torch.cuda.reset_peak_memory_stats()
    looks: list[float] = []
    done = threading.Event()

    def look() -> None:
        # NVML may be missing or forbidden in a container; packing then goes by memory and processors.
        with contextlib.suppress(Exception):
            while not done.wait(PERIOD):
                looks.append(torch.cuda.utilization() / 100)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        use.memory = torch.cuda.max_memory_reserved()
        use.total = torch.cuda.get_device_properties(0).total_memory
        use.utilisation = sum(looks) / len(looks) if looks else None


def out_of_memory(error: BaseException) -> bool:
    """Whether a GPU had too little memory for it. What it took is given back."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    # CUDA's libraries say it in words alone: "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED".
    said = torch.cuda.is_available() and any(words in str(error).lower() for words in SAID)
    if not (said or isinstance(error, torch.OutOfMemoryError)):
        return False
    torch.cuda.empty_cache()
    return True
