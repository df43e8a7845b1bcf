"""`madv ui FILE`: the report so far, MLflow and Optuna's dashboard, under one address of this machine."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madv.errors import MadvError, Problem
from orchestration.cli_arguments import add_overrides

if TYPE_CHECKING:
    from orchestration.cli_ui_watch import Watch
    from orchestration.prepared import Prepared

HOST = "127.0.0.1"
PORT = 8400
TICK = 1.0
"""Seconds between two looks at the cells."""
PAUSE, SHARE = 5.0, 3.0
"""A report is made again after so many seconds, and after so many times what it took: training comes first."""
NICENESS = 10
PAGE, MLFLOW, OPTUNA = "page", "MLflow", "Optuna"


def add_ui(parser: argparse.ArgumentParser) -> None:
    """The options of `madv ui`."""
    parser.description = "Serve the report so far, MLflow and, for a search, Optuna's dashboard, on this machine alone."
    parser.add_argument("file", type=Path, metavar="FILE", help="the sweep file")
    add_overrides(parser, "appended to the file's base")
    text = f"of the page, MLflow and Optuna on the next two (default: {PORT}); 0: any that are free"
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help=text)
    parser.set_defaults(command=lambda options: ui(options.file, options.overrides, options.port))


def ui(file: Path, overrides: Sequence[str], port: int) -> int:
    """Serve until Ctrl-C, which ends everything that was started here.

    Raises:
        MadvError: the file does not hold, there is no store, or a port is taken; nothing has been started.
    """
    from orchestration.cli_ui_watch import watch
    from orchestration.prepared import prepare
    from orchestration.spec import load_spec

    spec = load_spec(file, overrides)
    _check_store(spec.storage_path)
    sides = (PAGE, MLFLOW) if spec.search is None else (PAGE, MLFLOW, OPTUNA)
    ports = dict(zip(sides, _ports(port, len(sides)), strict=True))
    prepared = prepare(file, overrides)
    watched = watch(prepared, overrides)
    os.nice(NICENESS)
    for ends in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ends, _interrupt)
    try:
        with ExitStack() as stack:
            _serve(prepared, watched, ports, stack)
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
    return 0


def _serve(prepared: Prepared, watched: Watch, ports: dict[str, int], stack: ExitStack) -> None:
    from orchestration.cli_ui_mlflow import MlflowUi
    from orchestration.cli_ui_optuna import OptunaUi
    from orchestration.cli_ui_server import Live, serve
    from orchestration.tracking import tracking_uri

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="madv-ui-")))
    live = Live(prepared.plan.spec.cluster_name, prepared.plan.spec.question, folder)
    stack.enter_context(serve(live, HOST, ports[PAGE]))
    mlflow = MlflowUi(tracking_uri(), HOST, ports[MLFLOW], prepared.plan.spec.cluster_name)
    sides: list[MlflowUi | OptunaUi] = [mlflow]
    if prepared.searches:
        sides.append(OptunaUi(prepared.searches[0], HOST, ports[OPTUNA]))
    for side in sides:
        stack.callback(side.close)
    print(f"live       http://{HOST}:{ports[PAGE]}/   (Ctrl-C ends it)", flush=True)
    stack.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)  # the end is not to be interrupted
    shown, allowed, said = None, 0.0, set[str]()
    while True:
        for side in sides:
            side.look()
            if side.link is not None and side.name not in said:
                said.add(side.name)
                print(f"{side.name:<10} {side.link}", flush=True)
        seen = watched.look()
        live.links = {side.name: {"link": side.link, "state": side.state} for side in sides}
        live.counts = seen.counts()
        if seen != shown and time.monotonic() >= allowed:
            began = time.monotonic()
            _write(watched, live)
            shown = seen
            allowed = time.monotonic() + max(PAUSE, SHARE * (time.monotonic() - began))
        time.sleep(TICK)


def _write(watched: Watch, live: Any) -> None:
    """Make the report; what is wrong with a cell is said on the page, and the last report stays."""
    try:
        live.reasons = watched.write(live.folder)
        live.problem = None
    except MadvError as error:
        live.problem = str(error)
        print(f"madv: {error}", file=sys.stderr, flush=True)
    live.made()


def _check_store(root: str) -> None:
    from orchestration.cells import FOLDER

    cells = Path(root, FOLDER)
    if "://" not in root and not cells.is_dir():
        message = "there are no cells yet; run this where `madv sweep` runs, once it trains"
        raise MadvError([Problem(place=str(cells), message=message)])


def _ports(first: int, count: int) -> list[int]:
    """Ports that are free.

    Raises:
        MadvError: one is taken.
    """
    found, taken = [], []
    with ExitStack() as stack:  # all are held until the last is known
        for port in [first + place if first else 0 for place in range(count)]:
            held = stack.enter_context(socket.socket())
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                held.bind((HOST, port))
            except OSError as error:
                taken.append(Problem(place=f"port {port}", message=f"{error.strerror}; name others with --port"))
                continue
            found.append(int(held.getsockname()[1]))
    if taken:
        raise MadvError(taken)
    return found


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not (number == 0 or 1024 <= number <= 65_533):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1024 to 65533, or 0 for any that is free")
    return number


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
