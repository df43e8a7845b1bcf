"""What the engine costs beside training, with simulated folds (`make bench-overhead`).

Folds of 0.4 s on our engine against one plain Ray Tune function trial a fold, a shell loop of one process a fold, and
joblib over folds in processes: the same predictions, each process importing torch as training does. Then cells of no
work, 1,000 to 10,000 of them: time, memory of the driver, and how fast all of them are found complete.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SIMULATED = ROOT / "tests" / "orchestration"
FOLD_SECONDS = 0.4
SUBJECTS = 42
"""Of four variants: 168 folds."""
FEW = 42
"""Folds of the two slow baselines, whose time is linear in folds."""
NO_WORK_SUBJECTS = 25
"""Folds of a trial of no work."""
CELLS = (1_000, 3_000, 10_000)
Predictions = dict[str, list[int]]
"""Key of the cell -> predicted classes."""


def busy(config: Any, fold: Any, clips: Any, seed: int, progress: Any = None) -> Any:
    """Keep a core busy for FOLD_SECONDS, in a process that has imported torch."""
    import simulated
    import torch  # noqa: F401

    end = time.perf_counter() + FOLD_SECONDS
    while time.perf_counter() < end:
        pass
    return simulated.train(config, fold, clips, seed)


def plan(subjects: int, seeds: int = 1) -> Any:
    """Four variants."""
    import simulated

    return simulated.plan(subjects=subjects, seeds=seeds, name="overhead")


def one_fold(number: int) -> tuple[str, list[int]]:
    """Train a fold of the comparison by its number, from nothing: what a baseline calls."""
    import simulated

    laid_out = plan(SUBJECTS)
    planned = laid_out.cells[number]
    variant = next(one for one in laid_out.variants if one.name == planned.variant)
    clips, fold = simulated.fold(variant.config, planned.subject)
    return planned.key, busy(variant.config, fold, clips, planned.seed).y_pred.tolist()


def engine(folder: Path, laid_out: Any, trainer: str) -> None:
    """Our engine on a plan, Ray's start and end included."""
    from orchestration.cells import CellStore
    from orchestration.runner import run
    from orchestration.weights import WeightStore

    store, weights = CellStore(folder), WeightStore(folder)
    run(laid_out, store, weights, folder / "clips", lambda event: None, trainer=trainer, loader="simulated:load")


def engine_folds(folder: Path) -> Predictions:
    """All folds of the comparison."""
    from orchestration.cells import CellStore

    laid_out = plan(SUBJECTS)
    engine(folder, laid_out, "tests.bench.overhead:busy")
    return {cell.key: cell.y_pred.tolist() for cell in CellStore(folder).read_many(one.key for one in laid_out.cells)}


