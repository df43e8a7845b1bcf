"""Racing against the same search without it: what it costs in UF1 and what it saves in folds.

python -m tests.bench.race simulates (no Ray, no training): an objective of seven parameters whose folds are noisy as
leave-one-subject-out is. --real searches the demo data twice, with fewer configurations: about 800 folds, half an hour
of two cores.
"""

from __future__ import annotations

import argparse
import csv
import functools
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna

from dashboards.race_simulation import CONFIDENCE, OWN_SPREAD, SUBJECT_SPREAD, folds
from madv.metrics import score_confusion
from orchestration.racing import LEAST_FOLDS, P_THRESHOLD, FoldRace
from orchestration.search_study import tpe
from tests.bench.__main__ import ROOT, madv

TRIALS, REAL_TRIALS = 60, 30
REPETITIONS = 20
SUBJECTS = 40
PARAMETERS = np.array([4, 2, 1, 1, 0.5, 0.25, 0.25])
"""How much each of them matters."""
BEST, DROP = 0.80, 0.9
"""UF1 at the optimum, and what a whole unit of weighted squared distance from it costs."""
SHARES = (0.55, 0.25, 0.20)
"""Of the classes."""

FOLDER = ROOT / "build" / "bench-race"
"""Of the real searches: kept, so that they go on."""
REAL = {
    "      nested: 4\n": "",
    "trials: 30": "trials: TRIALS",
    "{kind: loso}": "{kind: loso, optimistic: true}",
    "train=demo]": 'train=demo, dataset.subjects=20, "dataset.clips_per_class=[40,40,40]"]',
}
"""What of the sweep file is otherwise there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One search."""

    level: float
    """Expected UF1 of what it chose."""
    folds: int
    """That it trained."""


def search(seed: int, *, raced: bool, trials: int = TRIALS, subjects: int = SUBJECTS) -> Outcome:
    """TPE on the simulated objective; the same seed gives the same subjects and the same optimum."""
    rng = np.random.default_rng(seed)
    sizes = rng.multinomial(rng.integers(3, 15, subjects), SHARES)
    ease, optimum = rng.normal(0, SUBJECT_SPREAD, (1, subjects)), rng.random(len(PARAMETERS))
    noise = np.random.default_rng([seed, 1])
    study = optuna.create_study(
        direction="maximize",
        sampler=tpe(seed),
        pruner=FoldRace() if raced else optuna.pruners.NopPruner(),
    )
    levels, trained = [], 0
    for _ in range(trials):
        trial = study.ask()
        point = np.array([trial.suggest_float(f"x{place}", 0, 1) for place in range(len(PARAMETERS))])
        weights = PARAMETERS / PARAMETERS.sum()
        levels.append(max(0.3, BEST - DROP * float(weights @ (point - optimum) ** 2)))
        scores, counts = folds(np.array(levels[-1:]), sizes, ease, noise)
        for step, score in enumerate(scores[0]):  # the subjects' order means nothing here
            trained += 1
            trial.report(score, step)
            if raced and step + 1 < subjects and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, score_confusion(counts[0]).uf1)
    return Outcome(level=levels[study.best_trial.number], folds=trained)


def noise(repetitions: int, subjects: int) -> float:
    """Standard deviation of a measured UF1 around what is expected, at a configuration of .7."""
    rng = np.random.default_rng(0)
    sizes = rng.multinomial(rng.integers(3, 15, subjects), SHARES)
    ease = np.tile(rng.normal(0, SUBJECT_SPREAD, (1, subjects)), (repetitions, 1))
    _, counts = folds(np.full(repetitions, 0.7), sizes, ease, rng)
    return float(np.std([score_confusion(one).uf1 for one in counts]))


def simulate(repetitions: int, trials: int, subjects: int) -> None:
    """Print the gap in UF1 and the share of folds over all repetitions."""
    gaps, shares, started = [], [], time.perf_counter()
    for seed in range(repetitions):
        plain, raced = (search(seed, raced=raced, trials=trials, subjects=subjects) for raced in (False, True))
        gaps.append(plain.level - raced.level)
        shares.append(raced.folds / plain.folds)
    print(
        f"racing against the same TPE without it: {trials} configurations, {repetitions} repetitions, {subjects} "
        f"subjects, p < {P_THRESHOLD:g} from {LEAST_FOLDS} folds on"
    )
    print(
        f"  noise: log odds between subjects {SUBJECT_SPREAD:g}, of a configuration with a subject {OWN_SPREAD:g}, "
        f"confidence {CONFIDENCE[0]:g} to {CONFIDENCE[1]:g}; standard deviation of a UF1 {noise(300, subjects):.3f}"
    )
    print(f"  gap in expected UF1 of the choice: {spread(gaps, '+.3f')} (goal: median at most .015)")
    print(f"  folds trained, of the unraced: {spread(shares, '.0%')} (goal: median at most 50%)")
    print(f"  {time.perf_counter() - started:.0f} s")


def spread(values: Sequence[float], form: str) -> str:
    """Median, quartiles and range."""
    low, first, middle, third, high = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    return f"median {middle:{form}}, quartiles {first:{form}} to {third:{form}}, range {low:{form}} to {high:{form}}"


def real(trials: int) -> None:
    """The demo data with 20 subjects, with and without a race.

    Both draw the same first configurations and find each other's cells, so that these are trained once; the folds that
    are printed are those that each search asked for. What is in the folder is found again.
    """
    text = (ROOT / "sweeps" / "search_weights.yaml").read_text()
    for old, new in REAL.items():
        assert old in text, f"the sweep file no longer says {old.strip()}"
        text = text.replace(old, new)
    found = {}
    for pruner in ("none", "wilcoxon"):
        name = f"race-{pruner}"
        print(f"{name}: {trials} configurations, in {FOLDER}; stopped, it goes on from there", flush=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        file = FOLDER / f"{name}.yaml"
        own = {"search-weights": name, "TRIALS": str(trials), "pruner: wilcoxon": f"pruner: {pruner}"}
        file.write_text(functools.reduce(lambda written, pair: written.replace(*pair), own.items(), text))
        madv(FOLDER, "sweep", str(file))
        with (FOLDER / "reports" / name / "trials.csv").open() as table:
            rows = list(csv.DictReader(table))
        states = Counter(row["state"] for row in rows)
        found[pruner] = (max(float(row["uf1"]) for row in rows if row["uf1"]), sum(int(row["folds"]) for row in rows))
        best, trained = found[pruner]
        said = ", ".join(f"{number} {state}" for state, number in states.items())
        print(f"  {said}; best UF1 {best:.3f}, {trained} folds", flush=True)
    (plain, all_folds), (raced, folds_trained) = found["none"], found["wilcoxon"]
    print(f"demo data, 20 subjects, p < {P_THRESHOLD:g} from {LEAST_FOLDS} folds on, one search each:")
    print(f"  gap in UF1 of the choice {plain - raced:+.3f}, folds {folds_trained / all_folds:.0%} of the unraced")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--trials", type=int, help=f"{TRIALS}, with --real {REAL_TRIALS}")
    parser.add_argument("--subjects", type=int, default=SUBJECTS)
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.real:
        real(options.trials or REAL_TRIALS)
    else:
        simulate(options.repetitions, options.trials or TRIALS, options.subjects)
    return 0


if __name__ == "__main__":
    sys.exit(main())
