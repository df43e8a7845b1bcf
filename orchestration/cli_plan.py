"""What a sweep will do, before it does it: its first lines, and `madv plan` with its forecast, pilot and dry run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from madv.errors import MadvError
from orchestration.budget import Budget, spend
from orchestration.designs import aliases
from orchestration.forecast import forecast, pilot
from orchestration.keyed_store import State
from orchestration.plan import Plan
from orchestration.prepared import Prepared, prepare
from orchestration.progress import SweepProgress, duration

FAILED = 1
SEARCH_HOURS = "--hours chooses among the trials of an ablation; a search has search.trials"
SEARCH_PILOT = (
    "--pilot trains cells that a sweep finds again; a search draws its own, and forecasts by the first of them"
)


def new_console() -> Console:
    """A file or a pipe has no width: as wide as the tables need."""
    return Console(width=None if sys.stdout.isatty() else 120)


def print_plan(plan: Plan, states: Mapping[str, State], pretraining: int, console: Console) -> None:
    """What there is to do, in a few lines."""
    spec, facts = plan.spec, plan.facts
    failed = list(states.values()).count("failed")
    pending = len(plan.cells) - len(states)
    name = f"{spec.cluster_name} ({spec.digest[:12]})"
    console.print(Text(f"{name}: {spec.question}" if spec.question else name, style="bold"))
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


def show_plan(file: Path, overrides: Sequence[str], *, with_pilot: bool = False, hours: float | None = None) -> int:
    """Print what a sweep would do, and how long it would take.

    Args:
        file: the sweep file.
        overrides: appended to its base.
        with_pilot: train a few cells first, for the forecast; a sweep finds them again.
        hours: of one core or GPU; what they would leave out is printed.
    """
    console = new_console()
    prepared = prepare(file, overrides)
    if prepared.searches:
        from orchestration import cli_search_plan

        if hours is not None:
            raise MadvError(SEARCH_HOURS)
        if with_pilot:
            raise MadvError(SEARCH_PILOT)
        return cli_search_plan.show_plan(prepared)
    plan = prepared.plan
    if with_pilot:
        _train_pilot(prepared, console)
    states = prepared.store.states([cell.key for cell in plan.cells])
    print_plan(plan, states, len(prepared.pretraining(states)), console)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("variant", "cells", "done", "failed", "overrides"):
        table.add_column(name, justify="left" if name in ("variant", "overrides") else "right", overflow="fold")
    shared = len(plan.spec.base)
    for variant in plan.trained:
        found = [states.get(cell.key) for cell in plan.cells if cell.variant == variant.name]
        numbers = (len(found), found.count("done"), found.count("failed"))
        table.add_row(Text(variant.name), *map(str, numbers), Text(" ".join(variant.overrides[shared:])))
    console.print(table)
    if len(states) < len(plan.cells):
        console.print(_forecast(prepared, states), highlight=False)
    if hours is not None:
        print_budget(spend(plan, states, prepared.store, hours), hours, console)
    return 0


def print_budget(budget: Budget, hours: float, console: Console) -> None:
    """What the hours buy and what they leave out, the least decisive last."""
    total = sum(portion.seconds for portion in budget.bought)
    trials = len(budget.bought) + len(budget.left_out)
    buys = f"{len(budget.bought)} of {trials} trials with something to train, {duration(total)}"
    console.print(f"{hours:g} hours of one core or GPU buy {buys}", highlight=False)
    if not budget.left_out:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("left out, least decisive last", overflow="fold")
    for name in ("seed", "cells", "expected"):
        table.add_column(name, justify="right")
    for portion in budget.left_out:
        row = (str(portion.seed), str(len(portion.cells)), duration(portion.seconds))
        table.add_row(Text(portion.variant), *row)
    console.print(table)


def _train_pilot(prepared: Prepared, console: Console) -> None:
    from orchestration.runner import run

    plan = replace(prepared.plan, cells=tuple(pilot(prepared.plan)))
    states = prepared.store.states([cell.key for cell in plan.cells])
    first = replace(prepared, plan=plan).pretraining(states)
    with SweepProgress(len(plan.cells) + len(first), len(states), console) as progress:
        run(plan, prepared.store, prepared.weights, prepared.cache_root, progress.update)


def _forecast(prepared: Prepared, states: Mapping[str, State]) -> str:
    found = forecast(prepared.plan, states, prepared.store)
    if found is None:
        return "no forecast: no cell is done; --pilot trains two of the cheapest and two of the dearest variant first"
    unit = "core" if found.device == "cpu" else "GPU"
    between = f"{duration(found.low)} to {duration(found.high)}"
    line = f"forecast: {duration(found.seconds)} of one {unit} ({between})"
    line += f", by {found.cells} cells of {found.variants} variants"
    return f"{line}; pre-trainings are not in it" if prepared.pretraining(states) else line


def try_variants(file: Path, overrides: Sequence[str]) -> int:
    """Train one step of every variant and say which cannot; the exit code is 1 if any."""
    from rich.progress import track as tracked

    from orchestration.dry_run import dry_run

    console = new_console()
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
