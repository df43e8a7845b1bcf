"""Arguments that several commands take, checked as they are read."""

from __future__ import annotations

import argparse


def shape(text: str) -> tuple[int, int, int]:
    """Frames, height and width, such as 16x112x112."""
    try:
        frames, height, width = (positive(part) for part in text.split("x"))
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"{text!r} is not frames x height x width, such as 16x112x112") from None
    return frames, height, width


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def hours(text: str) -> float:
    """A number from 0."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hours from 0")
    return number


def add_overrides(parser: argparse.ArgumentParser, text: str) -> None:
    """Hydra overrides after all else; text says which."""
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=f"settings, {text}")
