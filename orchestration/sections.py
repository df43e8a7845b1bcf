"""Typed reading of a mapping in a sweep file; what does not hold becomes a problem and the default takes its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from madv.errors import Problem, unknown
from orchestration.yaml_places import Document, Keys

TOO_LONG = 60
LARGEST = 1e9


class Section:
    """One mapping of a document; its problems are those of the whole document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.keys: Keys = ()
        self.values: dict[str, Any] = document.data
        self.problems = list(document.problems)

    def below(self, key: str, values: dict[str, Any]) -> Section:
        """A mapping inside this one; both share their problems."""
        section = Section(self.document)
        section.keys, section.values, section.problems = (*self.keys, key), values, self.problems
        return section

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def place(self, *keys: str | int) -> str:
        """File, line and path of what is below this mapping."""
        return self.document.place((*self.keys, *keys))

    def problem(self, message: str, *keys: str | int) -> None:
        """Record that something below this mapping does not hold."""
        self.problems.append(Problem(place=self.place(*keys), message=message))

    def allow(self, known: Iterable[str], explain: Callable[[str], str | None] = lambda key: None) -> None:
        """Every other key is a problem; explain(key) may know better than a list of the known ones."""
        choices = list(known)
        for key in self.values:
            if key not in choices:
                self.problem(explain(key) or unknown("key", key, choices), key)

    def section(self, key: str, *, needs: str = "") -> Section:
        """The mapping below a key, empty if it is not there; needs says what a missing one lacks."""
        values = self.values.get(key, {})
        if not isinstance(values, dict):
            self.problem(f"must be a mapping, not {show(values)}", key)
            values = {}
        elif needs and not values:
            self.problem(f"is {'empty' if key in self.values else 'missing'}; {needs}", key)
        return self.below(key, values)

    def text(self, key: str, default: str) -> str:
        """A text that is not empty."""
        value = self.values.get(key, default)
        if isinstance(value, str) and (value.strip() or key not in self.values):
            return value
        self.problem(f"must be a text, not {show(value)}", key)
        return default

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str | None:
        """One of a set of names; without a default it must be there."""
        names = list(choices)
        if key not in self.values:
            if default is None:
                self.problem(f"is missing; choose from {', '.join(names)}", key)
            return default
        value = self.values[key]
        if value in names:
            return str(value)
        self.problem(unknown(key, value, names), key)
        return default

    def number(self, key: str, default: float, holds: Callable[[float], bool], rule: str) -> float:
        """A number, neither NaN nor infinite, for which holds() is true, else the rule is quoted: "must be <rule>"."""
        value = self.values.get(key, default)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST and holds(value):
            return float(value)
        self.problem(f"must be {rule}, not {show(value)}", key)
        return default

    def texts(self, key: str, example: str) -> list[tuple[int, str]]:
        """A list of texts, each with its index in the file; empty if it is not there."""
        values = self.values.get(key, [])
        if not isinstance(values, list):
            self.problem(f"must be a list such as {example}, not {show(values)}", key)
            return []
        found = []
        for index, value in enumerate(values):
            if isinstance(value, str) and value.strip():
                found.append((index, value.strip()))
            else:
                self.problem(f"must be a text, not {show(value)}; the list looks like {example}", key, index)
        return found


def show(value: Any) -> str:
    """A value as the user may have typed it, cut to a readable length; of an address no more than its scheme."""
    plain = {None: "nothing", True: "true", False: "false"}
    text = plain[value] if value is None or isinstance(value, bool) else repr(value)
    scheme, address, _ = text.partition("://")
    text = f"{scheme}{address}..." if address else text
    return text if len(text) <= TOO_LONG else text[: TOO_LONG - 3] + "..."
