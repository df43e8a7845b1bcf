"""A space of settings: what a study's parameters mean as Hydra overrides, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from madv.errors import unknown

if TYPE_CHECKING:
    from optuna import Trial

Kind = Literal["float", "int", "choice", "simplex"]
Params = Mapping[str, Any]
"""Of a study: parameter -> value."""
DIGITS = 6
"""Significant digits of a number that is tried: few enough to copy, more than any score can tell apart."""
TOLERANCE = 1e-3
"""By which the parts of a simplex may miss 1 as typed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dimension:
    """One thing that varies: a setting, or several that add up to 1."""

    key: str
    """The setting; of a simplex a name."""
    kind: Kind
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    parts: tuple[str, ...] = ()
    """Settings of a simplex."""
    when: Mapping[str, str] = field(default_factory=dict)
    """Choices that it exists with: setting -> value as typed."""

    @property
    def settings(self) -> tuple[str, ...]:
        """What it sets."""
        return self.parts or (self.key,)

    @property
    def condition(self) -> str:
        """The choices that it exists with, as typed."""
        return " ".join(f"{key}={value}" for key, value in self.when.items())

    def exists(self, values: Mapping[str, Any]) -> bool:
        """Whether it is there, with these settings so far."""
        return all(key in values and plain(values[key]) == value for key, value in self.when.items())

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Ask for its parameters."""
        if self.kind == "choice":
            return {self.key: trial.suggest_categorical(self.key, self.choices)}
        if self.kind == "simplex":
            names = [self._share(place) for place in range(len(self.parts) - 1)]
            return {name: trial.suggest_float(name, 0, 1) for name in names}
        assert self.low is not None and self.high is not None
        if self.kind == "int":
            return {self.key: trial.suggest_int(self.key, int(self.low), int(self.high), log=self.log)}
        return {self.key: trial.suggest_float(self.key, self.low, self.high, log=self.log)}

    def decode(self, params: Params) -> dict[str, Any]:
        """Settings of parameters.

        A simplex of k parts is broken off a stick with k - 1 shares u: part i is the share 1 - u_i ** (1 / (k - i)) of
        what is left, so that shares that are uniform make parts that are uniform on the simplex (Devroye, 1986).
        """
        if self.kind != "simplex":
            return {self.key: params[self.key]}
        left, found = 1.0, []
        for place in range(len(self.parts) - 1):
            part = left * (1 - params[self._share(place)] ** (1 / (len(self.parts) - 1 - place)))
            found.append(part)
            left -= part
        return dict(zip(self.parts, [*found, max(0.0, left)], strict=True))

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of settings: the inverse of decode."""
        if self.kind == "choice":
            return {self.key: next(one for one in self.choices if plain(one) == plain(values[self.key]))}
        if self.kind != "simplex":
            return {self.key: int(values[self.key]) if self.kind == "int" else float(values[self.key])}
        left, params = float(sum(values[part] for part in self.parts)), {}
        for place, part in enumerate(self.parts[:-1]):
            kept = 1 - values[part] / left if left > 0 else 1.0
            params[self._share(place)] = min(1.0, max(0.0, kept)) ** (len(self.parts) - 1 - place)
            left -= values[part]
        return params

    def problem(self, values: Mapping[str, Any]) -> str | None:
        """Why settings are not in the space; None if they are."""
        if self.kind == "choice":
            known = [plain(one) for one in self.choices]
            return None if plain(values[self.key]) in known else unknown(self.key, plain(values[self.key]), known)
        numbers = {name: values.get(name) for name in self.settings}
        for name, value in numbers.items():
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                return f"{name} must be a number, not {value!r}"
        if self.kind == "simplex":
            total = sum(numbers.values())  # type: ignore[arg-type]
            fine = abs(total - 1) <= TOLERANCE and min(numbers.values()) >= 0  # type: ignore[type-var, operator]
            return None if fine else f"{', '.join(self.parts)} must add up to 1, none below 0; they make {total:g}"
        assert self.low is not None and self.high is not None
        value = values[self.key]
        if not self.low <= value <= self.high or (self.kind == "int" and value != int(value)):
            what = "a whole number " if self.kind == "int" else ""
            return f"{self.key} must be {what}from {self.low:g} to {self.high:g}, not {value:g}"
        return None

    def ends(self) -> Iterator[dict[str, Any]]:
        """Settings at both ends of the range, or with each choice."""
        if self.kind == "simplex":
            for one in self.parts:
                yield {part: float(part == one) for part in self.parts}
        elif self.kind == "choice":
            yield from ({self.key: choice} for choice in self.choices)
        else:
            assert self.low is not None and self.high is not None
            yield from ({self.key: int(end) if self.kind == "int" else end} for end in (self.low, self.high))

    def _share(self, place: int) -> str:
        return f"{self.key}[{place}]"


def suggest(space: Sequence[Dimension], trial: Trial) -> dict[str, Any]:
    """The parameters of a trial: of what exists with the choices that it has made."""
    params: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for dimension in space:
        if dimension.exists(values):
            own = dimension.suggest(trial)
            params |= own
            values |= dimension.decode(own)
    return params


def decode(space: Sequence[Dimension], params: Params) -> dict[str, Any]:
    """Settings of a trial, in the order of the space; what does not exist there is left out."""
    values: dict[str, Any] = {}
    for dimension in space:
        if dimension.exists(values):
            values |= dimension.decode(params)
    return values


def encode(space: Sequence[Dimension], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Parameters of settings that a user gives, all or some, and what is wrong with them."""
    settings = [name for dimension in space for name in dimension.settings]
    problems = [unknown("setting of the space", name, settings) for name in values if name not in settings]
    params: dict[str, Any] = {}
    for dimension in space:
        given = [name for name in dimension.settings if name in values]
        if not given:
            continue
        problem = dimension.problem(values)
        if problem is None:
            params |= dimension.encode(values)
        else:
            problems.append(problem)
    return params, problems


def describe(dimension: Dimension) -> str:
    """Its values for people: "1e-05 to 0.1, logarithmic"."""
    if dimension.kind == "choice":
        return ", ".join(plain(one) for one in dimension.choices)
    if dimension.kind == "simplex":
        return "shares of 1"
    ends = f"{dimension.low:g} to {dimension.high:g}"
    return ends + (", whole" if dimension.kind == "int" else "") + (", logarithmic" if dimension.log else "")


def overrides(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings as Hydra overrides."""
    return tuple(override(key, value) for key, value in values.items())


def override(key: str, value: Any) -> str:
    """A setting as a Hydra override."""
    return f"{key}={plain(value)}"


def plain(value: Any) -> str:
    """A value as Hydra reads it, and as a condition names it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        rounded = float(f"{value:.{DIGITS}g}")
        return str(int(rounded)) if rounded == math.trunc(rounded) and abs(rounded) < 10**DIGITS else repr(rounded)
    return str(value)
