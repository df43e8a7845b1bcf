"""The factors of a sweep file and the combinations that it excludes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from madv.errors import unknown
from orchestration.designs import combinations, matches, reference_levels, size
from orchestration.overrides import Override
from orchestration.sections import Section, show

LEVELS_EXAMPLE = "{on: [], off: [model.streams.texture=false]}"
OVERRIDES_EXAMPLE = "[model.streams.texture=false], or [] for nothing"
EXCLUDE_EXAMPLE = '["texture=off depth=off"]'
NAME = re.compile(r"[^\s=]+")
SWITCH = {"on": "on", "yes": "on", "true": "on", "off": "off", "no": "off", "false": "off"}
"""YAML 1.1 reads these names as true and false, and a cluster's head gets the file as JSON, with "true" for `on`:
the same file must mean the same in both places."""
MAX_VARIANTS = 4096

OverridesByLevel = dict[str, dict[str, list[Override]]]


def read_factors(sweep: Section) -> OverridesByLevel:
    """Factor -> level -> overrides; only what holds."""
    section = sweep.section("factors", needs=f"a sweep varies at least one factor, such as texture: {LEVELS_EXAMPLE}")
    factors: OverridesByLevel = {}
    for factor, values in section.values.items():
        if not NAME.fullmatch(factor):
            section.problem(f"a factor's name is one word without '=', not {factor!r}", factor)
        elif not isinstance(values, dict):
            section.problem(f"must map levels to overrides, such as {LEVELS_EXAMPLE}, not {show(values)}", factor)
        else:
            factors[factor] = _read_levels(section.section(factor))
            if len(values) < 2:
                section.problem(f"a factor compares at least two levels, not {len(values)}", factor)
    return factors


def _read_levels(section: Section) -> dict[str, list[Override]]:
    levels: dict[str, list[Override]] = {}
    for typed in section.values:
        name = _level_name(typed)
        if not NAME.fullmatch(typed):
            section.problem(f"a level's name is one word without '=', not {typed!r}", typed)
            continue
        if name in levels:
            section.problem(f"the level {name!r} is already there; on, yes and true mean the same, as in YAML", typed)
        texts = section.texts(typed, OVERRIDES_EXAMPLE)
        levels[name] = [Override(text=text, place=section.place(typed, index)) for index, text in texts]
    return levels


def read_exclude(sweep: Section, factors: OverridesByLevel, design: str | None) -> list[dict[str, str]]:
    """Conjunctions of levels: "texture=off depth=off" -> {"texture": "off", "depth": "off"}."""
    found: list[tuple[int, dict[str, str]]] = []
    for index, text in sweep.texts("exclude", EXCLUDE_EXAMPLE):
        levels = _read_conjunction(sweep, index, text, factors)
        if levels:
            found.append((index, levels))
    exclude = [levels for _, levels in found]
    if design is None or sweep.problems or not factors:
        return exclude
    plain = {factor: dict.fromkeys(levels, ()) for factor, levels in factors.items()}
    if (count := size(design, plain)) > MAX_VARIANTS:
        sweep.problem(f"make {count} variants; at most {MAX_VARIANTS} can be compared", "factors")
        return exclude
    everything = combinations(design, plain)
    reference = reference_levels(plain)
    for index, levels in found:
        if matches(reference, levels):
            sweep.problem("removes the reference, the first level of each factor", "exclude", index)
        elif not any(matches(variant, levels) for variant in everything):
            sweep.problem(f"removes nothing: design {design} has no such variant", "exclude", index)
    if not sweep.problems and len(combinations(design, plain, exclude)) < 2:
        sweep.problem("leaves nothing to compare with the reference", "exclude")
    return exclude


def _read_conjunction(
    sweep: Section, index: int, text: str, factors: Mapping[str, Mapping[str, object]]
) -> dict[str, str]:
    """Levels by factor; only what holds."""
    levels: dict[str, str] = {}
    for token in text.split():
        factor, equals, level = token.partition("=")
        if not equals:
            message = f"{token!r} is no level; write factor=level, several with spaces, such as {EXCLUDE_EXAMPLE}"
        elif factor not in factors:
            message = unknown("factor", factor, factors)
        elif _level_name(level) not in factors[factor]:
            message = unknown(f"level of factor {factor}", level, factors[factor])
        elif factor in levels:
            message = f"{factor!r} occurs twice; a variant has one level of each factor"
        else:
            levels[factor] = _level_name(level)
            continue
        sweep.problem(message, "exclude", index)
    return levels


def _level_name(typed: str) -> str:
    return SWITCH.get(typed.lower(), typed)
