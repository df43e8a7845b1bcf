"""Hydra overrides of a sweep file: each one is tried where it will be used, so that each problem is found once."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from madv.config import Config
from madv.errors import ConfigError, Problem
from orchestration.designs import Design, combinations, overrides_of, variant_name

MAX_SHOWN = 8
"""Messages about whole variants; one mistake can break hundreds of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """An override as typed."""

    text: str
    place: str

    @property
    def key(self) -> str:
        """What it sets: model.streams.depth."""
        return self.text.partition("=")[0].strip()


@functools.lru_cache(maxsize=8192)
def composed(overrides: tuple[str, ...]) -> Config:
    """madv.compose.compose, once for each list of overrides.

    Raises:
        ConfigError: see there.
    """
    from madv.compose import compose

    return compose(overrides)


def find_problems(base: Sequence[Override], factors: Mapping[str, Mapping[str, Sequence[Override]]]) -> list[Problem]:
    """What is wrong with each override of base and of the factors' levels (factor -> level -> overrides)."""
    bad = _bad(base, context=())
    found = list(bad.values())
    sound = tuple(override.text for override in base if override not in bad)
    for levels in factors.values():
        for overrides in levels.values():
            found += _bad(overrides, context=sound).values()
    return found


def _bad(overrides: Sequence[Override], context: tuple[str, ...]) -> dict[Override, Problem]:
    """The overrides that do not hold after those of the context; what only a whole variant shows is left out."""
    try:
        composed((*context, *(override.text for override in overrides)))
    except ConfigError as error:
        causes = [(problem.place, problem.message) for problem in error.problems]
    else:
        return {}
    messages = {text: "; ".join(dict.fromkeys(said for place, said in causes if place == text)) for text, _ in causes}
    bad = {one: messages[one.text] for one in overrides if one.text in messages}
    if any(one.key == "dataset" for one in bad):
        # Without its data set a setting such as dataset.path is judged by another one's rules.
        bad = {one: message for one, message in bad.items() if not one.key.startswith("dataset.")}
    return {one: Problem(place=one.place, message=f"{one.text!r}: {message}") for one, message in bad.items()}


def find_contradictions(base: Sequence[str], design: Design, place: str) -> list[Problem]:
    """What each override allows and a whole variant does not, such as all streams off; each message once."""
    broken: dict[str, list[str]] = {}
    for levels in combinations(design):
        try:
            composed(overrides_of(base, design.factors, levels))
        except ConfigError as error:
            for problem in error.problems:
                broken.setdefault(str(problem), []).append(variant_name(levels, design.factors))
    return [
        Problem(place=place, message=f"{_variants(names)}: {message}; metadata.sweep.exclude leaves variants out")
        for message, names in list(broken.items())[:MAX_SHOWN]
    ]


def _variants(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"variant {names[0]!r}{more}"
