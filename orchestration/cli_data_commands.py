"""The commands of `madv data`: what they take. Light: each imports what it needs."""

from __future__ import annotations

import argparse
from pathlib import Path

from orchestration.cli_arguments import add_overrides, positive

FACTS = "facts"
"""What `madv data` does unless told."""


def add_data(parser: argparse.ArgumentParser) -> None:
    """The commands of `madv data`; without one, as in `madv data dataset=synthetic`, it is facts."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    sub = commands.add_parser(FACTS, help="print subjects, classes, streams and ceilings of a data set")
    add_overrides(sub, "e.g. dataset=synthetic")
    sub.set_defaults(command=_data_facts)
    sub = commands.add_parser("prepare", help="decode a licensed data set once, into the clip cache")
    add_overrides(sub, "e.g. dataset=casme2 dataset.path=FOLDER")
    sub.add_argument("--processes", type=int, help="that decode (default: one a core)")
    sub.set_defaults(command=_data_prepare)
    sub = commands.add_parser("check", help="which data set a folder is, what is missing or odd, how to prepare it")
    sub.add_argument("path", type=Path, metavar="PATH", help="the folder as downloaded")
    sub.set_defaults(command=_data_check)
    sub = commands.add_parser("show", help="the contact sheet of a clip: frames, depth, action units, disparity")
    add_overrides(sub, "e.g. dataset=synthetic")
    sub.add_argument("--clip", metavar="ID", help="its sample id (default: the first)")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE", help=".png or .html")
    sub.set_defaults(command=_data_show)
    sub = commands.add_parser(
        "synthesize", help="a twin: synthetic frames in a data set's folders, for its annotations"
    )
    sub.add_argument("--like", required=True, choices=("casme2", "samm", "smic", "casme_sq"))
    sub.add_argument("--annotations", type=Path, required=True, metavar="FILE", help="the data set's own")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="new, empty, or begun before")
    sub.add_argument("--size", type=positive, default=112, help="height and width of a frame, pixels")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--images", default="", help="casme2: cropped or raw; smic: short or long (default: the first)")
    sub.set_defaults(command=_data_synthesize)


def _data_facts(options: argparse.Namespace) -> int:
    from orchestration.cli_train import show_data

    return show_data(options.overrides)


def _data_prepare(options: argparse.Namespace) -> int:
    from orchestration.cli_data import prepare

    return prepare(options.overrides, options.processes)


def _data_check(options: argparse.Namespace) -> int:
    from orchestration.cli_data_check import check_folder

    return check_folder(options.path)


def _data_show(options: argparse.Namespace) -> int:
    from orchestration.cli_data_show import show

    return show(options.overrides, options.clip, options.out)


def _data_synthesize(options: argparse.Namespace) -> int:
    from orchestration.cli_data_synthesize import write_twin

    return write_twin(
        options.like, options.annotations, options.out, size=options.size, seed=options.seed, images=options.images
    )
