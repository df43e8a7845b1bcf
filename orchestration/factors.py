"""The design of a sweep file: its factors, and the combinations that it excludes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from madv.errors import unknown
from orchestration.designs import (
    LAYOUTS,
    RESOLUTION,
    SEARCH,
    VARIANTS,
    Design,
    Levels,
    combinations,
    matches,
    size,
)
from orchestration.overrides import Override
from orchestration.sections import Section, show

LEVELS_EXAMPLE = "{on: [], off: [model.streams.texture=false]}"
OVERRIDES_EXAMPLE = "[model.streams.texture=false], or [] for nothing"
VARIANTS_EXAMPLE = "{full: [], no_depth: [model.streams.depth=false]}"
WHEN = "when"
"""Among a factor's levels: what the factor hangs on."""
WHEN_EXAMPLE = '"depth=on"'
EXCLUDE_EXAMPLE = '["texture=off depth=off"]'
NAME = re.compile(r"[^\s=]+")
SWITCH = {"on": "on", "yes": "on", "true": "on", "off": "off", "no": "off", "false": "off"}
"""YAML 1.1 reads these names as true and false, and a cluster's head gets the file as JSON, with "true" for `on`:
the same file must mean the same in both places."""
MAX_VARIANTS = 4096

FRACTIONAL = "fractional_factorial"

OverridesByLevel = dict[str, dict[str, list[Override]]]


def read_kind(sweep: Section) -> str | None:
    """The kind of design."""
    return sweep.choice("design", LAYOUTS) if sweep.values else None


def read_factors(sweep: Section, kind: str | None) -> OverridesByLevel:
    """Factor -> level -> overrides; only what holds. Named variants are the levels of one factor."""
    if kind == VARIANTS:
        named = sweep.section(VARIANTS, needs=f"design {VARIANTS} names its variants, such as {VARIANTS_EXAMPLE}")
        if "factors" in sweep:
            sweep.problem(f"has no place in design {VARIANTS}; leave it out", "factors")
        if len(named.values) == 1:
            sweep.problem("compares at least two variants, the reference first", VARIANTS)
        return {VARIANTS: _read_levels(named)}
    if kind == SEARCH:
        return {}
    if kind is not None and VARIANTS in sweep:
        sweep.problem(f"belongs to design {VARIANTS}, not {kind}", VARIANTS)
    section = sweep.section("factors", needs=f"a sweep varies at least one factor, such as texture: {LEVELS_EXAMPLE}")
    factors: OverridesByLevel = {}
    for factor, values in section.values.items():
        if not NAME.fullmatch(factor):
            section.problem(f"a factor's name is one word without '=', not {factor!r}", factor)
        elif not isinstance(values, dict):
            section.problem(f"must map levels to overrides, such as {LEVELS_EXAMPLE}, not {show(values)}", factor)
        else:
            factors[factor] = _read_levels(section.section(factor))
            count = len(values) - (WHEN in values)
            if count < 2:
                section.problem(f"a factor compares at least two levels, not {count}", factor)
            elif count > 2 and kind == FRACTIONAL:
                section.problem(f"a fraction's factors have two levels, not {count}", factor)
    return factors


def read_when(sweep: Section, factors: OverridesByLevel, kind: str | None) -> dict[str, Levels]:
    """Nested factor -> levels of factors before it that it exists with."""
    section, when = sweep.section("factors"), {}
    for place, factor in enumerate(factors):
        values = section.values.get(factor)
        if not isinstance(values, dict) or WHEN not in values:
            continue
        below = section.below(factor, values)
        before = {name: factors[name] for name in list(factors)[:place]}
        text = below.text(WHEN, "")
        if kind == FRACTIONAL:
            below.problem("a fraction has no nested factors; use design factorial", WHEN)
        elif levels := _read_conjunction(below, (WHEN,), text, before, "factor above it", WHEN_EXAMPLE):
            when[factor] = levels
    return when


