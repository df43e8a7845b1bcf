"""The commands that take a sweep file: sweep, plan, report, track."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from madv.errors import MadvError
from orchestration.cells import CellStore
from orchestration.designs import aliases
from orchestration.keyed_store import State
from orchestration.plan import Plan, PlannedCell, expand
from orchestration.progress import SweepProgress
from orchestration.spec import load_spec
from orchestration.tasks import CellEvent
from orchestration.tracking import Tracker, track, tracking_uri
from orchestration.weights import WeightStore

FAILED = 1
INTERRUPTED = 130
FAREWELL = 3.0
"""Seconds that tracking has to end its runs after Ctrl-C."""
PATIENCE = 30.0
"""Seconds that tracking may take after the report."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A sweep file, read: nothing has been started."""

    plan: Plan
    store: CellStore
    weights: WeightStore
    cache_root: Path

    def pretraining(self, states: Mapping[str, State]) -> list[PlannedCell]:
        """Pre-trainings that are still to do, the cells being in these states."""
        from orchestration.runner import pending_pretraining

        pending = [cell for cell in self.plan.cells if cell.key not in states]
        return pending_pretraining(self.plan, pending, self.weights)


def cache_folder(storage_path: str = "store") -> Path:
    """Where clip caches are: MADV_CACHE, else beside the cells, else (cells behind a URI) in the home directory."""
    named = os.environ.get("MADV_CACHE")
    if named:
        return Path(named)
    return Path.home() / ".cache" / "madv" if "://" in storage_path else Path(storage_path) / "clips"


def prepare(file: Path, overrides: Sequence[str]) -> Prepared:
    """Read the file and lay out its cells.

    Raises:
        MadvError: with everything that is wrong.
    """
    from madv.data.cache import describe
    from orchestration.code import training_code

    spec = load_spec(file, overrides)
    cache_root = cache_folder(spec.storage_path)
    plan = expand(spec, lambda dataset: describe(dataset, cache_root), training_code)
    return Prepared(
        plan=plan, store=CellStore(spec.storage_path), weights=WeightStore(spec.storage_path), cache_root=cache_root
    )


def sweep(file: Path, overrides: Sequence[str], *, retry_failed: bool) -> int:
    """Train what is missing, report, and track all of it; the exit code is 1 if cells failed."""
    from orchestration.cli_report import failure_lines, mlflow_command, print_report, report_sweep
    from orchestration.runner import run

    console = _console()
    prepared = prepare(file, overrides)
    plan, store = prepared.plan, prepared.store
    states = store.states([cell.key for cell in plan.cells])
    if retry_failed:
        for key in [key for key, state in states.items() if state == "failed"]:
            store.clear_failed(key)
            del states[key]
        started = prepared.weights.states([cell.key for cell in plan.pretraining]) if plan.pretraining else {}
        for key in [key for key, state in started.items() if state == "failed"]:
            prepared.weights.clear_failed(key)
    first = prepared.pretraining(states)
    _print_plan(plan, states, len(first), console)
    tracker = Tracker(plan, store)
    progress = SweepProgress(len(plan.cells) + len(first), len(states), console)
    trained = {cell.key for cell in plan.cells}

    def on_event(event: CellEvent) -> None:
        progress.update(event)
        if event.cell.key in trained:
            tracker.put(event.cell.key)

    def on_lost(reason: str) -> None:
        progress.stop()
        print(f"madv: Ray is lost: {reason}; {_so_far(progress, file, overrides)}", file=sys.stderr, flush=True)

    try:
        if len(states) < len(plan.cells):
            with progress:
                run(plan, store, prepared.weights, prepared.cache_root, on_event, on_lost=on_lost)
        else:
            console.print("nothing to train: every cell is there")
            tracker.start()
        report = report_sweep(plan, store, prepared.cache_root, overrides)
        print_report(report, console, plan.spec.report.metric)
        trouble = tracker.finish(report.path_html.parent, PATIENCE)
    except MadvError:
        tracker.finish(None, FAREWELL)
        raise
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        tracker.finish(None, FAREWELL)
        print(f"madv: stopped; {_so_far(progress, file, overrides)}", file=sys.stderr, flush=True)
        return INTERRUPTED
    console.print(f"MLflow     {mlflow_command(tracking_uri())}", highlight=False, soft_wrap=True)
    if trouble:
        print(
            f"madv: tracking failed: {trouble}; `madv track {_arguments(file, overrides)}` replays it", file=sys.stderr
        )
    failures = failure_lines(plan, store)
    if failures:
        print(*failures, sep="\n", file=sys.stderr)
        print(f"`madv sweep --retry-failed {_arguments(file, overrides)}` trains them once more", file=sys.stderr)
    return FAILED if failures else 0


