"""The search of a sweep file: what may vary between which bounds, in how many trials, and how they are chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from madv.errors import unknown
from orchestration.designs import SEARCH, VARIANTS
from orchestration.factors import OverridesByLevel
from orchestration.overrides import Override
from orchestration.search_dimensions import SPACE_EXAMPLE, read_space
from orchestration.search_space import Dimension, encode
from orchestration.sections import Section, show

KEYS = ("space", "trials", "sampler", "pruner", "objectives", "enqueue", "storage", "study", "nested", "frozen")
SAMPLERS = ("tpe", "gp", "cmaes", "nsgaii", "qmc", "random")
PRUNERS = ("wilcoxon", "none")
OBJECTIVES = {"uf1": True, "uar": True, "accuracy": True, "macro_f1": True, "seconds": False, "parameters": False}
"""Whether more is better. Seconds are those of a fold, parameters the largest network's."""
ELSEWHERE = ("factors", "variants", "exclude", "resolution")
"""What an ablation has and a search has not."""
ENQUEUE_EXAMPLE = "[{loss.focal_mu: 1, loss.focal_lambda: 2}]"
STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MAX_TRIALS = 100_000
MAX_GROUPS = 100
HONEST = (
    "chooses by the subjects that it reports, which flatters the score; write search.nested: 5 (five groups of "
    "subjects, each scored by what the others chose), or "
    "metadata.sweep.protocol.optimistic: true, and the report says so in red"
)
ARMS_NESTED = (
    "is missing: variants that are searched are compared on subjects that chose nothing; write nested: 5 (five groups "
    "of subjects, each scored by what the others chose)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSpec:
    """A search, checked."""

    space: tuple[Dimension, ...]
    trials: int = 60
    sampler: str = "tpe"
    """One of SAMPLERS."""
    pruner: str = "wilcoxon"
    """One of PRUNERS."""
    objectives: tuple[str, ...] = ("uf1",)
    """Of OBJECTIVES."""
    enqueue: tuple[Mapping[str, Any], ...] = ()
    """Parameters, as the study has them, of the configurations that are tried first."""
    storage: str | None = None
    """URL of the study; None: a SQLite file below the store."""
    study: str | None = None
    """Its name; None: from the sweep's name, the space and what the cells depend on."""
    nested: int | None = None
    """Groups of subjects, each scored by what the others have chosen; None: chosen and scored on the same subjects."""
    frozen: bool = False
    """Of an ablation: its variants are trained as the file has them, too."""
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Lines of keys, for problems that show later."""


def read_search(
    sweep: Section, kind: str | None, base: Sequence[Override], factors: OverridesByLevel, *, optimistic: bool
) -> SearchSpec | None:
    """The section `search`, with every problem of it; None where the sweep is none.

    Args:
        sweep: metadata.sweep.
        kind: of design; of any other than SEARCH every variant is searched on its own.
        base: overrides of the sweep.
        factors: of its design.
        optimistic: whether the file owns up to flattering scores.
    """
    if kind is None or (kind != SEARCH and SEARCH not in sweep):
        return None
    for key in ELSEWHERE:
        if key in sweep and kind == SEARCH:
            sweep.problem(f"has no place in design {SEARCH}; leave it out", key)
    if "controls" in sweep:
        sweep.problem("judge variants as they are typed, not a search; run them in a sweep without search", "controls")
    section = sweep.section(SEARCH, needs=f"a search needs a space, such as {{space: {{{SPACE_EXAMPLE}}}}}")
    if not section.values:
        return None
    section.allow(KEYS)
    space = read_space(section, base)
    objectives = _objectives(section)
    several = len(objectives) > 1
    sampler = section.choice("sampler", SAMPLERS, "nsgaii" if several else "tpe") or "tpe"
    pruner = section.choice("pruner", PRUNERS, "none" if several else "wilcoxon") or "none"
    nested = _whole(section, "nested", None, 2, MAX_GROUPS)
    if several and pruner != "none":
        section.problem(f"{pruner} races for one objective, not for {len(objectives)}; write none", "pruner")
    if several and nested is not None:
        section.problem("reports the one configuration that won; with several objectives there is none", "nested")
    if kind != SEARCH:
        _check_arms(section, space, factors)
        if several:
            section.problem("variants are compared by what one objective chose; name one", "objectives")
    elif "frozen" in section:
        section.problem(f"asks for an ablation's variants as they are typed; design {SEARCH} has none", "frozen")
    elif nested is None and "nested" not in section and not optimistic:
        sweep.problem(HONEST, SEARCH)
    if sampler == "cmaes":
        _check_cmaes(section, space, several)
    return SearchSpec(
        space=space,
        trials=_whole(section, "trials", 60, 1, MAX_TRIALS) or 60,
        sampler=sampler,
        pruner=pruner,
        objectives=objectives,
        enqueue=_enqueue(section, space),
        storage=section.text("storage", "") or None,
        study=_study(section),
        nested=nested,
        frozen=section.values.get("frozen") is True,
        places={key: section.place(key) for key in KEYS},
    )


def _objectives(section: Section) -> tuple[str, ...]:
    named = section.texts("objectives", "[uf1] or [uf1, seconds]")
    for index, name in named:
        if name not in OBJECTIVES:
            section.problem(unknown("objective", name, OBJECTIVES), "objectives", index)
    names = tuple(dict.fromkeys(name for _, name in named if name in OBJECTIVES)) or ("uf1",)
    if not OBJECTIVES[names[0]]:
        section.problem(f"puts {names[0]} first; a cost alone would choose the worst network", "objectives")
    return names


def _whole(section: Section, key: str, default: int | None, least: int, most: int) -> int | None:
    value = section.values.get(key, default)
    if key not in section or (isinstance(value, int) and not isinstance(value, bool) and least <= value <= most):
        return value
    section.problem(f"must be a whole number from {least} to {most}, not {show(value)}", key)
    return default


def _study(section: Section) -> str | None:
    value = section.values.get("study")
    if "study" not in section or (isinstance(value, str) and STUDY.fullmatch(value)):
        return value
    section.problem(f"must be a name of letters, digits, '.', '_' and '-', not {show(value)}", "study")
    return None


def _enqueue(section: Section, space: Sequence[Dimension]) -> tuple[Mapping[str, Any], ...]:
    values = section.values.get("enqueue", [])
    if not isinstance(values, list):
        section.problem(f"must be a list such as {ENQUEUE_EXAMPLE}, not {show(values)}", "enqueue")
        return ()
    points = []
    for index, point in enumerate(values):
        if not isinstance(point, dict) or not point:
            section.problem(f"must be settings with values, such as {ENQUEUE_EXAMPLE}", "enqueue", index)
            continue
        params, problems = encode(space, point)
        for problem in problems:
            section.problem(problem, "enqueue", index)
        points.append(params)
    return tuple(points)


def _check_arms(section: Section, space: Sequence[Dimension], factors: OverridesByLevel) -> None:
    """What an ablation asks of the search of its variants."""
    if "nested" not in section:
        section.problem(ARMS_NESTED, "nested")
    if not isinstance(section.values.get("frozen", False), bool):
        section.problem(f"must be true or false, not {show(section.values['frozen'])}", "frozen")
    fixed = {one.key: factor for factor, levels in factors.items() for texts in levels.values() for one in texts}
    for dimension in space:
        for name in dimension.settings:
            if name in fixed:
                where = (
                    f"{fixed[name]}, which is compared" if fixed[name] != VARIANTS else "variants, which are compared"
                )
                section.problem(f"{name} is set by {where}; leave it out of the space", "space", dimension.key)


def _check_cmaes(section: Section, space: Sequence[Dimension], several: bool) -> None:
    if several:
        section.problem("cmaes takes one objective; choose nsgaii, tpe or gp", "sampler")
    for one in space:
        if one.kind == "choice" or one.when:
            why = "is a choice" if one.kind == "choice" else "is not always there"
            section.problem(f"cmaes moves numbers that are always there, and {one.key} {why}; choose tpe", "sampler")
            return