def read_resolution(sweep: Section, kind: str | None) -> int:
    """Of a fraction."""
    value = sweep.values.get("resolution", RESOLUTION)
    if "resolution" in sweep and kind is not None and kind != FRACTIONAL:
        sweep.problem(f"belongs to design {FRACTIONAL}, not {kind}", "resolution")
    elif isinstance(value, bool) or not isinstance(value, int) or value < 3:
        rule = "3 (main effects clear of each other), 4 (of two-factor interactions too), 5 (these of each other too)"
        sweep.problem(f"must be {rule} or more, not {show(value)}", "resolution")
    else:
        return value
    return RESOLUTION


def _read_levels(section: Section) -> dict[str, list[Override]]:
    levels: dict[str, list[Override]] = {}
    for typed in section.values:
        if typed == WHEN:
            continue
        name = _level_name(typed)
        if not NAME.fullmatch(typed):
            section.problem(f"a level's name is one word without '=', not {typed!r}", typed)
            continue
        if name in levels:
            section.problem(f"the level {name!r} is already there; on, yes and true mean the same, as in YAML", typed)
        texts = section.texts(typed, OVERRIDES_EXAMPLE)
        levels[name] = [Override(text=text, place=section.place(typed, index)) for index, text in texts]
    return levels


def read_exclude(
    sweep: Section, factors: OverridesByLevel, kind: str | None, when: Mapping[str, Levels]
) -> tuple[Levels, ...]:
    """Conjunctions of levels: "texture=off depth=off" -> {"texture": "off", "depth": "off"}."""
    found: list[tuple[int, Levels]] = []
    for index, text in sweep.texts("exclude", EXCLUDE_EXAMPLE):
        levels = _read_conjunction(sweep, ("exclude", index), text, factors, "factor", EXCLUDE_EXAMPLE)
        if levels:
            found.append((index, levels))
    exclude = tuple(levels for _, levels in found)
    if kind is None or sweep.problems or not factors:
        return exclude
    if exclude and kind == FRACTIONAL:
        sweep.problem("would unbalance a fraction; use design factorial", "exclude")
        return exclude
    plain = {factor: dict.fromkeys(levels, ()) for factor, levels in factors.items()}
    design = Design(kind=kind, factors=plain, when=when)
    if (count := size(design)) > MAX_VARIANTS:
        sweep.problem(f"make {count} variants; at most {MAX_VARIANTS} can be compared", "factors")
        return exclude
    everything = combinations(design)
    reference = everything[0]
    for index, levels in found:
        if matches(reference, levels):
            sweep.problem("removes the reference, the first level of each factor", "exclude", index)
        elif not any(matches(variant, levels) for variant in everything):
            sweep.problem(f"removes nothing: design {kind} has no such variant", "exclude", index)
    if not sweep.problems and len(combinations(replace(design, exclude=exclude))) < 2:
        sweep.problem("leaves nothing to compare with the reference", "exclude")
    return exclude


def _read_conjunction(
    section: Section,
    keys: tuple[str | int, ...],
    text: str,
    factors: Mapping[str, Mapping[str, object]],
    what: str,
    example: str,
) -> Levels:
    """Levels by factor; only what holds. Problems are placed at the keys; what says which factors there may be."""
    levels: dict[str, str] = {}
    for token in text.split():
        factor, equals, level = token.partition("=")
        if not equals:
            message = f"{token!r} is no level; write factor=level, several with spaces, such as {example}"
        elif factor not in factors:
            message = unknown(what, factor, factors)
        elif _level_name(level) not in factors[factor]:
            message = unknown(f"level of factor {factor}", level, factors[factor])
        elif factor in levels:
            message = f"{factor!r} occurs twice; a variant has one level of each factor"
        else:
            levels[factor] = _level_name(level)
            continue
        section.problem(message, *keys)
    return levels


def _level_name(typed: str) -> str:
    return SWITCH.get(typed.lower(), typed)
