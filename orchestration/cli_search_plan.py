"""What a search will do, before it does it: its first lines, and `madv plan` with its space and forecast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from orchestration.cli_arms_report import arms
from orchestration.cli_plan import new_console
from orchestration.keyed_store import State
from orchestration.prepared import Prepared
from orchestration.progress import duration
from orchestration.search_nested import outer_plan
from orchestration.search_plan import LEAST_TO_RACE, Search
from orchestration.search_space import describe
from orchestration.search_study import counted, open_study, storage_url

if TYPE_CHECKING:
    from optuna import Study
    from rich.console import Console

SAMPLE = 20
"""Cells that a forecast goes by."""


def show_plan(prepared: Prepared) -> int:
    """Print space, budget and study, and how far it is."""
    console = new_console()
    studies = [open_study(search, create=False) for search in prepared.searches]
    print_head(prepared, studies, console)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("setting", "values", "where"):
        table.add_column(name, overflow="fold")
    whole = prepared.plan.spec.search
    assert whole is not None
    for dimension in whole.space:
        table.add_row(Text(" ".join(dimension.settings)), Text(describe(dimension)), Text(dimension.condition))
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
    sample = prepared.store.read_whole(done[:: max(1, len(done) // SAMPLE)]).values()
    if sample:
        seconds = [cell.seconds for cell in sample]
        left = (most_folds(prepared.searches, studies) + folds_beside(prepared)) * sum(seconds) / len(seconds)
        console.print(
            f"forecast: at most {duration(left)} of one core or GPU, by {len(seconds)} cells", highlight=False
        )
    return 0


def print_head(prepared: Prepared, studies: Sequence[Study | None], console: Console) -> None:
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
    if prepared.asks_frozen:
        console.print("frozen: the variants are trained with the file's own weights, too")
    for search, study in zip(prepared.searches, studies, strict=True):
        states = Counter(trial.state.name for trial in study.get_trials(deepcopy=False)) if study else {}
        words = {"COMPLETE": "finished", "PRUNED": "stopped", "FAIL": "failed", "RUNNING": "cut off"}
        said = ", ".join(f"{states[name]} {word}" for name, word in words.items() if states.get(name)) or "not begun"
        whose = f" ({search.label})" if search.arm else ""
        console.print(Text(f"study {search.study}{whose}: {said}"), soft_wrap=True)
    console.print(f"kept in {storage_url(first, hidden=True)}", highlight=False, soft_wrap=True)


def most_folds(searches: Sequence[Search], studies: Sequence[Study | None]) -> int:
    """Folds to train if nothing is stopped."""
    seeds = len(searches[0].plan.spec.seeds)
    left = [
        max(0, s.spec.trials - (counted(study) if study else 0)) for s, study in zip(searches, studies, strict=True)
    ]
    return sum(trials * seeds * len(search.order) for trials, search in zip(left, searches, strict=True))


def folds_beside(prepared: Prepared) -> int:
    """Folds to train that are no study's own: outer ones, as many of a variant as its folds without a search, and those
    of frozen variants, which are these themselves."""
    from orchestration.runner import pending_cells

    whole, store = prepared.plan, prepared.store
    outer = len(whole.cells) if prepared.searches[0].held_out else 0
    if (known := outer_plan(prepared.searches)) is not None:
        outer -= len(known.cells) - len(pending_cells(known, store))
    return outer + (len(pending_cells(whole, store)) if prepared.asks_frozen else 0)


def _keys(study: Study | None, search: Search, known: Mapping[str, State]) -> list[str]:
    """Done cells of a study's first trials."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"] if study else []
    cells = [cell for trial in trials[:10] for cell in search.candidate(trial.params, "").cells]
    return [cell.key for cell in cells if known.get(cell.key) == "done"]
