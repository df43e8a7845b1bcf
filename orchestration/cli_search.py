"""The commands on a sweep file with a search: sweep and report."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from madv.errors import MadvError
from orchestration.cli_plan import FAILED, new_console
from orchestration.cli_search_plan import folds_beside, most_folds, print_head
from orchestration.cli_search_report import REPORTS, named, report_searches, tracked, used_by
from orchestration.ending import tell_lost
from orchestration.interrupts import INTERRUPTED
from orchestration.journal import note
from orchestration.plan import Plan
from orchestration.prepared import Prepared
from orchestration.progress import SweepProgress
from orchestration.references import share_references
from orchestration.search_guard import alone
from orchestration.search_nested import chosen, outer_plan
from orchestration.search_plan import Candidate, Search
from orchestration.search_study import open_study, retry_failed
from orchestration.tasks import CellEvent
from orchestration.tracking import Tracker, tracking_uri

if TYPE_CHECKING:
    from rich.console import Console

    from dashboards.search_report import SearchReport

FAREWELL, PATIENCE = 3.0, 30.0
"""Seconds that tracking has to end its runs: after Ctrl-C, and after the report."""


def sweep(prepared: Prepared, file: Path, overrides: Sequence[str], summary: dict[str, Any], *, retry: bool) -> int:
    """Search, then report and track; the exit code is 1 if cells failed. The verdict goes into the summary."""
    with alone(prepared.searches):
        return _sweep(prepared, file, overrides, summary, retry=retry)


def _sweep(prepared: Prepared, file: Path, overrides: Sequence[str], summary: dict[str, Any], *, retry: bool) -> int:
    from orchestration.cli_report import failure_lines, mlflow_command
    from orchestration.runner import failed_cells, pending_cells, run
    from orchestration.search_run import run_searches

    console = new_console()
    store = prepared.store
    studies = [open_study(search) for search in prepared.searches]
    if retry:
        for search, study in zip(prepared.searches, studies, strict=True):
            assert study is not None
            retry_failed(search, study, store)
        for plan in _outside(prepared):
            for cell in failed_cells(plan, store):
                store.clear_failed(cell.key)
    print_head(prepared, studies, console)
    outer = outer_plan(prepared.searches)
    frozen = bool(prepared.asks_frozen and pending_cells(prepared.plan, store))
    most = most_folds(prepared.searches, studies)
    progress = SweepProgress(most + folds_beside(prepared), 0, console)
    tracker = Tracker(tracked(prepared), store)
    again = f"`madv sweep {_arguments(file, overrides)}` goes on from there"

    def on_lost(reason: str) -> None:
        progress.stop()
        note("Ray lost", reason=reason)
        print(f"madv: Ray is lost: {reason}; {progress.done} cells are done; {again}", file=sys.stderr, flush=True)
        tell_lost(prepared, reason)

    def on_candidate(search: Search | None, candidate: Candidate, short: bool = False) -> None:
        tracker.expect(*named(search, candidate), short=short)

    def on_event(event: CellEvent) -> None:
        progress.update(event)
        tracker.put(event.cell.key)

    def train(plan: Plan) -> None:
        run(plan, store, prepared.weights, prepared.cache_root, on_event, on_lost=on_lost)

    try:
        # Old cells that it goes on from are not to be collected elsewhere meanwhile.
        share_references(prepared.plan.spec.storage_path, REPORTS / prepared.plan.spec.cluster_name, used_by(prepared))
        if most or frozen or (outer is not None and pending_cells(outer, store)):
            with progress:
                run_searches(
                    prepared.searches,
                    store,
                    prepared.weights,
                    prepared.cache_root,
                    on_event,
                    progress.skip,
                    on_candidate=on_candidate,
                    on_lost=on_lost,
                )
                if (outer := outer_plan(prepared.searches)) is not None:
                    for candidate in chosen(prepared.searches).values():
                        on_candidate(None, candidate)
                    train(outer)
                if frozen:
                    train(prepared.plan)
        else:
            console.print("nothing to try: the study is complete")
            tracker.start()
        report = report_searches(prepared, overrides)
        broken = [plan for plan in _outside(prepared) if pending_cells(plan, store)]
        for plan in broken:  # whose cells were found altered while they were read, and set aside
            train(plan)
        if broken:
            report = report_searches(prepared, overrides)
        summary |= {"verdict": report.headline, "warnings": report.warnings, "report": str(report.path_html)}
        _print_report(report, prepared.plan.spec.report.metric, console)
        trouble = tracker.finish(report.path_html.parent, PATIENCE, tracked(prepared))
    except MadvError:
        tracker.finish(None, FAREWELL)
        raise
    except KeyboardInterrupt:
        tracker.finish(None, FAREWELL)
        print(f"madv: stopped; {progress.done} cells were trained; {again}", file=sys.stderr, flush=True)
        return INTERRUPTED
    console.print(f"MLflow     {mlflow_command(tracking_uri())}", highlight=False, soft_wrap=True)
    if trouble:
        replay = f"`madv track {_arguments(file, overrides)}` replays it"
        print(f"madv: tracking failed: {trouble}; {replay}", file=sys.stderr)
    if report.failed:
        counts = Counter(report.failed)
        print(f"{len(report.failed)} of {report.trials} configurations failed:", file=sys.stderr)
        print(*(f"  {count} x {reason}" for reason, count in counts.most_common(5)), sep="\n", file=sys.stderr)
    failures = [line for plan in _outside(prepared) for line in failure_lines(plan, store)]
    print(*failures, sep="\n", file=sys.stderr, end="\n" if failures else "")
    if report.failed or failures:
        print(f"`madv sweep --retry-failed {_arguments(file, overrides)}` tries them once more", file=sys.stderr)
        return FAILED
    return 0


def _outside(prepared: Prepared) -> list[Plan]:
    """What is trained beside the studies' own folds: outer ones, as far as they are chosen, and frozen variants."""
    outer = outer_plan(prepared.searches)
    return ([] if outer is None else [outer]) + ([prepared.plan] if prepared.asks_frozen else [])


def report(prepared: Prepared, overrides: Sequence[str]) -> int:
    """Write and print the report of the trials that are there."""
    _print_report(report_searches(prepared, overrides), prepared.plan.spec.report.metric, new_console())
    return 0


def _print_report(report: SearchReport, metric: str, console: Console) -> None:
    if report.ablation is not None:
        from orchestration.cli_report import print_report

        print_report(report.ablation, console, metric)
        for line in report.lines:
            console.print(Text(line))
        return
    console.print()
    for warning in report.warnings:
        console.print(Text(warning), style="red")
    console.print(Text(report.headline))
    for line in report.lines:
        console.print(Text(line))
    console.print()
    console.print(f"report     {report.path_html}", highlight=False, soft_wrap=True)
    console.print(f"table      {report.path_csv}", highlight=False, soft_wrap=True)


def _arguments(file: Path, overrides: Sequence[str]) -> str:
    import shlex

    return shlex.join([str(file), *overrides])
