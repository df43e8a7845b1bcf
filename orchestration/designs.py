"""Which variants a design compares: pure functions from factors to combinations of levels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Factors = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Factor -> level -> Hydra overrides; the first level of a factor is the reference."""
Levels = Mapping[str, str]
"""Factor -> level; a nested factor is absent where the factor it hangs on has another level."""

REFERENCE = "reference"
VARIANTS = "variants"
"""A design of named lists of overrides; also the name of its only factor."""
SEARCH = "search"
"""A design of one variant, the point around which orchestration.search_spec names a space."""
RESOLUTION = 4
"""Main effects clear of each other and of two-factor interactions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """A kind of design and what it is laid out over."""

    kind: str
    """A key of LAYOUTS."""
    factors: Factors
    when: Mapping[str, Levels] = field(default_factory=dict)
    """Nested factor -> levels of factors before it that it exists with."""
    exclude: tuple[Levels, ...] = ()
    """Combinations to leave out: a variant goes that has all levels of one of them."""
    resolution: int = RESOLUTION
    """fractional_factorial: length of the shortest word of the defining relation, at least."""


def combinations(design: Design) -> list[Levels]:
    """Levels of each variant, the reference first, then in the order of the file; each combination once."""
    found: dict[tuple[tuple[str, str], ...], Levels] = {}
    for levels in LAYOUTS[design.kind](design):
        there = _nested(levels, design.when)
        if not any(matches(there, excluded) for excluded in design.exclude):
            found.setdefault(tuple(there.items()), there)
    return list(found.values())


def size(design: Design) -> int:
    """How many combinations the design has at most; cheap where laying it out is not."""
    counts = [len(levels) for levels in design.factors.values()]
    if design.kind == "factorial":
        return math.prod(counts)
    return 2 ** len(counts) if design.kind == "fractional_factorial" else 2 + sum(counts)


def reference_levels(factors: Factors) -> dict[str, str]:
    """The first level of each factor."""
    return {factor: next(iter(levels)) for factor, levels in factors.items()}


def matches(levels: Levels, wanted: Levels) -> bool:
    """Whether a combination has all the wanted levels."""
    return all(levels.get(factor) == level for factor, level in wanted.items())


def overrides_of(base: Sequence[str], factors: Factors, levels: Levels) -> tuple[str, ...]:
    """Hydra overrides of a combination: base first, then the levels in the order of the factors."""
    chosen = (factors[factor][levels[factor]] for factor in factors if factor in levels)
    return (*base, *itertools.chain.from_iterable(chosen))


def variant_name(levels: Levels, factors: Factors) -> str:
    """What differs from the reference: "texture=off depth=off"; REFERENCE if nothing does. Named lists keep theirs."""
    if VARIANTS in levels:
        return levels[VARIANTS]
    reference = reference_levels(factors)
    different = [f"{factor}={level}" for factor, level in levels.items() if level != reference[factor]]
    return " ".join(different) or REFERENCE


def aliases(design: Design) -> list[str]:
    """What a fraction cannot tell apart, among main effects and two-factor interactions: "texture:depth = au:levels".

    Empty for other designs, and where all of them are clear of each other.
    """
    if design.kind != "fractional_factorial":
        return []
    columns = dict(zip(design.factors, generators(len(design.factors), design.resolution), strict=True))
    groups: dict[int, list[str]] = {}
    for factor, column in columns.items():
        groups.setdefault(column, []).append(factor)
    for one, other in itertools.combinations(columns, 2):
        groups.setdefault(columns[one] ^ columns[other], []).append(f"{one}:{other}")
    return [" = ".join(group) for group in groups.values() if len(group) > 1]


def generators(number: int, resolution: int) -> list[int]:
    """The columns of a regular two-level fraction, as few runs as a greedy choice finds.

    A column is a set of basic factors, a bit each; its factor's level is the parity of their levels. A word of the
    defining relation is a set of columns whose exclusive or is 0, so that a new column must not be the exclusive or of
    resolution - 2 or fewer others (Box and Hunter, Technometrics 1961).

    Args:
        number: of factors.
        resolution: from 3; beyond the number of factors the fraction is the whole factorial.

    Returns:
        (number,) bit masks; the runs are all patterns of the bits in use.
    """
    for basic in range(1, number + 1):
        columns = [1 << bit for bit in range(basic)]
        for candidate in range(1, 1 << basic):
            if len(columns) < number and candidate not in _sums(columns, resolution - 2):
                columns.append(candidate)
        if len(columns) == number:
            return columns
    raise AssertionError("basic = number always does")


def _sums(columns: Sequence[int], most: int) -> set[int]:
    """Exclusive ors of at most so many columns."""
    sums = {0}
    for _ in range(most):
        sums |= {total ^ column for total in sums for column in columns}
    return sums


def _factorial(design: Design) -> Iterable[Levels]:
    for levels in itertools.product(*design.factors.values()):
        yield dict(zip(design.factors, levels, strict=True))


def _one_factor_at_a_time(design: Design) -> Iterable[Levels]:
    """Of a nested factor, with the levels that it needs."""
    reference = reference_levels(design.factors)
    yield reference
    for factor, levels in design.factors.items():
        for level in list(levels)[1:]:
            yield reference | _needs(factor, design.when) | {factor: level}


def _add_one_in(design: Design) -> Iterable[Levels]:
    """Everything at its first level, everything at its last, and the last with one factor at its first."""
    reference = reference_levels(design.factors)
    bare = {factor: list(levels)[-1] for factor, levels in design.factors.items()}
    yield reference
    yield bare
    for factor in design.factors:
        yield bare | _needs(factor, design.when) | {factor: reference[factor]}


def _fractional_factorial(design: Design) -> Iterable[Levels]:
    columns = generators(len(design.factors), design.resolution)
    for run in range(1 << max(column.bit_length() for column in columns)):
        yield {
            factor: list(levels)[(run & column).bit_count() % 2]
            for (factor, levels), column in zip(design.factors.items(), columns, strict=True)
        }


LAYOUTS: Mapping[str, Callable[[Design], Iterable[Levels]]] = {
    "one_factor_at_a_time": _one_factor_at_a_time,
    "add_one_in": _add_one_in,
    "factorial": _factorial,
    "fractional_factorial": _fractional_factorial,
    VARIANTS: _factorial,
    SEARCH: _factorial,
}


def _needs(factor: str, when: Mapping[str, Levels]) -> dict[str, str]:
    """Levels without which a nested factor does not exist."""
    needed = dict(when.get(factor, {}))
    for other in when.get(factor, {}):
        needed |= _needs(other, when)
    return needed


def _nested(levels: Levels, when: Mapping[str, Levels]) -> Levels:
    """Without the factors that do not exist here."""
    there = dict(levels)
    for factor in levels:
        if not matches(there, when.get(factor, {})):
            del there[factor]
    return there
