"""Which variants a design compares: pure functions from factors to combinations of levels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

DESIGNS = ("factorial", "one_factor_at_a_time")
LATER_DESIGNS = ("add_one_in", "fractional_factorial", "variants", "search")
"""Named by the format, not built yet."""

Factors = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Factor -> level -> Hydra overrides; the first level of a factor is the reference."""
Levels = Mapping[str, str]
"""Factor -> level."""

REFERENCE = "reference"


def reference_levels(factors: Factors) -> dict[str, str]:
    """The first level of each factor."""
    return {factor: next(iter(levels)) for factor, levels in factors.items()}


def size(design: str, factors: Factors) -> int:
    """How many combinations the design has before any is excluded."""
    counts = [len(levels) for levels in factors.values()]
    return math.prod(counts) if design == "factorial" else 1 + sum(count - 1 for count in counts)


def combinations(design: str, factors: Factors, exclude: Sequence[Levels] = ()) -> list[dict[str, str]]:
    """Levels of each variant, the reference first, then in the order of the file."""
    reference = reference_levels(factors)
    if design == "factorial":
        product = itertools.product(*factors.values())
        found = [dict(zip(factors, levels, strict=True)) for levels in product]
    else:
        assert design == "one_factor_at_a_time", design
        others = [reference | {factor: level} for factor, levels in factors.items() for level in list(levels)[1:]]
        found = [reference, *others]
    return [levels for levels in found if not any(matches(levels, excluded) for excluded in exclude)]


def matches(levels: Levels, excluded: Levels) -> bool:
    """Whether a combination has all levels of an exclusion."""
    return all(levels[factor] == level for factor, level in excluded.items())


def overrides_of(base: Sequence[str], factors: Factors, levels: Levels) -> tuple[str, ...]:
    """Hydra overrides of a combination: base first, then the levels in the order of the factors."""
    return (*base, *itertools.chain.from_iterable(factors[factor][levels[factor]] for factor in factors))


def variant_name(levels: Levels, factors: Factors) -> str:
    """What differs from the reference: "texture=off depth=off"; REFERENCE if nothing does."""
    reference = reference_levels(factors)
    different = [f"{factor}={level}" for factor, level in levels.items() if level != reference[factor]]
    return " ".join(different) or REFERENCE
