"""How many trials share a GPU: as asked, or as a pilot measured; fewer once their memory did not suffice."""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import TYPE_CHECKING

from madv.errors import ClusterError
from orchestration.gpu_use import Use, trials_per_gpu

if TYPE_CHECKING:
    from orchestration.spec import Resources
    from orchestration.tasks import TrialTask


class Packing:
    """GPUs of a trial, and trials that run at once."""

    def __init__(self, resources: Resources, available: dict[str, float]) -> None:
        """Args:
        resources: of the sweep file.
        available: of Ray, by name.

        Raises:
            ClusterError: not one trial fits.
        """
        self._cpus, self._available = resources.cpus_per_trial, available
        self.gpus, self.slots = shares(resources, available)
        self.wants_pilot = resources.gpus_per_trial == "auto" and self.gpus > 0

    @property
    def crowd(self) -> bool:
        """Whether trials share a GPU."""
        return 0 < self.gpus < 1

    def fill(self, use: Use) -> None:
        """Put as many trials on a GPU as a pilot's use of it leaves room for."""
        self.wants_pilot = False
        cpus = self._available.get("CPU", 0) / self._cpus / self._available["GPU"] if self._cpus else math.inf
        self._share(trials_per_gpu(use, cpus))
        if use.memory is not None:
            busy = "" if use.utilisation is None else f", {use.utilisation:.0%} busy"
            _say(f"a pilot held {use.memory / 2**30:.1f} GiB of its GPU{busy}: {_trials(self.gpus)}")

    def thin(self) -> None:
        """Put half as many trials on a GPU: some found too little memory."""
        self._share(max(1, round(1 / self.gpus) // 2))
        _say(f"a GPU's memory did not suffice: now {_trials(self.gpus)}")

    def _share(self, trials: int) -> None:
        # Ray counts in ten-thousandths.
        self.gpus = math.floor(1e4 / trials) / 1e4
        self.slots = slots_of(self._available, self._cpus, self.gpus)


def pilot(task: TrialTask) -> TrialTask:
    """The part of a task that tells what it uses of a GPU: one fold, or all where they are one program."""
    from madv.together import most_at_once

    return task if most_at_once(task.config) > 1 else dataclasses.replace(task, cells=task.cells[:1])


def _trials(gpus: float) -> str:
    number = round(1 / gpus)
    return f"{number} trials share one" if number > 1 else "one trial each"


def _say(message: str) -> None:
    logging.getLogger("madv").warning(message)


def shares(resources: Resources, available: dict[str, float]) -> tuple[float, int]:
    """GPUs of a trial, and trials that run at once.

    Raises:
        ClusterError: not one fits.
    """
    gpus = gpus_per_trial(resources.gpus_per_trial, available)
    return gpus, slots_of(available, resources.cpus_per_trial, gpus)


def gpus_per_trial(asked: float | str, available: dict[str, float]) -> float:
    """auto is one GPU where there is one, else none."""
    if asked == "auto":
        return 1.0 if available.get("GPU", 0) >= 1 else 0.0
    return float(asked)


def slots_of(available: dict[str, float], cpus: float, gpus: float) -> int:
    """Trials that run at once.

    Raises:
        ClusterError: not one fits.
    """
    shares = [available.get(name, 0) / share for name, share in (("CPU", cpus), ("GPU", gpus)) if share]
    slots = int(min(shares, default=1))
    if slots < 1:
        has = f"{available.get('CPU', 0):g} CPUs and {available.get('GPU', 0):g} GPUs"
        raise ClusterError(
            f"a trial asks for {cpus:g} CPUs and {gpus:g} GPUs; Ray has {has}; lower metadata.sweep.resources"
        )
    return slots
