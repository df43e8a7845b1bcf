"""`madv report A B`: two sweeps on one page, with what moved from the first to the second."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from madv.errors import MadvError, Problem
from orchestration.references import references, share_references, write_references

if TYPE_CHECKING:
    from dashboards.side_by_side import Side, SideBySide
    from orchestration.prepared import Prepared

PAGE, TABLE = "index.html", "side_by_side.csv"


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A sweep as it was typed."""

    file: Path
    overrides: tuple[str, ...]
    """Those that followed it."""


def named(file: Path, rest: Sequence[str]) -> list[Named]:
    """The sweeps of a command line: each file, and the overrides up to the next one."""
    typed: list[tuple[Path, list[str]]] = [(file, [])]
    for word in rest:
        if "=" in word:
            typed[-1][1].append(word)
        else:
            typed.append((Path(word), []))
    return [Named(file=one, overrides=tuple(overrides)) for one, overrides in typed]


def report_both(sweeps: Sequence[Named]) -> int:
    """Write reports/A-beside-B/ from the cells that are there, and print what moved.

    Raises:
        MadvError: a file does not hold, or is a search.
    """
    from dashboards.side_by_side import headline, side_by_side
    from dashboards.side_by_side_page import page, table
    from dashboards.tables import csv
    from madv.modes import public_folder
    from madv.whole_file import write_whole
    from orchestration.cli_plan import new_console
    from orchestration.cli_report import REPORTS

    ready = _prepare(sweeps)
    names = [prepared.plan.spec.cluster_name for prepared in ready]
    labels = _labels(names, sweeps)
    sides = [_side(*one) for one in zip(labels, ready, sweeps, strict=True)]
    found = side_by_side(*sides)
    folder = REPORTS / "-beside-".join(names)
    public_folder(folder)
    write_whole(folder / TABLE, csv(table(found)))
    write_whole(folder / PAGE, page(found))
    first, second = (references(prepared.plan, prepared.cache_root) for prepared in ready)
    write_references(folder, first | second)
    for storage in {prepared.plan.spec.storage_path for prepared in ready}:
        share_references(storage, folder, first | second)
    console = new_console()
    _print_table(found)
    console.print(headline(found), highlight=False, markup=False)
    for note in found.notes:
        console.print(f"Note: {note}", highlight=False, markup=False)
    console.print()
    console.print(f"report     {folder / PAGE}", highlight=False, soft_wrap=True)
    console.print(f"table      {folder / TABLE}", highlight=False, soft_wrap=True)
    return 0


def _prepare(sweeps: Sequence[Named]) -> list[Prepared]:
    """Both, or everything that is wrong with them."""
    from orchestration.prepared import prepare

    problems: list[Problem] = []
    ready = []
    if len(sweeps) != 2:
        raise MadvError(f"{len(sweeps)} sweep files are named; a report is of one, or of two beside each other")
    for sweep in sweeps:
        try:
            prepared = prepare(sweep.file, sweep.overrides)
        except MadvError as error:
            problems += error.problems
            continue
        if prepared.searches:
            message = "is a search, whose configurations have no names; only what a sweep names can be compared"
            problems.append(Problem(place=str(sweep.file), message=message))
        ready.append(prepared)
    if problems:
        raise MadvError(problems)
    return ready


def _labels(names: Sequence[str], sweeps: Sequence[Named]) -> list[str]:
    """What the page calls them: their names; of two with one name what else was typed."""
    if names[0] != names[1]:
        return list(names)
    labels = [" ".join((name, *sweep.overrides)) for name, sweep in zip(names, sweeps, strict=True)]
    if labels[0] == labels[1]:
        labels = [str(sweep.file) for sweep in sweeps]
    return labels if labels[0] != labels[1] else [f"{labels[0]} (first)", f"{labels[1]} (second)"]


def _side(label: str, prepared: Prepared, sweep: Named) -> Side:
    from dashboards.side_by_side import Side
    from madv.compose import flatten
    from orchestration.cli_study import make_study

    study = make_study(prepared.plan, prepared.store, prepared.cache_root, sweep.overrides)
    settings = flatten(dataclasses.asdict(prepared.plan.variants[0].config))
    return Side(label=label, study=study, settings={name: str(value) for name, value in settings.items()})


def _print_table(found: SideBySide) -> None:
    from rich.table import Table
    from rich.text import Text

    from dashboards import text
    from orchestration.cli_plan import new_console

    metric = found.first.study.metric
    shown = Table(header_style="bold", box=None, pad_edge=False)
    shown.add_column("variant", overflow="fold", min_width=12)
    for label in (found.first.label, found.second.label):
        shown.add_column(Text(label), justify="right", overflow="fold")
    for name in ("difference", "p (Holm)"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("moved")
    for row in found.rows:
        scores = [
            f"{one.rank}. {text.score(one.result.scores.get(metric))}" if one else "" for one in (row.first, row.second)
        ]
        one = row.difference.comparison if row.difference else None
        difference = f"{text.signed(one.difference)} {text.interval(one.low, one.high, sign=True)}" if one else ""
        shown.add_row(Text(row.name), *scores, difference, text.p_value(one.p_holm) if one else "", row.says)
    console = new_console()
    console.print(shown)
    console.print()
