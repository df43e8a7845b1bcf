"""`madv logs`: what became of one cell, or the last runs of the sweeps over a store and what failed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from madv.errors import MadvError, printable, unknown

if TYPE_CHECKING:
    from orchestration.cells import Cell

Event = dict[str, Any]
RUNS, EPOCHS, FAILURES = 10, 12, 20
"""Rows of a table at most."""


def add_logs(parser: argparse.ArgumentParser) -> None:
    """The options of `madv logs`."""
    parser.description = "Log and traceback of one cell; without CELL the last runs, and the cells that failed."
    text = "how its key begins, or variant/seed/subject, e.g. reference/0/sub03"
    parser.add_argument("cell", nargs="?", metavar="CELL", help=text)
    parser.add_argument("--store", default="store", metavar="PATH", help="folder or URI of the cells (default: store)")
    parser.add_argument("--sweep", metavar="NAME", help="of this cluster_name only")
    parser.add_argument("--json", action="store_true", help="one object instead of text")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print it.

    Raises:
        MadvError: there is no such cell.
    """
    from orchestration.cells import CellError, CellStore
    from orchestration.journal import events, logs_folder

    logged = [one for one in events(logs_folder(options.store)) if options.sweep in (None, one.get("sweep"))]
    store = CellStore(options.store)
    if options.cell is None:
        _print_runs(logged, as_json=options.json)
        return 0
    keys = _keys(options.cell, logged, store.states())
    own = [one for one in logged if one.get("key") == keys[-1]]
    try:
        cell, trouble = store.read(keys[-1]), None
    except CellError as error:
        cell, trouble = None, str(error.problems[0])
    if options.json:
        print(json.dumps({"key": keys[-1], "cell": None if cell is None else _fields(cell), "events": own}, indent=2))
    else:
        print("\n".join(map(printable, _told(keys, own, cell, trouble))))
    return 0


def _keys(text: str, logged: Sequence[Event], known: Iterable[str]) -> list[str]:
    """Keys that the text means, the one that was worked on last at the end: other settings of one name are others.

    Raises:
        MadvError: there is none, or a key's beginning leaves several.
    """
    named: dict[str, str] = {}
    for one in logged:
        if "key" in one:
            named.pop(one["key"], None)
            named[one["key"]] = f"{one.get('variant')}/{one.get('seed')}/{one.get('subject')}"
    found = [key for key, name in named.items() if name == text]
    if found:
        return found
    found = sorted(key for key in {*known, *named} if key.startswith(text.lower()))
    if len(found) > 1:
        raise MadvError(f"{len(found)} cells' keys begin with {text!r}: {', '.join(key[:12] for key in found[:5])} ...")
    if not found:
        names = sorted(set(named.values()))
        if names:
            raise MadvError(unknown("cell", text, names[:8] if len(names) > 8 else names))
        raise MadvError(f"no cell's key begins with {text!r}, and no sweep over this store has left a log; see --store")
    return found


