"""The commands that train and record a sweep: sweep, track."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from madv.errors import MadvError
from orchestration.addresses import without_password
from orchestration.budget import spend
from orchestration.cli_plan import FAILED, SEARCH_HOURS, new_console, print_budget, print_plan
from orchestration.ending import tell_lost, told
from orchestration.interrupts import INTERRUPTED
from orchestration.journal import note, recorded
from orchestration.prepared import Prepared, prepare
from orchestration.progress import SweepProgress
from orchestration.tasks import CellEvent
from orchestration.tracking import Tracker, track, tracking_uri

FAREWELL = 3.0
"""Seconds that tracking has to end its runs after Ctrl-C."""
PATIENCE = 30.0
"""Seconds that tracking may take after the report."""


def sweep(file: Path, overrides: Sequence[str], *, retry_failed: bool, hours: float | None = None) -> int:
    """Train what is missing, report, and track all of it; the exit code is 1 if cells failed.

    Args:
        file, overrides: of the sweep.
        retry_failed: whether cells that failed are trained once more.
        hours: of one core or GPU; the trials that they leave out are not trained now.
    """
    prepared = prepare(file, overrides)

    def run(summary: dict[str, Any]) -> int:
        return _sweep(prepared, file, overrides, summary, retry_failed=retry_failed, hours=hours)

    return recorded(prepared.plan, lambda: told(prepared, run))


def _sweep(
    prepared: Prepared,
    file: Path,
    overrides: Sequence[str],
    summary: dict[str, Any],
    *,
    retry_failed: bool,
    hours: float | None,
) -> int:
    """The same; verdict, warnings and where the report is go into the summary."""
    from orchestration.checkpoints import CheckpointStore
    from orchestration.cli_keep import keep_networks, show_clips
    from orchestration.cli_report import REPORTS, failure_lines, mlflow_command, print_report, report_sweep
    from orchestration.references import references, share_references
    from orchestration.runner import pending_cells, run

    console = new_console()
    if prepared.searches:
        from orchestration import cli_search

        if hours is not None:
            raise MadvError(SEARCH_HOURS)
        return cli_search.sweep(prepared, file, overrides, summary, retry=retry_failed)
    plan, store = prepared.plan, prepared.store
    states = store.states([cell.key for cell in plan.cells])
    if retry_failed:
        for key in [key for key, state in states.items() if state == "failed"]:
            store.clear_failed(key)
            del states[key]
        started = prepared.weights.states([cell.key for cell in plan.pretraining]) if plan.pretraining else {}
        for key in [key for key, state in started.items() if state == "failed"]:
            prepared.weights.clear_failed(key)
    now = plan
    if hours is not None:
        budget = spend(plan, states, store, hours)
        wanted = budget.keys | states.keys()
        now = replace(plan, cells=tuple(cell for cell in plan.cells if cell.key in wanted))
    first = replace(prepared, plan=now).pretraining(states)
    print_plan(plan, states, len(first), console)
    if hours is not None:
        print_budget(budget, hours, console)
    tracker = Tracker(plan, store)
    progress = SweepProgress(len(now.cells) + len(first), len(states), console)
    trained = {cell.key for cell in plan.cells}
    keeps = plan.spec.report.keep_checkpoints
    checkpoints = CheckpointStore(plan.spec.storage_path) if keeps == "all" else None
    unkept: list[str] = []

    def on_event(event: CellEvent) -> None:
        progress.update(event)
        if event.cell.key in trained:
            tracker.put(event.cell.key)

    def on_lost(reason: str) -> None:
        progress.stop()
        note("Ray lost", reason=reason)
        print(f"madv: Ray is lost: {reason}; {_so_far(progress, file, overrides)}", file=sys.stderr, flush=True)
        tell_lost(prepared, reason)

    def train() -> None:
        with progress:
            weights, root = prepared.weights, prepared.cache_root
            run(now, store, weights, root, on_event, checkpoints=checkpoints, on_lost=on_lost)

    try:
        # Old cells that it goes on from are not to be collected elsewhere meanwhile.
        share_references(
            plan.spec.storage_path, REPORTS / plan.spec.cluster_name, references(plan, prepared.cache_root)
        )
        if len(states) < len(now.cells):
            train()
        else:
            whole = len(states) == len(plan.cells)
            console.print("nothing to train: every cell is there" if whole else "nothing to train in these hours")
            tracker.start()
        report = report_sweep(plan, store, prepared.cache_root, overrides)
        if broken := pending_cells(now, store):
            # Found while they were read for the report, and set aside.
            console.print(f"{len(broken)} cells are trained once more", highlight=False)
            progress.skip(-len(broken))
            train()
            report = report_sweep(plan, store, prepared.cache_root, overrides)
        print_report(report, console, plan.spec.report.metric)
        summary |= {"verdict": report.headline, "warnings": report.warnings, "report": str(report.path_html)}
        if keeps != "none":
            unkept = keep_networks(prepared, report.table["variant"], console, retry_failed=retry_failed)
            show_clips(prepared, console)
        trouble = tracker.finish(report.path_html.parent, PATIENCE)
    except MadvError:
        tracker.finish(None, FAREWELL)
        raise
    except KeyboardInterrupt:
        tracker.finish(None, FAREWELL)
        print(f"madv: stopped; {_so_far(progress, file, overrides)}", file=sys.stderr, flush=True)
        return INTERRUPTED
    console.print(f"MLflow     {mlflow_command(tracking_uri())}", highlight=False, soft_wrap=True)
    if trouble:
        print(
            f"madv: tracking failed: {trouble}; `madv track {_arguments(file, overrides)}` replays it", file=sys.stderr
        )
    failures = failure_lines(plan, store) + unkept
    if failures:
        print(*failures, sep="\n", file=sys.stderr)
        print(f"`madv sweep --retry-failed {_arguments(file, overrides)}` trains them once more", file=sys.stderr)
    return FAILED if failures else 0


def track_again(file: Path, overrides: Sequence[str]) -> int:
    """Log all cells that are there, and the report if there is one."""
    from orchestration.cli_report import REPORTS, mlflow_command

    prepared = prepare(file, overrides)
    plan, tried = prepared.plan, None
    folder = REPORTS / plan.spec.cluster_name
    if prepared.searches:
        from orchestration.cli_search_report import tracked

        tried = tracked(prepared)
        plan = tried.plan
    try:
        track(tried or plan, prepared.store, folder if folder.is_dir() else None)
    except (KeyboardInterrupt, MadvError):
        raise
    except Exception as error:
        # MLflow raises its own errors and those of the libraries below; the user needs the first line.
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MadvError(without_password(f"MLflow at {tracking_uri()}: {first}")) from error
    number = len(prepared.store.states([cell.key for cell in plan.cells]))
    print(f"{number} of {len(plan.cells)} cells are in MLflow's experiment {plan.spec.cluster_name!r}")
    print(mlflow_command(tracking_uri()))
    return 0


def _so_far(progress: SweepProgress, file: Path, overrides: Sequence[str]) -> str:
    done = f"{progress.done} of {progress.total} cells are done"
    return f"{done}; `madv sweep {_arguments(file, overrides)}` goes on from there"


def _arguments(file: Path, overrides: Sequence[str]) -> str:
    import shlex

    return shlex.join([str(file), *overrides])
