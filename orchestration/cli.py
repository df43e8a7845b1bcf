"""The command `madv`: what it takes, and what becomes of errors. Light: each command imports what it needs."""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from madv.errors import MadvError
from orchestration.addresses import without_password
from orchestration.cli_arguments import add_overrides, hours, positive, shape
from orchestration.cli_cluster import add_cluster
from orchestration.cli_data_commands import FACTS, add_data
from orchestration.cli_doctor import add_doctor
from orchestration.cli_logs import add_logs
from orchestration.cli_nightly import add_nightly
from orchestration.cli_ui import add_ui
from orchestration.collect import add_gc
from orchestration.interrupts import INTERRUPTED, twice_ends

USER_ERROR = 2
OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE}
"""Errors that are nobody's bug, wherever they come."""
MOST_PROBLEMS = 200
"""That are printed; every row of a table may have one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr does: names of files may be no UTF-8
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["data"] and (len(given) == 1 or "=" in given[1]):
        given.insert(1, FACTS)
    options = _parser().parse_args(given)
    command: Callable[[argparse.Namespace], int] = options.command
    with twice_ends():
        try:
            return command(options)
        except MadvError as error:
            for problem in error.problems[:MOST_PROBLEMS]:
                print(f"madv: {without_password(str(problem))}", file=sys.stderr)
            if len(error.problems) > MOST_PROBLEMS:
                print(f"madv: and {len(error.problems) - MOST_PROBLEMS:,} more like these", file=sys.stderr)
            return USER_ERROR
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                # The reader of our output has gone, as in `madv plan ... | head`.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return 0
            if error.errno not in OF_THE_DISK:
                raise
            place = f"{error.filename}: " if error.filename else ""
            print(f"madv: {place}{error.strerror}; the same command goes on once that is mended", file=sys.stderr)
            return USER_ERROR
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the interpreter's own farewell needs no second Ctrl-C
            print("madv: stopped", file=sys.stderr)
            return INTERRUPTED


def _sweep(options: argparse.Namespace) -> int:
    from orchestration.cli_sweep import sweep

    return sweep(options.file, options.overrides, retry_failed=options.retry_failed, hours=options.hours)


def _submit(options: argparse.Namespace) -> int:
    from orchestration.submit import submit

    return submit(options.file, options.overrides)


def _plan(options: argparse.Namespace) -> int:
    from orchestration.cli_plan import show_plan, try_variants

    if options.dry_run:
        return try_variants(options.file, options.overrides)
    return show_plan(options.file, options.overrides, with_pilot=options.pilot, hours=options.hours)


def _report(options: argparse.Namespace) -> int:
    from orchestration.cli_report import report
    from orchestration.cli_side_by_side import named, report_both

    sweeps = named(options.file, options.overrides)
    if len(sweeps) > 1:
        if options.figures or options.format != "table":
            raise MadvError("--format and --figures are of the report of one sweep; leave one file out")
        return report_both(sweeps)
    return report(options.file, options.overrides, form=options.format, with_figures=options.figures)


def _explain(options: argparse.Namespace) -> int:
    from orchestration.cli_explain import explain_sweep

    return explain_sweep(options.file, options.overrides, variant=options.variant, clips=options.clip)


def _calibrate(options: argparse.Namespace) -> int:
    from orchestration.cli_calibrate import calibrate

    return calibrate(options.file, options.overrides)


def _track(options: argparse.Namespace) -> int:
    from orchestration.cli_sweep import track_again

    return track_again(options.file, options.overrides)


def _train(options: argparse.Namespace) -> int:
    from orchestration.cli_train import train

    return train(options.overrides, options.seed)


def _complexity(options: argparse.Namespace) -> int:
    from orchestration.cli_complexity import complexity

    return complexity(
        options.overrides,
        shape=options.shape,
        batch=options.batch,
        depth=options.depth,
        as_json=options.format == "json",
        out=options.out,
    )


def _methods(options: argparse.Namespace) -> int:
    from orchestration.cli_methods import methods

    return methods(as_json=options.format == "json")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="madv", description="Ablations and hyperparameter studies of MADV-Net, leaving one subject out."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    of_files: list[tuple[str, Callable[[argparse.Namespace], int], str]] = [
        ("sweep", _sweep, "train what a sweep file lacks, then report"),
        ("submit", _submit, "run a sweep on the cluster that its file describes: ray submit, checked first"),
        ("plan", _plan, "print variants, cells and a forecast of the time"),
        ("report", _report, "write the report from the cells that are there; of two files beside each other"),
        ("track", _track, "log all cells of a sweep in MLflow once more"),
        ("explain", _explain, "what kept networks look at in single clips: attention, stream weights, disparity"),
        ("calibrate", _calibrate, "test the reference against itself, by halves of its seeds"),
    ]
    for name, command, text in of_files:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        sub.add_argument("file", type=Path, metavar="FILE", help="the sweep file")
        add_overrides(sub, "appended to the file's base")
        sub.set_defaults(command=command)
        if name == "sweep":
            sub.add_argument("--retry-failed", action="store_true", help="train cells that failed once more")
        if name in ("sweep", "plan"):
            sub.add_argument("--hours", type=hours, metavar="H", help="of one core or GPU: the most decisive first")
        if name == "report":
            forms = ("table", "latex", "markdown", "csv")
            sub.add_argument("--format", choices=forms, default="table", help="of what is printed")
            sub.add_argument("--figures", action="store_true", help="write the figures as SVG and PDF too")
        if name == "explain":
            sub.add_argument("--variant", metavar="NAME", help="as in the report (default: the reference)")
            sub.add_argument("--clip", action="append", default=[], metavar="ID", help="a sample_id; again for more")
        if name == "plan":
            first = sub.add_mutually_exclusive_group()
            first.add_argument("--dry-run", action="store_true", help="train one step of every variant, store nothing")
            first.add_argument("--pilot", action="store_true", help="train two cells of two variants, for the forecast")
    sub = commands.add_parser("train", help="one evaluation outside any sweep: every subject held out once")
    add_overrides(sub, "e.g. dataset=synthetic model=madv_tiny")
    sub.add_argument("--seed", type=int, default=0)
    sub.set_defaults(command=_train)
    _add_complexity(commands.add_parser("complexity", help="parameters, multiply-accumulates, memory and latency"))
    sub = commands.add_parser("methods", help="MADV-Net and the methods it is compared with: parameters, MACs, source")
    sub.add_argument("--format", choices=("table", "json"), default="table")
    sub.set_defaults(command=_methods)
    add_data(commands.add_parser("data", help="data sets: what they hold, and preparing them"))
    add_cluster(commands.add_parser("cluster", help="Kubernetes manifests of a sweep"))
    add_ui(commands.add_parser("ui", help="the report so far, MLflow and Optuna's dashboard, while a sweep runs"))
    add_nightly(commands.add_parser("nightly", help="train what changed since last night, and say what moved"))
    add_doctor(commands.add_parser("doctor", help="look at what usually goes wrong, and say what to do"))
    add_logs(commands.add_parser("logs", help="log and traceback of one cell, or the last runs and what failed"))
    add_gc(commands.add_parser("gc", help="remove old cells, weights and clips that no report refers to"))
    return parser


def _add_complexity(parser: argparse.ArgumentParser) -> None:
    parser.description = "Parameters, multiply-accumulates by module, memory and latency, beside the paper's formula."
    add_overrides(parser, "e.g. model=madv_base or method=videomae")
    parser.add_argument("--shape", type=shape, metavar="TxHxW", help="of a clip, e.g. 16x112x112 (default: dataset's)")
    parser.add_argument("--batch", type=positive, default=1, help="clips at a time for latency and memory")
    parser.add_argument("--depth", type=positive, default=3, help="names of a module that is a row of its own")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write JSON and a page with the growth curves")
    parser.set_defaults(command=_complexity)


if __name__ == "__main__":
    sys.exit(main())
