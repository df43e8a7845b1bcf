"""Searches of simulated folds: a space around the reference, laid out without a data set."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import simulated

from madv.config import Config
from madv.data.clips import Clips
from madv.data.folds import Fold
from madv.fold_result import FoldResult
from orchestration.cell_records import done_cell, failed_cell
from orchestration.cells import CellStore
from orchestration.keyed_store import State
from orchestration.plan import Facts, PlannedCell, expand
from orchestration.search_driver import Driver
from orchestration.search_plan import Search, lay_out_searches
from orchestration.search_run import run_searches
from orchestration.spec import load_spec
from orchestration.tasks import TrialTask
from orchestration.weights import WeightStore

SPACE = """\
        loss.focal_mu: {low: 0, high: 2}
        model.streams.au: [true, false]
        loss.w_au: {low: 0.1, high: 10, log: true, when: model.streams.au=true}
"""
FILE = """\
cluster_name: simulated
metadata:
  sweep:
    base: [dataset.subjects=SUBJECTS, "dataset.clips_per_class=[SUBJECTS,SUBJECTS,SUBJECTS]", train.epochs=2]
DESIGN
    protocol: {optimistic: true}
    storage_path: FOLDER/store
    search:
      trials: TRIALS
OPTIONS
      space:
SPACE"""
HOLD = """
import sys, time
from pathlib import Path
from simulated_search import searches
from orchestration.search_guard import alone
with alone(searches(Path(sys.argv[1]), 4, 6, sys.argv[2])):
    print("held", flush=True)
    time.sleep(600)
"""


def searches(
    folder: Path,
    subjects: int = 4,
    trials: int = 6,
    options: str = "",
    space: str = SPACE,
    *overrides: str,
    design: str = "design: search",
) -> tuple[Search, ...]:
    """The searches of a file that is written to the folder."""
    values = {"SUBJECTS": subjects, "TRIALS": trials, "FOLDER": folder, "OPTIONS": f"      {options}", "SPACE": space}
    values["DESIGN"] = f"    {design}"
    text = FILE
    for name, value in values.items():
        text = text.replace(name, str(value))
    (folder / "search.yaml").write_text(text)
    spec = load_spec(folder / "search.yaml", overrides)
    made = simulated.load(spec_dataset(subjects), Path())
    facts: Any = SimpleNamespace(
        fingerprint=made.fingerprint,
        class_names=made.class_names,
        clips_per_class=(subjects,) * 3,
        subjects=tuple(sorted(set(made.subjects.tolist()))),
        clips="",
        streams={"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (1, 8)},
        facts={},
    )
    facts_of = Facts(lambda _: facts)
    code = lambda _: "c" * 64  # noqa: E731
    return lay_out_searches(expand(spec, facts_of, code), facts_of, code)


def spec_dataset(subjects: int) -> Any:
    """What simulated.load reads of a data set's settings."""
    return SimpleNamespace(subjects=subjects)


def train(config: Config, fold: Fold, clips: Clips, seed: int, progress: Any = None) -> FoldResult:
    """Good near focal_mu = 1 and without action units; fails at focal_mu 2."""
    if config.loss.focal_mu >= 2:
        raise ArithmeticError("the loss is nan")
    skill = 0.95 - 0.5 * abs(config.loss.focal_mu - 1) - (0.1 if config.model.streams.au else 0)
    rng = np.random.default_rng([int(fold.subject[1:]), seed])
    y_true = clips.labels[fold.test]
    y_pred = np.where(rng.random(len(y_true)) < skill, y_true, (y_true + 1) % 3)
    probabilities = np.full((len(y_true), 3), (1 - skill) / 2, np.float32)
    probabilities[np.arange(len(y_true)), y_true] = skill
    if marks := os.environ.get("MADV_SIMULATED_MARKS"):
        with (Path(marks) / "trained").open("a") as file:
            file.write(f"{config.loss.focal_mu} {config.loss.w_au} {config.model.streams.au} {fold.subject}\n")
    return FoldResult(
        sample_id=tuple(clips.manifest["sample_id"].iloc[fold.test]),
        y_true=y_true,
        y_pred=y_pred,
        probabilities=probabilities,
        history={"loss": [1.0, 0.5], "accuracy": [0.5, 1.0]},
        seconds=0.001,
        peak_memory=None,
        parameters=10 * len(config.model.streams.active()),
        device="cpu",
    )


def drive(search: Search, study: Any, store: CellStore, budget: int, slots: int = 1) -> int:
    """What Ray Tune does, in this process: fold by fold, so many configurations at once. Returns the folds saved."""
    driver = Driver(search, study, store, budget)
    running: dict[str, deque[PlannedCell]] = {}
    configs: dict[str, TrialTask] = {}
    saved, asked = 0, 0
    while not driver.finished:
        while len(running) < slots and (task := driver.ask(f"t{asked}")) is not None:
            running[f"t{asked}"], configs[f"t{asked}"] = deque(task.cells), task
            asked += 1
        for name, cells in list(running.items()):
            cell = cells.popleft()
            state = train_cell(store, configs[name], cell)
            if driver.heard(name, cell.key, state) or not cells:
                saved += driver.ended(name)
                del running[name]
    return saved


def train_cell(store: CellStore, task: TrialTask, cell: PlannedCell) -> State:
    """What a worker does, the loader and Ray left out."""
    state = store.states([cell.key]).get(cell.key)
    if state is not None:
        return state
    try:
        clips, fold = simulated.fold(task.config, cell.subject)
        store.write(done_cell(cell, task.digest, train(task.config, fold, clips, cell.seed), clips.class_names, 0.0))
        return "done"
    except ArithmeticError as error:
        store.write(failed_cell(cell, task.digest, str(error), 0.0))
        return "failed"


@contextlib.contextmanager
def another_driver(folder: Path, options: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the study."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parent, Path.cwd())))}
    command = [sys.executable, "-c", HOLD, str(folder), options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def main() -> int:
    """Run a search as a process of its own: python simulated_search.py FOLDER SUBJECTS TRIALS."""
    folder, subjects, trials = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    root = str(folder / "store")
    run_searches(
        searches(folder, subjects, trials),
        CellStore(root),
        WeightStore(root),
        Path(),
        lambda event: None,
        lambda saved: None,
        trainer="simulated_search:train",
        loader="simulated:load",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