def _told(keys: Sequence[str], own: Sequence[Event], cell: Cell | None, trouble: str | None) -> list[str]:
    """A cell's lines: what it is, how it ended, what it said, and its events."""
    last = own[-1] if own else {}
    variant = last.get("variant") or (f"variant {cell.variant[:12]}" if cell else "a variant")
    seed, subject = last.get("seed", cell.seed if cell else "?"), last.get("subject", cell.subject if cell else "?")
    lines = [f"cell       {keys[-1]}", f"           {variant}, seed {seed}, subject {subject}"]
    if len(keys) > 1:
        lines.append(f"           of this name with other settings: {', '.join(key[:12] for key in keys[:-1])}")
    if last:
        lines.append(f"sweep      {last['sweep']}")
    ends = [one for one in own if one["event"] == "cell ended"]
    state = cell.state if cell else "not trained" if trouble is None else "not there"
    failures = sum(one["event"] == "attempt failed" for one in own)
    lines.append(f"state      {state}" + (f", after {failures} attempts" if failures else ""))
    if trouble and cell is None:
        lines.append(f"           {trouble}")
    if ends:
        lines.append(f"where      node {ends[-1].get('node', '?')}, process {ends[-1].get('pid', '?')}")
    if cell:
        begun = datetime.fromtimestamp(cell.started, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        lines.append(f"when       {begun}, {cell.seconds:.3f} s, on {cell.device}")
        lines.append(f"with       {', '.join(f'{name} {text}' for name, text in cell.versions.items())}")
        lines += _history(cell)
    warned = list(dict.fromkeys(one["message"] for one in own if one["event"] == "cell warned"))
    lines += [f"warned     {text}" for text in warned]
    if own:
        lines.append("log")
        lines += [f"  {one['time']}  {one['event']}{_rest(one)}" for one in own]
    reason = cell.reason if cell else next((one["traceback"] for one in reversed(own) if "traceback" in one), None)
    if reason:
        lines += ["traceback", *(f"  {line}" for line in reason.rstrip().splitlines())]
    return lines


def _rest(one: Event) -> str:
    """What an event's line says beyond its name."""
    shown: Event = {
        name: one[name] for name in ("work", "trial", "state", "seconds", "attempt", "message") if name in one
    }
    if "traceback" in one:
        shown["error"] = (one["traceback"].strip().splitlines() or ["?"])[-1]
    elif "error" in one:
        shown["error"] = one["error"]
    return "".join(f"  {name}={text}" for name, text in shown.items())


def _history(cell: Cell) -> list[str]:
    """Loss, accuracy and terms by epoch; of many epochs a few, the last among them."""
    number = max((len(values) for values in cell.history.values()), default=0)
    if not number:
        return []
    step = -(-number // EPOCHS)
    epochs = sorted({*range(0, number, step), number - 1})
    lines = ["epoch      " + " ".join(f"{epoch + 1:>9}" for epoch in epochs)]
    for name, values in cell.history.items():
        figures = (f"{values[epoch]:9.4g}" if epoch < len(values) else " " * 9 for epoch in epochs)
        lines.append(f"{name:10} " + " ".join(figures))
    return lines


def _print_runs(logged: Sequence[Event], *, as_json: bool) -> None:
    """The last runs, and which of their cells failed."""
    runs: dict[tuple[str, str], list[Event]] = {}
    for one in logged:
        runs.setdefault((one["run"], str(one.get("sweep"))), []).append(one)
    last = sorted(runs.items())[-RUNS:]
    failed: dict[str, Event] = {}
    for _, of_run in last:
        for one in of_run:
            if one["event"] == "cell ended":
                failed.pop(one["key"], None)
                if one["state"] == "failed":
                    failed[one["key"]] = one
    if as_json:
        heads = [{"run": run, "sweep": sweep, "events": len(of_run)} for (run, sweep), of_run in last]
        print(json.dumps({"runs": heads, "failed": list(failed.values())}, indent=2))
        return
    if not last:
        print("no sweep over this store has left a log; --store names another")
    for (_, sweep), of_run in last:
        ends = [one for one in of_run if one["event"] == "cell ended"]
        bad = sum(one["state"] == "failed" for one in ends)
        end = next((one for one in of_run if one["event"] == "sweep ended"), None)
        how = "has no end: it runs, or was killed" if end is None else f"ended: {end.get('error') or _code(end)}"
        print(printable(f"{of_run[0]['time']}  {sweep}: {len(ends)} cells trained, {bad} failed; {how}"))
    for key, one in list(failed.items())[-FAILURES:]:
        name = f"{one['variant']}/{one.get('seed')}/{one['subject']}"
        print(printable(f"failed  {key[:12]}  {name}  (madv logs {key[:12]})"))


def _code(end: Event) -> str:
    return f"exit code {end.get('exit_code')}, {end.get('seconds')} s"


def _fields(cell: Cell) -> dict[str, Any]:
    """A cell without its predictions."""
    names = ("state", "variant", "seed", "subject", "seconds", "device", "versions", "started", "finished", "history")
    return {name: getattr(cell, name) for name in (*names, "reason", "parameters", "peak_memory")}
