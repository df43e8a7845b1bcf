"""`report.keep_checkpoints`: after a sweep's cells, the trained networks that are kept beside them.

`all` keeps each network as its fold is trained. Which variant is `best` shows only at the end, and to keep every
network until then could take hundreds of gigabytes: its folds, and those that were done before anybody asked, are
trained once more. That is one trial or two of a whole sweep.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from madv.errors import MadvError
from orchestration.checkpoints import CheckpointStore
from orchestration.ending import tell_lost
from orchestration.progress import SweepProgress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from orchestration.plan import Plan, PlannedCell
    from orchestration.prepared import Prepared


def keep_networks(prepared: Prepared, ranked: Iterable[str], console: Console, *, retry_failed: bool) -> list[str]:
    """Train what lacks its network once more; what went wrong, a line each.

    Args:
        prepared: the sweep, whose cells are as many as there will be.
        ranked: names of its variants, the highest score first.
        console: for the progress.
        retry_failed: whether networks that could not be made are tried again.

    Raises:
        ClusterError: Ray did not start, or its workers cannot work.
    """
    from orchestration.runner import run

    plan = prepared.plan
    chosen = chosen_variants(plan, ranked)
    if not chosen:
        console.print("networks   none is kept: no variant is MADV-Net, scored at its last epoch", soft_wrap=True)
        return []
    checkpoints = CheckpointStore(plan.spec.storage_path)
    wanted = done_cells(prepared, chosen, None if plan.spec.report.keep_checkpoints == "all" else plan.spec.seeds[0])
    states = checkpoints.states([cell.key for cell in wanted])
    if plan.spec.report.keep_checkpoints == "best":  # reading all networks of a sweep could take hours
        for key in set_aside_broken(checkpoints, [key for key, state in states.items() if state == "done"]):
            del states[key]
    if retry_failed:
        for key in [key for key, state in states.items() if state == "failed"]:
            checkpoints.clear_failed(key)
            del states[key]
    left = [cell for cell in wanted if cell.key not in states]
    if left:
        console.print(f"{len(left)} folds without a kept network are trained once more for it", soft_wrap=True)
        progress = SweepProgress(len(left), 0, console)

        def on_lost(reason: str) -> None:
            progress.stop()
            print(f"madv: Ray is lost: {reason}; the cells are done, `madv sweep` goes on", file=sys.stderr, flush=True)
            tell_lost(prepared, reason)

        with progress:
            run(
                replace(plan, cells=()),
                prepared.store,
                prepared.weights,
                prepared.cache_root,
                progress.update,
                checkpoints=checkpoints,
                again=left,
                on_lost=on_lost,
            )
    states = checkpoints.states([cell.key for cell in wanted])
    done = sum(state == "done" for state in states.values())
    console.print(f"networks   {done} of {', '.join(chosen)} in {checkpoints.folder}", highlight=False, soft_wrap=True)
    failed = [cell for cell in wanted if states.get(cell.key) == "failed"]
    return [
        f"network of {cell.variant}, seed {cell.seed}, {cell.subject}: {_reason(checkpoints, cell)}" for cell in failed
    ]


def show_clips(prepared: Prepared, console: Console) -> None:
    """The page of single clips, of the reference's kept networks if there are any."""
    from orchestration.cli_explain import write_looks

    try:
        console.print(f"clips      {write_looks(prepared)}", highlight=False, soft_wrap=True)
    except MadvError as error:  # cells and report are there: this is no reason to fail
        print(f"madv: no page of clips: {error}", file=sys.stderr)


def chosen_variants(plan: Plan, ranked: Iterable[str]) -> list[str]:
    """Names of the variants whose networks are wanted, of those that can be kept."""
    keepable = [variant.name for variant in plan.variants if variant.config.keepable()]
    if plan.spec.report.keep_checkpoints == "all":
        return keepable
    best = next((name for name in ranked if name in keepable), None)
    return [name for name in dict.fromkeys((plan.variants[0].name, best)) if name in keepable]


def done_cells(prepared: Prepared, names: Sequence[str], seed: int | None) -> list[PlannedCell]:
    """The cells of these variants that are done, of one seed or all."""
    cells = [cell for cell in prepared.plan.cells if cell.variant in names and seed in (None, cell.seed)]
    states = prepared.store.states([cell.key for cell in cells])
    return [cell for cell in cells if states.get(cell.key) == "done"]


def set_aside_broken(checkpoints: CheckpointStore, keys: Iterable[str]) -> list[str]:
    """Those whose file is not what was written, which the log names."""
    from madv.checkpoint import CheckpointError, from_file

    broken = []
    for key in keys:
        try:
            from_file(*checkpoints.read(key))
        except CheckpointError as error:
            aside = checkpoints.set_aside(key + checkpoints.done)
            logging.getLogger("madv").warning("madv: %s: %s", error.problems[0], aside)
            broken.append(key)
    return broken


def _reason(checkpoints: CheckpointStore, cell: PlannedCell) -> str:
    from orchestration.weights import WeightsError

    try:
        checkpoints.read(cell.key)
    except WeightsError as error:
        return error.problems[0].message
    return "it is there"  # another sweep has just made it
