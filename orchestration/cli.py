"""The command `madv`: what it takes, and what becomes of errors. Light: each command imports what it needs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from madv.errors import MadvError

USER_ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except MadvError as error:
        for problem in error.problems:
            print(f"madv: {problem}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the interpreter's own farewell needs no second Ctrl-C
        print("madv: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as in `madv plan ... | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _sweep(options: argparse.Namespace) -> int:
    from orchestration.cli_sweep import sweep

    return sweep(options.file, options.overrides, retry_failed=options.retry_failed)


def _plan(options: argparse.Namespace) -> int:
    from orchestration.cli_sweep import show_plan

    return show_plan(options.file, options.overrides)


def _report(options: argparse.Namespace) -> int:
    from orchestration.cli_sweep import report

    return report(options.file, options.overrides)


def _track(options: argparse.Namespace) -> int:
    from orchestration.cli_sweep import track_again

    return track_again(options.file, options.overrides)


def _train(options: argparse.Namespace) -> int:
    from orchestration.cli_train import train

    return train(options.overrides, options.seed)


def _data(options: argparse.Namespace) -> int:
    from orchestration.cli_train import show_data

    return show_data(options.overrides)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="madv", description="Ablations and hyperparameter studies of MADV-Net, leaving one subject out."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    of_files: list[tuple[str, Callable[[argparse.Namespace], int], str]] = [
        ("sweep", _sweep, "train what a sweep file lacks, then report"),
        ("plan", _plan, "print variants and cells, train nothing"),
        ("report", _report, "write the report from the cells that are there"),
        ("track", _track, "log all cells of a sweep in MLflow once more"),
    ]
    for name, command, text in of_files:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        sub.add_argument("file", type=Path, metavar="FILE", help="the sweep file")
        _add_overrides(sub, "appended to the file's base")
        sub.set_defaults(command=command)
        if name == "sweep":
            sub.add_argument("--retry-failed", action="store_true", help="train cells that failed once more")
    sub = commands.add_parser("train", help="one evaluation outside any sweep: every subject held out once")
    _add_overrides(sub, "e.g. dataset=synthetic model=madv_tiny")
    sub.add_argument("--seed", type=int, default=0)
    sub.set_defaults(command=_train)
    sub = commands.add_parser("data", help="print subjects, classes, streams and ceilings of a data set")
    _add_overrides(sub, "e.g. dataset=synthetic")
    sub.set_defaults(command=_data)
    return parser


def _add_overrides(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=f"settings, {text}")


if __name__ == "__main__":
    sys.exit(main())
