"""The commands on a sweep file of design search: plan, sweep and report."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from madv.errors import MadvError
from orchestration.cli_arms_report import arms
from orchestration.cli_plan import FAILED, new_console
from orchestration.cli_search_report import report_searches, tracked
from orchestration.interrupts import INTERRUPTED
from orchestration.keyed_store import State
from orchestration.prepared import Prepared
from orchestration.progress import SweepProgress, duration
from orchestration.search_guard import alone
from orchestration.search_nested import outer_plan
from orchestration.search_plan import LEAST_TO_RACE, Search
from orchestration.search_space import describe
from orchestration.search_study import counted, open_study, retry_failed, storage_url
from orchestration.tracking import track, tracking_uri

if TYPE_CHECKING:
    from optuna import Study
    from rich.console import Console

    from dashboards.search_report import SearchReport

SAMPLE = 20
"""Cells that a forecast goes by."""


def show_plan(prepared: Prepared) -> int:
    """Print space, budget and study, and how far it is."""
    console = new_console()
    studies = [open_study(search, create=False) for search in prepared.searches]
    _print_head(prepared, studies, console)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("setting", "values", "where"):
        table.add_column(name, overflow="fold")
    whole = prepared.plan.spec.search
    assert whole is not None
    for dimension in whole.space:
        where = " ".join(f"{key}={value}" for key, value in dimension.when.items())
        table.add_row(Text(" ".join(dimension.settings)), Text(describe(dimension)), Text(where))
    console.print(table)
    for arm, searches in arms(prepared.searches).items():
        unread = {name for one in whole.space for name in one.settings}
        unread -= {name for one in searches[0].spec.space for name in one.settings}
        if unread:
            console.print(Text(f"{arm}: without {', '.join(sorted(unread))}, which it does not read"))
    known = prepared.store.states()
    done = [
        key for study, search in zip(studies, prepared.searches, strict=True) for key in _keys(study, search, known)
    ]
    if done:
        seconds = [cell.seconds for cell in prepared.store.read_many(done[:: max(1, len(done) // 20)])]
        left = _most(prepared.searches, studies) * sum(seconds) / len(seconds)
        console.print(
            f"forecast: at most {duration(left)} of one core or GPU, by {len(seconds)} cells", highlight=False
        )
    return 0


def sweep(prepared: Prepared, file: Path, overrides: Sequence[str], summary: dict[str, Any], *, retry: bool) -> int:
    """Search, then report and track; the exit code is 1 if cells failed. The verdict goes into the summary."""
    with alone(prepared.searches):
        return _sweep(prepared, file, overrides, summary, retry=retry)


def _sweep(prepared: Prepared, file: Path, overrides: Sequence[str], summary: dict[str, Any], *, retry: bool) -> int:
    from orchestration.runner import pending_cells, run
    from orchestration.search_run import run_searches

    console = new_console()
    store = prepared.store
    studies = [open_study(search) for search in prepared.searches]
    if retry:
        for search, study in zip(prepared.searches, studies, strict=True):
            assert study is not None
            retry_failed(search, study, store)
    _print_head(prepared, studies, console)
    # Of each variant the outer folds are as many as its folds without a search; frozen ones are these themselves.
    nested = len(prepared.plan.cells) if prepared.searches[0].held_out else 0
    frozen = pending_cells(prepared.plan, store) if _frozen(prepared) else []
    most = _most(prepared.searches, studies)
    progress = SweepProgress(most + nested + len(frozen), 0, console)
    again = f"`madv sweep {_arguments(file, overrides)}` goes on from there"

    def on_lost(reason: str) -> None:
        progress.stop()
        print(f"madv: Ray is lost: {reason}; {progress.done} cells are done; {again}", file=sys.stderr, flush=True)

    try:
        outer = outer_plan(prepared.searches)
        if most or frozen or (outer is not None and pending_cells(outer, store)):
            with progress:
                run_searches(
                    prepared.searches,
                    store,
                    prepared.weights,
                    prepared.cache_root,
                    progress.update,
                    progress.skip,
                    on_lost=on_lost,
                )
                if (outer := outer_plan(prepared.searches)) is not None:
                    run(outer, store, prepared.weights, prepared.cache_root, progress.update, on_lost=on_lost)
                if frozen:
                    run(prepared.plan, store, prepared.weights, prepared.cache_root, progress.update, on_lost=on_lost)
        else:
            console.print("nothing to try: the study is complete")
        report = report_searches(prepared, overrides)
    except KeyboardInterrupt:
        print(f"madv: stopped; {progress.done} cells were trained; {again}", file=sys.stderr, flush=True)
        return INTERRUPTED
    summary |= {"verdict": report.headline, "warnings": report.warnings, "report": str(report.path_html)}
    _print_report(report, prepared.plan.spec.report.metric, console)
    _track(prepared, report.path_html.parent)
    if report.failed:
        counts = Counter(report.failed)
        print(f"{len(report.failed)} of {report.trials} configurations failed:", file=sys.stderr)
        print(*(f"  {count} x {reason}" for reason, count in counts.most_common(5)), sep="\n", file=sys.stderr)
        print(f"`madv sweep --retry-failed {_arguments(file, overrides)}` tries them once more", file=sys.stderr)
    return FAILED if report.failed else 0


def report(prepared: Prepared, overrides: Sequence[str]) -> int:
    """Write and print the report of the trials that are there."""
    _print_report(report_searches(prepared, overrides), prepared.plan.spec.report.metric, new_console())
    return 0


def track_again(prepared: Prepared, folder: Path) -> int:
    """Log all cells of the study that are there."""
    plan = tracked(prepared)
    try:
        track(plan, prepared.store, folder if folder.is_dir() else None)
    except (KeyboardInterrupt, MadvError):
        raise
    except Exception as error:
        # MLflow raises its own errors and those of the libraries below; the user needs the first line.
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MadvError(f"MLflow at {tracking_uri()}: {first}") from error
    print(f"{len(plan.cells)} cells are in MLflow's experiment {plan.spec.cluster_name!r}")
    return 0


def _track(prepared: Prepared, folder: Path) -> None:
    """Cells are the truth: a server that is down costs a line."""
    from orchestration.cli_report import mlflow_command

    try:
        track(tracked(prepared), prepared.store, folder)
        print(f"MLflow     {mlflow_command(tracking_uri())}")
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        print(f"madv: tracking failed: {first}; `madv track` replays it", file=sys.stderr)


def _print_head(prepared: Prepared, studies: Sequence[Study | None], console: Console) -> None:
    """What there is to do, in a few lines."""
    spec, first = prepared.plan.spec, prepared.searches[0]
    console.print(Text(f"{spec.cluster_name}: {spec.question}" if spec.question else spec.cluster_name, style="bold"))
    number = f"{len(prepared.searches)} studies x " if len(prepared.searches) > 1 else ""
    if first.arm:
        variants = len(arms(prepared.searches))
        number = f"{variants} variants x {len(prepared.searches) // variants} groups x "
    folds = f"{len(spec.seeds)} seeds x {len(first.order)} subjects"
    console.print(
        f"{number}{first.spec.trials} configurations x {folds}, by {first.spec.sampler}, for "
        f"{' and '.join(first.spec.objectives)}",
        highlight=False,
    )
    if first.held_out:
        console.print("nested: each group of subjects is scored by what the others chose, then trained as ever")
    if first.races:
        console.print("raced: a configuration that the folds say is worse than the best is stopped early")
    elif first.spec.pruner != "none":
        console.print(f"not raced: that takes {LEAST_TO_RACE} subjects, and a study here has {len(first.order)}")
    if _frozen(prepared):
        console.print("frozen: the variants are trained with the file's own weights, too")
    for search, study in zip(prepared.searches, studies, strict=True):
        states = Counter(trial.state.name for trial in study.get_trials(deepcopy=False)) if study else {}
        words = {"COMPLETE": "finished", "PRUNED": "stopped", "FAIL": "failed", "RUNNING": "cut off"}
        said = ", ".join(f"{states[name]} {word}" for name, word in words.items() if states.get(name)) or "not begun"
        whose = f" ({search.label})" if search.arm else ""
        console.print(Text(f"study {search.study}{whose}: {said}"), soft_wrap=True)
    console.print(f"kept in {storage_url(first, hidden=True)}", highlight=False, soft_wrap=True)


def _frozen(prepared: Prepared) -> bool:
    """Whether the file's own weights are asked for, too."""
    spec = prepared.plan.spec.search
    return spec is not None and spec.frozen


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


def _most(searches: Sequence[Search], studies: Sequence[Study | None]) -> int:
    """Folds to train if nothing is stopped."""
    seeds = len(searches[0].plan.spec.seeds)
    left = [
        max(0, s.spec.trials - (counted(study) if study else 0)) for s, study in zip(searches, studies, strict=True)
    ]
    return sum(trials * seeds * len(search.order) for trials, search in zip(left, searches, strict=True))


def _keys(study: Study | None, search: Search, known: Mapping[str, State]) -> list[str]:
    """Done cells of a study's first trials."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"] if study else []
    cells = [cell for trial in trials[:10] for cell in search.candidate(trial.params, "").cells]
    return [cell.key for cell in cells if known.get(cell.key) == "done"]


def _arguments(file: Path, overrides: Sequence[str]) -> str:
    import shlex

    return shlex.join([str(file), *overrides])
