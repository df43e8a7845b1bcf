"""`madv sweep` on simulated folds, as a process of its own: python simulated_sweep.py TRAINER SUBJECTS."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import simulated

from orchestration import cli, cli_sweep, prepared, runner
from orchestration.cells import CellStore
from orchestration.weights import WeightStore


def main() -> int:
    trainer, subjects, *options = sys.argv[1:]
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    ready = prepared.Prepared(
        plan=simulated.plan(int(subjects)),
        store=CellStore("store"),
        weights=WeightStore("store"),
        cache_root=Path("store/clips"),
    )
    cli_sweep.prepare = lambda file, overrides: ready
    facts = ready.plan.facts
    cache: Any = SimpleNamespace(load=simulated.load, describe=lambda dataset, root: facts, DatasetFacts=type(facts))
    sys.modules["madv.data.cache"] = cache
    runner.run = functools.partial(runner.run, trainer=f"simulated:{trainer}", loader="simulated:load")
    return cli.main(["sweep", "simulated.yaml", *options])


if __name__ == "__main__":
    sys.exit(main())