def show_plan(file: Path, overrides: Sequence[str]) -> int:
    """Print what a sweep would do."""
    console = _console()
    prepared = prepare(file, overrides)
    plan = prepared.plan
    states = prepared.store.states([cell.key for cell in plan.cells])
    _print_plan(plan, states, len(prepared.pretraining(states)), console)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("variant", "cells", "done", "failed", "overrides"):
        table.add_column(name, justify="left" if name in ("variant", "overrides") else "right", overflow="fold")
    shared = len(plan.spec.base)
    for variant in plan.trained:
        found = [states.get(cell.key) for cell in plan.cells if cell.variant == variant.name]
        numbers = (len(found), found.count("done"), found.count("failed"))
        table.add_row(Text(variant.name), *map(str, numbers), Text(" ".join(variant.overrides[shared:])))
    console.print(table)
    return 0


def try_variants(file: Path, overrides: Sequence[str]) -> int:
    """Train one step of every variant and say which cannot; the exit code is 1 if any."""
    from rich.progress import track as tracked

    from orchestration.dry_run import dry_run

    console = _console()
    prepared = prepare(file, overrides)
    trials = dry_run(prepared.plan, prepared.cache_root)
    total = len(prepared.plan.trained)
    found = list(tracked(trials, "one step each", total=total, console=console, transient=True))
    broken = [trial for trial in found if trial.problem is not None]
    seconds = sum(trial.seconds for trial in found)
    console.print(
        f"{total - len(broken)} of {total} variants trained one step, {seconds:.0f} s in all", highlight=False
    )
    for trial in broken:
        print(f"madv: {trial.variant}: {trial.problem}", file=sys.stderr)
    return FAILED if broken else 0


def report(file: Path, overrides: Sequence[str]) -> int:
    """Write and print the report of the cells that are there."""
    from orchestration.cli_report import print_report, report_sweep

    prepared = prepare(file, overrides)
    written = report_sweep(prepared.plan, prepared.store, prepared.cache_root, overrides)
    print_report(written, _console(), prepared.plan.spec.report.metric)
    return 0


def track_again(file: Path, overrides: Sequence[str]) -> int:
    """Log all cells that are there, and the report if there is one."""
    from orchestration.cli_report import REPORTS, mlflow_command

    prepared = prepare(file, overrides)
    plan = prepared.plan
    folder = REPORTS / plan.spec.cluster_name
    try:
        track(plan, prepared.store, folder if folder.is_dir() else None)
    except (KeyboardInterrupt, MadvError):
        raise
    except Exception as error:
        # MLflow raises its own errors and those of the libraries below; the user needs the first line.
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MadvError(f"MLflow at {tracking_uri()}: {first}") from error
    number = len(prepared.store.states([cell.key for cell in plan.cells]))
    print(f"{number} of {len(plan.cells)} cells are in MLflow's experiment {plan.spec.cluster_name!r}")
    print(mlflow_command(tracking_uri()))
    return 0


def _console() -> Console:
    """A file or a pipe has no width: as wide as the tables need."""
    return Console(width=None if sys.stdout.isatty() else 120)


def _print_plan(plan: Plan, states: Mapping[str, State], pretraining: int, console: Console) -> None:
    """What there is to do, in a few lines."""
    spec, facts = plan.spec, plan.facts
    failed = list(states.values()).count("failed")
    pending = len(plan.cells) - len(states)
    console.print(Text(f"{spec.cluster_name}: {spec.question}" if spec.question else spec.cluster_name, style="bold"))
    variants = " + ".join([f"{len(plan.variants)} variants", *(variant.name for variant in plan.controls.values())])
    counts = f"{variants} x {len(spec.seeds)} seeds x {len(facts.subjects)} subjects"
    states_text = f"{len(states) - failed} done, {failed} failed, {pending} to train"
    console.print(f"{counts} = {len(plan.cells)} cells: {states_text}", highlight=False)
    if mixed := aliases(spec.design):
        console.print(Text(f"this fraction cannot tell apart: {'; '.join(mixed)}"))
    if pretraining:
        console.print(
            f"before them {pretraining} pre-trainings, shared by all variants with one encoder", highlight=False
        )


def _so_far(progress: SweepProgress, file: Path, overrides: Sequence[str]) -> str:
    done = f"{progress.done} of {progress.total} cells are done"
    return f"{done}; `madv sweep {_arguments(file, overrides)}` goes on from there"


def _arguments(file: Path, overrides: Sequence[str]) -> str:
    import shlex

    return shlex.join([str(file), *overrides])
