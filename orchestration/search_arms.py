"""An ablation whose every variant is searched: what of the space each of them reads, and what cannot be searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from madv.errors import ConfigError, Problem, SpecError
from madv.fits import misfits
from orchestration.overrides import composed
from orchestration.plan import variant_digest
from orchestration.search_space import Dimension, Params, overrides

if TYPE_CHECKING:
    from orchestration.plan import Facts, Plan, Variant

Values = Mapping[str, Any]
"""Setting -> value."""


def arm_spaces(plan: Plan, facts_of: Facts) -> dict[str, tuple[Dimension, ...]]:
    """Variant -> the part of the sweep's space that makes a difference to it: no weights of a stream that is off.

    Args:
        plan: of the file.
        facts_of: what there is to know of the data sets.

    Raises:
        SpecError: a variant has nothing to search, or an end of the space does not hold in it.
    """
    assert plan.spec.search is not None
    spaces, problems = {}, []
    for variant in plan.variants:
        arm = _Arm(variant, facts_of, plan.spec.search.space)
        spaces[variant.name] = arm.space()
        found = arm.problems
        if variant.config.protocol.optimistic():
            found = ["scores subjects that it trains on, so that no choice of weights is honest; leave it out"]
        elif not found and not spaces[variant.name]:
            found = ["reads none of the space's settings, so that there is nothing to search; leave it out"]
        place = plan.spec.places.get(next(iter(_differing(plan, variant)), "base"), "base")
        problems += [Problem(place=place, message=f"variant {variant.name!r}: {text}") for text in found]
    if problems:
        raise SpecError(problems)
    return spaces


def fitting_point(point: Params, whole: Sequence[Dimension], space: Sequence[Dimension]) -> dict[str, Any]:
    """A known point of the whole space as one of a variant's: the parts that a simplex has left share out 1 as they did
    among each other; where all of them are 0 it is drawn."""
    given: dict[str, Any] = {}
    for dimension in whole:
        own = {name: value for name, value in point.items() if name.partition("[")[0] == dimension.key}
        given |= dimension.decode(own) if own else {}
    found: dict[str, Any] = {}
    for dimension in space:
        values = {name: given[name] for name in dimension.settings if name in given}
        if dimension in whole:
            found |= {name: value for name, value in point.items() if name.partition("[")[0] == dimension.key}
        elif values and (total := sum(values.values())) > 0:
            found |= dimension.encode({name: value / total for name, value in values.items()})
    return found


def _differing(plan: Plan, variant: Variant) -> Iterator[str]:
    """Factors whose levels are not the reference's."""
    reference = plan.variants[0].levels
    return (factor for factor, level in variant.levels.items() if level != reference.get(factor))


class _Arm:
    """One variant, and the sweep's space around it."""

    def __init__(self, variant: Variant, facts_of: Facts, space: tuple[Dimension, ...]) -> None:
        self._variant, self._facts_of, self._space = variant, facts_of, space
        self._choices = [choice for one in space if one.kind == "choice" for choice in one.ends()]
        self.problems: list[str] = []

    def space(self) -> tuple[Dimension, ...]:
        """What of it tells two configurations of this variant apart."""
        found: dict[str, Dimension] = {}
        for dimension in self._space:
            if set(dimension.when) <= found.keys():
                kept = self._parts(dimension) if dimension.kind == "simplex" else dimension
                if kept is not None and self._matters(dimension, list(kept.ends())):
                    found[dimension.key] = kept
        return tuple(found.values())

    def _parts(self, dimension: Dimension) -> Dimension | None:
        """A simplex without the parts that are not read; None if it shares out nothing any more."""
        parts = tuple(one for one in dimension.parts if self._matters(dimension, [{one: 0.25}, {one: 0.75}]))
        return replace(dimension, parts=parts) if len(parts) > 1 else None

    def _matters(self, dimension: Dimension, ends: list[dict[str, Any]]) -> bool:
        """Whether the ends mean different things, by themselves or beside another choice of the space."""
        needed = dict(dimension.when)
        meanings = {self._meaning(needed | end) for end in ends}
        if None in meanings:
            return True  # said in problems
        others = (choice for choice in self._choices if not choice.keys() & (needed | ends[0]).keys())
        return len(meanings) > 1 or any(
            len({self._meaning(needed | choice | end, quiet=True) for end in ends} - {None}) > 1 for choice in others
        )

    def _meaning(self, values: Values, *, quiet: bool = False) -> str | None:
        """Digest of the variant with these settings; None if they do not go together."""
        try:
            config = composed((*self._variant.overrides, *overrides(values)))
            problems = misfits(config, self._facts_of)
        except ConfigError as error:
            problems = error.problems
        if problems:
            said = f"{' '.join(overrides(values))}: {'; '.join(problem.message for problem in problems)}"
            if not quiet and said not in self.problems:
                self.problems.append(said)
            return None
        return variant_digest(config, self._facts_of)
