"""From a sweep file to the cells that answer it: variants x seeds x held-out subjects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from madv.config import Config
from madv.errors import Problem, SpecError
from orchestration.cells import cell_key
from orchestration.designs import combinations, overrides_of, reference_levels, variant_name
from orchestration.ids import digest
from orchestration.overrides import composed
from orchestration.spec import SweepSpec

if TYPE_CHECKING:
    from madv.data.cache import DatasetFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One configuration that the sweep compares."""

    name: str
    """What differs from the reference, such as "texture=off depth=off"; "reference" for the reference itself."""
    levels: Mapping[str, str]
    """Factor -> level."""
    overrides: tuple[str, ...]
    """All Hydra overrides: base and levels."""
    config: Config
    digest: str
    """Of Config.meaning(): what the variant is, whatever it is called."""
    aliases: tuple[str, ...] = ()
    """Names of further combinations of levels that mean the same; they are not trained again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCell:
    """One fold to train, or to find in the store."""

    key: str
    variant: str
    """Name of the variant."""
    seed: int
    subject: str
    """Held out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything that a sweep is about to do."""

    spec: SweepSpec
    facts: DatasetFacts
    variants: tuple[Variant, ...]
    """The reference first."""
    cells: tuple[PlannedCell, ...]
    """By variant, then seed, then subject."""
    code: str
    """Fingerprint of the code that trains."""


def reference_config(spec: SweepSpec) -> Config:
    """The configuration of the reference; its data set is that of every variant."""
    return composed(overrides_of(spec.base, spec.factors, reference_levels(spec.factors)))


def expand(spec: SweepSpec, facts: DatasetFacts, code: str) -> Plan:
    """Lay out variants and cells.

    Args:
        spec: from load_spec.
        facts: madv.data.cache.describe(reference_config(spec).dataset, ...).
        code: orchestration.code.code_fingerprint().

    Raises:
        SpecError: a variant needs a stream that the data set does not have.
    """
    variants = _variants(spec)
    problems = _missing_streams(spec, variants, frozenset(facts.streams))
    if problems:
        raise SpecError(problems)
    cells = [
        PlannedCell(
            key=cell_key(meaning, facts.fingerprint, seed, subject, code),
            variant=variant.name,
            seed=seed,
            subject=subject,
        )
        for variant in variants
        for meaning in [variant.config.meaning()]
        for seed in spec.seeds
        for subject in facts.subjects
    ]
    return Plan(spec=spec, facts=facts, variants=tuple(variants), cells=tuple(cells), code=code)


def _variants(spec: SweepSpec) -> list[Variant]:
    """One variant a meaning; of several combinations with one meaning the first gives the name."""
    names: dict[str, list[str]] = {}
    firsts: dict[str, tuple[dict[str, str], tuple[str, ...], Config]] = {}
    for levels in combinations(spec.design, spec.factors, spec.exclude):
        overrides = overrides_of(spec.base, spec.factors, levels)
        config = composed(overrides)
        meaning = digest(config.meaning())
        names.setdefault(meaning, []).append(variant_name(levels, spec.factors))
        firsts.setdefault(meaning, (levels, overrides, config))
    return [
        Variant(
            name=names[meaning][0],
            levels=levels,
            overrides=overrides,
            config=config,
            digest=meaning,
            aliases=tuple(names[meaning][1:]),
        )
        for meaning, (levels, overrides, config) in firsts.items()
    ]


def _missing_streams(spec: SweepSpec, variants: list[Variant], present: frozenset[str]) -> list[Problem]:
    """Each stream that some variant needs and the data set does not have, once, at the first variant that needs it."""
    reference = variants[0]
    problems = {}
    for variant in variants:
        for stream in variant.config.model.streams.active():
            if stream in present or stream in problems:
                continue
            has = f"it has {', '.join(sorted(present)) or 'none'}"
            message = f"{variant.config.dataset.kind} has no {stream} stream; {has}: set model.streams.{stream}=false"
            place = spec.places.get("base", "base")
            if variant is not reference:
                # The reference can do without it, so that a level of this variant has switched it on.
                factor = next(name for name, level in variant.levels.items() if level != reference.levels[name])
                place, message = spec.places.get(factor, factor), f"variant {variant.name!r}: {message}"
            problems[stream] = Problem(place=place, message=message)
    return list(problems.values())
