"""Simulated studies at full length: false alarms, coverage of intervals, power (`make calibration`).

Subjects are drawn anew in every study, their numbers of clips from those of real data sets.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

import numpy as np
from rich.progress import track

from dashboards import calibration, statistics
from dashboards.calibration import Population, simulate, skill_for, truth
from dashboards.statistics import uf1

SMIC = (6, 6, 39, 19, 2, 4, 13, 4, 7, 9, 10, 10, 4, 7, 2, 22)
SAMM = (11, 8, 4, 4, 20, 3, 6, 10, 3, 5, 4, 3, 1, 4, 2, 5, 1, 1, 9, 3, 3, 1, 4, 5, 3, 8, 1, 1)
CASME2 = (3, 9, 5, 2, 6, 4, 5, 1, 10, 4, 11, 2, 3, 3, 3, 31, 11, 2, 1, 2, 8, 3, 5, 11)
SETS = {
    "SMIC, 16 subjects": SMIC,
    "SAMM, 28 subjects": SAMM,
    "MEGC2019's composite, 68 subjects": CASME2 + SAMM + SMIC,
}
"""Clips of each subject in MEGC2019's protocol."""
SCORE, ALPHA, SEEDS = 0.70, 0.05, 2
SAME, COVERED, POWERED = 4000, 2000, 1000
"""Studies of each kind: with 400 of equal variants, a true .050 would break its promise by chance in one run of 20."""
DIFFERENCES = (0.02, 0.05, 0.10)


def main() -> int:
    """Print the table; 1 if a promise is broken."""
    kept = [report(name, sizes) for name, sizes in SETS.items()]
    return 0 if all(kept) else 1


def report(name: str, sizes: tuple[int, ...]) -> bool:
    """One kind of study; whether its promises hold."""
    population, subjects = Population(sizes=sizes), len(sizes)
    rng = np.random.default_rng(subjects)
    skill = skill_for(population, SCORE, uf1)
    value = truth(population, skill, uf1, rng)
    patterns, weights = statistics.exchanges(rng, subjects), statistics.subject_weights(rng, subjects)

    def rejected(other: float) -> bool:
        first, second = simulate(population, [skill, other], subjects, SEEDS, rng)
        return calibration.rejects(first, second, uf1, ALPHA, patterns)

    def covered() -> bool:
        return calibration.covers(simulate(population, [skill], subjects, SEEDS, rng)[0], value, uf1, ALPHA, weights)

    alarms = share(lambda: rejected(skill), SAME, f"{name}: equal variants")
    coverage = share(covered, COVERED, f"{name}: intervals")
    powers = []
    for difference in DIFFERENCES:
        better = skill_for(population, SCORE + difference, uf1)
        power = share(functools.partial(rejected, better), POWERED, f"{name}: +{difference:.2f}")
        powers.append(f"+{difference:.2f}: {power:.2f}")
    right = 0.025 <= alarms <= 0.075, 0.92 <= coverage <= 0.975
    print(f"{name}, UF1 {SCORE:.2f}, {SEEDS} seeds")
    print(f"  equal variants called different: {_share(alarms, SAME)} (promise .025 to .075){_said(right[0])}")
    print(f"  intervals that hold the truth: {_share(coverage, COVERED)} (promise .920 to .975){_said(right[1])}")
    print(f"  a true difference found ({POWERED} studies each): {', '.join(powers)}", flush=True)
    return all(right)


def share(study: Callable[[], bool], number: int, title: str) -> float:
    """Of that many studies, those of which it holds."""
    return sum(study() for _ in track(range(number), title, transient=True)) / number


def _share(value: float, number: int) -> str:
    return f"{value:.3f} of {number}, ±{np.sqrt(value * (1 - value) / number):.3f}"


def _said(right: bool) -> str:
    return "" if right else "  BROKEN"


if __name__ == "__main__":
    sys.exit(main())
