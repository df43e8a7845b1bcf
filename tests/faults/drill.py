"""Sweeps that get into trouble: `madv sweep` as a process of its own, what is in its store, and what it must equal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from orchestration.cells import CellStore
from orchestration.journal import events

ROOT = Path(__file__).parents[2]
FULL = os.environ.get("MADV_FAULTS") == "full"
"""`make faults`: every fault as often as promised, kills in the demo's own sweep."""
PATIENCE = 900 if FULL else 300
"""Seconds after which a sweep hangs; a busy machine takes long to start Python and Ray."""
LOST = 60
"""Seconds within which a sweep that loses its Ray ends."""
SMALL = """
cluster_name: small
metadata:
  sweep:
    base: [dataset=synthetic, model=madv_tiny, train=demo, dataset.subjects=5, "dataset.clips_per_class=[5,5,5]",
           dataset.size=24, train.epochs=8]
    design: one_factor_at_a_time
    factors:
      depth: {on: [], off: [model.streams.depth=false]}
      au: {on: [], off: [model.streams.au=false]}
    seeds: 2
    resources: {cpus_per_trial: 1, gpus_per_trial: 0}
"""
RUNS = """
import collections, json, mlflow, sys
from mlflow.tracking import MlflowClient
client = MlflowClient(sys.argv[1])
experiments = [one.experiment_id for one in client.search_experiments()]
runs = client.search_runs(experiments, max_results=1000)
children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
keys = collections.Counter(run.data.tags["mlflow.runName"] for run in children)
metrics = {run.data.tags["mlflow.runName"]: run.data.metrics.get("uf1") for run in children}
states = sorted({run.info.status for run in runs})
print(json.dumps({"parents": len(runs) - len(children), "children": keys, "uf1": metrics, "states": states}))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """A sweep in a folder of its own."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Beside that of this process."""
    text: str = SMALL
    """The sweep file."""

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """`madv sweep`, or another command, in a process group of its own; its output goes into a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "sweep.yaml").write_text(self.text)
        around = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "RAY_"))}
        around |= {"PYTHONPATH": str(ROOT)} | dict(self.environment) | environment
        with (self.folder / "output").open("a") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "orchestration.cli", *(command or ("sweep", "sweep.yaml"))],
                cwd=self.folder,
                env=around,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                # A shell starts background jobs with Ctrl-C ignored, and that is inherited.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def run(self, *command: str, **environment: str) -> int:
        """The same to its end; its exit code."""
        with ended(self.start(*command, **environment)) as process:
            return process.wait(PATIENCE)

    def output(self) -> str:
        """What all commands in the folder have printed."""
        return (self.folder / "output").read_text()

    def finished(self) -> dict[str, tuple[int, int]]:
        """Which file each finished cell is, by its name: one that is trained again is another file."""
        found = {}
        for path in (self.folder / "store" / "cells").glob("*.parquet"):
            with contextlib.suppress(FileNotFoundError):
                entry = path.stat()
                found[path.name] = (entry.st_ino, entry.st_mtime_ns)
        return found

    def predictions(self) -> dict[str, bytes]:
        """The probabilities of all cells, bit for bit, by their keys."""
        store = CellStore(self.folder / "store")
        return {
            cell.key: np.ascontiguousarray(cell.probabilities).tobytes() for cell in store.read_many(store.states())
        }

    def logs(self) -> Path:
        """Of all sweeps over the store."""
        return self.folder / "store" / "logs"

    def table(self) -> str:
        """The report's CSV, without what the clock says."""
        (path,) = (self.folder / "reports").glob("*/ablation.csv")
        # As text: a number must not be rounded into another that is alike.
        table = pd.read_csv(io.StringIO(path.read_text()), dtype=str, keep_default_na=False)
        return str(table.drop(columns="seconds").to_csv(index=False))

    def runs(self, uri: str = "sqlite:///mlflow.db") -> dict[str, object]:
        """How many parents MLflow has, its children by name, their scores, and the states of all."""
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", RUNS, uri],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Undisturbed:
    """A sweep to which nothing happened."""

    sweep: Sweep
    seconds: float
    table: str
    predictions: dict[str, bytes]

    def again(self, folder: Path, **environment: str) -> Sweep:
        """The same sweep in another folder, on the same clips."""
        text = self.sweep.text
        return Sweep(folder=folder, text=text, environment={**self.sweep.environment, **environment})


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Whatever happens, the process and all below it are gone at the end."""
    try:
        yield process
    finally:
        for one in below(process):
            with contextlib.suppress(psutil.Error):
                one.kill()
        process.kill()
        process.wait()


def below(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes below this one."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


def named(process: subprocess.Popen[str], part: str) -> list[psutil.Process]:
    """Those below that are a part of Ray: raylet, gcs_server, or worker, an actor at work."""
    found = []
    for one in below(process):
        with contextlib.suppress(psutil.Error):
            name, title = one.name(), " ".join(one.cmdline()).strip()
            actor = title.startswith("ray::") and not title.endswith(("IDLE", "Agent"))
            if name == part or (part == "worker" and actor):
                found.append(one)
    return found


def wait_for(what: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def trained_twice(logs: Path) -> int:
    """How many cells have been trained to their end more than once, by the logs of all sweeps over a store."""
    ends = Counter(one["key"] for one in events(logs) if one["event"] == "cell ended" and one["state"] == "done")
    assert ends, f"no cells in the logs {logs}"
    return sum(number > 1 for number in ends.values())


def twice(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> int:
    """How many cells that were finished before have been written again or are gone."""
    return sum(after.get(name) != file for name, file in before.items())
