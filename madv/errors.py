"""Errors that a user can cause: where, what, and the way out, without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONGEST = 1500
"""Characters of a problem that are shown."""


def printable(line: str) -> str:
    """A line as a terminal may have it: what would move its cursor or change its colours is escaped."""
    if line.isprintable():
        return line
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong in what the user gave."""

    place: str
    """Where: a file and line, a path in a sweep file, or an override as typed."""
    message: str
    """What is wrong with which value, and the way out."""

    def __str__(self) -> str:
        """For a terminal: printable, and what is endless is cut in its middle."""
        text = f"{self.place}: {self.message}" if self.place else self.message
        text = printable(text)
        half = LONGEST // 2
        return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"


class MadvError(Exception):
    """The user can mend this. The command line prints it and exits with code 2."""

    def __init__(self, problems: str | Sequence[Problem]) -> None:
        self.problems = [Problem(place="", message=problems)] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(map(str, self.problems)))


class StorageError(MadvError):
    """Storage that is full, read-only or away."""


class ConfigError(MadvError):
    """A setting or an override that does not hold."""


class DataError(MadvError):
    """A data set that is not there, or is something else."""


class SpecError(MadvError):
    """A sweep file that does not hold."""


class ClusterError(MadvError):
    """Ray could not be started, joined or kept."""


def unknown(kind: str, name: object, choices: Iterable[str]) -> str:
    """The message for a name outside a known set: "unknown stream 'dept'; did you mean 'depth'? Choose from ..."."""
    names = sorted(choices)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? Choose" if near else "choose"
    return f"unknown {kind} {name!r}; {hint} from {', '.join(names)}"
