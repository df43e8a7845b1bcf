"""`madv doctor`: what usually goes wrong, looked at all at once, with what to do about it."""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from madv.errors import MadvError
from orchestration import doctor, doctor_mlflow, doctor_places
from orchestration.doctor import Finding, problem, warning

DEADLINE = 9.7
"""Seconds after which what has not answered is left alone."""
WRONG = 2
STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}

Check = Callable[[], Iterable[Finding]]


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """The options of `madv doctor`."""
    parser.description = "Look at what usually goes wrong, and say what to do; exit code 2 if there is a problem."
    parser.add_argument("file", nargs="?", type=Path, metavar="SWEEP", help="look at its storage and data set, too")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="appended to the file's base")
    parser.add_argument("--json", action="store_true", help="a list of objects instead of lines")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print a line for each thing; 2 if one is a problem."""
    from rich.console import Console
    from rich.text import Text

    from orchestration.tracking import tracking_uri

    checks: dict[str, Check] = {
        "torch": doctor.torch,
        "Ray": doctor_places.ray,
        "sweep": lambda: _sweep(options.file, options.overrides),
        "MLflow": lambda: doctor_mlflow.mlflow(tracking_uri()),
        "Python": doctor.python,
        "packages": doctor.packages,
        "shared memory": doctor.shared_memory,
        "Ray's folder": doctor.ray_folder,
        "open files": doctor.limits,
    }
    found = examine(checks, DEADLINE)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2), flush=True)
    else:
        console = Console(highlight=False)
        for one in found:
            line = Text(f"{one.state:8} ", style=STYLES[one.state]).append(f"{one.name:14} {one.what}", style="default")
            console.print(line, soft_wrap=True)
            if one.todo:
                console.print(Text(f"{'':24}{one.todo}"), soft_wrap=True)
    return WRONG if any(one.state == "problem" for one in found) else 0


def examine(checks: dict[str, Check], deadline: float) -> list[Finding]:
    """All checks at once, each in a thread of its own: what hangs, such as a network drive, holds up no other."""
    found: dict[str, list[Finding]] = {name: [] for name in checks}
    threads = {
        name: threading.Thread(target=_look, args=(name, checks[name], found[name]), daemon=True) for name in checks
    }
    for thread in threads.values():
        thread.start()
    end = time.monotonic() + deadline
    for name, thread in threads.items():
        thread.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            found[name].append(
                warning(name, f"no answer within {deadline:.0f} s", "it hangs: a network drive or server?")
            )
    return [one for findings in found.values() for one in list(findings)]


def _look(name: str, check: Check, found: list[Finding]) -> None:
    try:
        found.extend(check())
    except MadvError as error:
        found.extend(problem(name, str(one), "mend it, then look again") for one in error.problems)
    except Exception as error:
        # Whatever is broken here is what somebody wants to know of.
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        found.append(problem(name, f"cannot be looked at: {type(error).__name__}: {text}", "mend this first"))


def _sweep(file: Path | None, overrides: list[str]) -> Iterator[Finding]:
    """Storage, clips and data set of a sweep file; without one, of the folder store here."""
    if file is None:
        yield from doctor_places.storage("store")
        return
    from madv.compose import compose
    from orchestration.prepared import cache_folder
    from orchestration.spec import load_spec

    spec = load_spec(file, overrides)
    yield doctor.ok("sweep file", f"{file}: {spec.cluster_name}")
    yield from doctor_places.storage(spec.storage_path)
    yield from doctor_places.clips(compose(spec.base).dataset, cache_folder(spec.storage_path))