def function_trials(folder: Path) -> Predictions:
    """One Tune function trial a fold, on a Ray of its own, as the tutorials have it."""
    import ray
    from ray import tune

    def train_fold(config: dict[str, int]) -> None:
        key, predicted = one_fold(config["fold"])
        tune.report({"key": key, "predicted": predicted})

    ray.init(address="local", include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    tuner = tune.Tuner(
        tune.with_resources(train_fold, {"cpu": 1}),
        param_space={"fold": tune.grid_search(list(range(FEW)))},
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    )
    found = {one.metrics["key"]: one.metrics["predicted"] for one in tuner.fit()}
    ray.shutdown()
    return found


def shell_loop(folder: Path) -> Predictions:
    """One process a fold, one after the other."""
    command = f'for fold in $(seq 0 {FEW - 1}); do "$0" -m tests.bench.overhead fold $fold || exit 1; done'
    done = subprocess.run(["sh", "-c", command, sys.executable], cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(json.loads(line) for line in done.stdout.splitlines())


def joblib_folds(folder: Path) -> Predictions:
    """Folds in processes that stay."""
    from joblib import Parallel, delayed

    cores = len(os.sched_getaffinity(0))
    return dict(Parallel(n_jobs=cores)(delayed(one_fold)(number) for number in range(4 * SUBJECTS)))


WAYS: dict[str, tuple[Callable[[Path], Predictions], int, float | None]] = {
    "engine": (engine_folds, 4 * SUBJECTS, None),
    "one Tune function trial a fold": (function_trials, FEW, 6.0),
    "a shell loop, one process a fold": (shell_loop, FEW, 5.0),
    "joblib over folds in processes": (joblib_folds, 4 * SUBJECTS, 0.9),
}
"""How folds are trained: by what, how many of them, how many times as fast ours is to be."""


def compared(way: str) -> dict[str, Any]:
    """Seconds a fold, and the predictions."""
    train, folds, _ = WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        found = train(Path(folder))
        return {"seconds": (time.perf_counter() - started) / folds, "predictions": found}


def no_work(cells: int) -> dict[str, Any]:
    """Cells of no work: seconds in all, the driver's peak memory, and the seconds to find all of them complete."""
    from orchestration.cells import CellStore

    seeds = cells // (4 * NO_WORK_SUBJECTS)
    laid_out = plan(NO_WORK_SUBJECTS, seeds)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        engine(Path(folder), laid_out, "simulated:train")
        seconds = time.perf_counter() - started
        memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        again = plan(NO_WORK_SUBJECTS, seeds)
        complete = len(CellStore(folder).states([cell.key for cell in again.cells])) == len(again.cells)
        assert complete, "cells are missing"
        return {"cells": len(again.cells), "seconds": seconds, "memory": memory, "found": time.perf_counter() - started}


def apart(*arguments: str) -> Any:
    """The figures of a process of its own."""
    command = [sys.executable, "-m", "tests.bench.overhead", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def draw(runs: Sequence[dict[str, Any]], file: Path) -> None:
    """Seconds over cells, with the line through the first and the last."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    cells, seconds = [run["cells"] for run in runs], [run["seconds"] for run in runs]
    axes.plot([cells[0], cells[-1]], [seconds[0], seconds[-1]], color="0.7", label="a straight line")
    axes.plot(cells, seconds, "o", label="measured")
    axes.set(xlabel="cells of no work", ylabel="seconds, Ray's start included", xlim=0, ylim=0)
    axes.legend()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)


def compare_ways() -> None:
    """Print how many times as fast our engine is."""
    print(f"folds of {FOLD_SECONDS} s on {len(os.sched_getaffinity(0))} cores, seconds a fold:")
    ours = apart("way", "engine")
    print(f"  engine: {ours['seconds']:.2f}, Ray's start included")
    for way, (_, _, goal) in WAYS.items():
        if goal is not None:
            theirs = apart("way", way)
            same = all(ours["predictions"][key] == predicted for key, predicted in theirs["predictions"].items())
            ratio = theirs["seconds"] / ours["seconds"]
            said = "the same predictions" if same else "OTHER PREDICTIONS"
            print(f"  {way}: {theirs['seconds']:.2f}, {said}; ours {ratio:.2f} x as fast (goal: at least {goal:g} x)")


def many_cells(numbers: Sequence[int], out: Path) -> None:
    """Print what cells of no work cost."""
    runs = [apart("cells", str(number)) for number in numbers]
    print(f"cells of no work, {NO_WORK_SUBJECTS} folds a trial:")
    for run in runs:
        each = 1000 * run["seconds"] / run["cells"]
        said = f"{run['seconds']:.1f} s, {each:.1f} ms a cell, driver {run['memory'] / 1e9:.2f} GB"
        print(f"  {run['cells']:,}: {said}; planned and found complete in {run['found']:.1f} s")
    print("  goals at 10,000: 15 ms a cell, 1 GB, found in 5 s")
    if len(runs) > 1:
        draw(runs, out / "overhead.svg")
        print(f"  {out / 'overhead.svg'}")


def main() -> int:
    """Everything, or one measurement in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--cells", type=int, nargs="*", default=CELLS, help="how many, of no work")
    parser.add_argument("--skip-comparison", action="store_true", help="cells of no work only")
    parser.add_argument("--out", type=Path, default=Path("reports/bench"), metavar="FOLDER", help="of the plot")
    options = parser.parse_args()
    # Workers of Ray and of joblib, and the loop's processes, find the stand-ins as this process does.
    os.environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(SIMULATED)))
    sys.path[:0] = [str(ROOT), str(SIMULATED)]
    os.environ["OMP_NUM_THREADS"] = "1"
    match options.one:
        case ["fold", number]:
            print(json.dumps(one_fold(int(number))))
        case ["way", way]:
            print(json.dumps(compared(way)))
        case ["cells", number]:
            print(json.dumps(no_work(int(number))))
        case _:
            if not options.skip_comparison:
                compare_ways()
            many_cells(options.cells, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
