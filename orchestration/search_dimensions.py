"""The space of a search as the sweep file has it: bounds, choices, simplices, and what hangs on what."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

from madv.errors import unknown
from orchestration.overrides import Override, find_problems
from orchestration.search_space import Dimension, Kind, override, plain
from orchestration.sections import Section, show

SAME = ("dataset", "protocol", "pretrain")
"""Groups of settings that decide which folds there are, and what they start from."""
SPACE_EXAMPLE = "loss.beta_ib: {low: 1.0e-5, high: 0.1, log: true}"


def read_space(section: Section, base: Sequence[Override]) -> tuple[Dimension, ...]:
    """What may vary; only what holds.

    Args:
        section: `search`.
        base: overrides of the sweep.
    """
    space = section.section("space", needs=f"it says what may vary, such as {SPACE_EXAMPLE}")
    found: list[Dimension] = []
    levels: dict[str, dict[str, list[Override]]] = {}
    for key, values in space.values.items():
        dimension = _dimension(space, key, {"choices": values} if isinstance(values, list) else values, found)
        if dimension is None:
            continue
        taken = {name for other in found for name in other.settings}
        for name in dimension.settings:
            group = name.partition(".")[0]
            if name in taken:
                space.problem(f"{name} is already in the space; keep one", key)
            if group in SAME:
                space.problem(f"{group} is the same for all configurations of a search; set it in the base", key)
        found.append(dimension)
        place = space.place(key)
        # Both ends and every choice are tried where they will be used; what is between two sound ends is sound.
        levels[key] = {
            str(index): [Override(text=override(name, value), place=place) for name, value in ends.items()]
            for index, ends in enumerate(dimension.ends())
        }
    sound = [one for one in base if one.key not in {name for dimension in found for name in dimension.settings}]
    known = {str(problem) for problem in find_problems(sound, {})}
    space.problems += [problem for problem in find_problems(sound, levels) if str(problem) not in known]
    return tuple(found)


def _dimension(space: Section, key: str, values: Any, before: Sequence[Dimension]) -> Dimension | None:
    if not isinstance(values, dict):
        space.problem(f"must be a list of choices or bounds, such as {SPACE_EXAMPLE}, not {show(values)}", key)
        return None
    section, problems = space.below(key, values), len(space.problems)
    given = [name for name in ("choices", "simplex", "low") if name in values]
    if len(given) != 1:
        what = "says nothing of its values" if not given else f"says {' and '.join(given)}"
        section.problem(f"{what}; give low and high, or choices, or simplex")
        return None
    kind: Kind = {"choices": "choice", "simplex": "simplex", "low": "float"}[given[0]]  # type: ignore[assignment]
    own = {"float": ("low", "high", "log", "int"), "choice": ("choices",), "simplex": ("simplex",)}[kind]
    section.allow((*own, "when"))
    when = _when(section, before)
    if kind == "simplex":
        parts = tuple(text for _, text in section.texts("simplex", "[loss.alpha, loss.beta, loss.gamma]"))
        if len(parts) < 2 or len(set(parts)) < len(parts):
            section.problem(f"needs two or more different settings, not {show(values['simplex'])}", "simplex")
        return None if len(space.problems) > problems else Dimension(key=key, kind=kind, parts=parts, when=when)
    if kind == "choice":
        choices = values["choices"]
        fine = isinstance(choices, list) and all(isinstance(one, (str, int, float, type(None))) for one in choices)
        if not fine or len({plain(one) for one in choices}) < max(2, len(choices)):
            section.problem(
                f"needs two or more different values, such as [true, false], not {show(choices)}", "choices"
            )
            return None
        return Dimension(key=key, kind=kind, choices=tuple(choices), when=when)
    flags = {name: values.get(name, False) for name in ("log", "int")}
    for name, value in flags.items():
        if not isinstance(value, bool):
            section.problem(f"must be true or false, not {show(value)}", name)
    low, high = (_bound(section, name, whole=flags["int"] is True) for name in ("low", "high"))
    if low is not None and high is not None:
        if low >= high:
            section.problem(f"low {low:g} is not below high {high:g}")
        elif flags["log"] is True and low <= 0:
            section.problem(f"a logarithmic scale has no place for low {low:g}; raise it above 0, or leave log out")
    if len(space.problems) > problems or low is None or high is None:
        return None
    kind = "int" if flags["int"] else "float"
    return Dimension(key=key, kind=kind, low=low, high=high, log=flags["log"], when=when)


def _bound(section: Section, name: str, *, whole: bool) -> float | None:
    value = section.values.get(name)
    if isinstance(value, str):
        # YAML 1.1 reads 1e-5 as a text; only 1.0e-5 is a number.
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        if not whole or value == int(value):
            return float(value)
        section.problem(f"must be a whole number, not {show(value)}", name)
    else:
        section.problem("is missing" if name not in section else f"must be a number, not {show(value)}", name)
    return None


def _when(section: Section, before: Sequence[Dimension]) -> dict[str, str]:
    """Values of choices above it that a dimension exists with: "model.streams.au=true"."""
    choices = {one.key: [plain(choice) for choice in one.choices] for one in before if one.kind == "choice"}
    found: dict[str, str] = {}
    if "when" not in section:
        return found
    for token in section.text("when", "").split():
        key, equals, value = token.partition("=")
        if not equals:
            section.problem(f"{token!r} is no condition; write setting=value, several with spaces", "when")
        elif key not in choices:
            message = unknown("choice above it", key, choices) if choices else "there are no choices above it"
            section.problem(f"{message}; a condition names choices of the space", "when")
        elif value not in choices[key]:
            section.problem(unknown(f"choice of {key}", value, choices[key]), "when")
        else:
            found[key] = value
    return found
