"""A search laid out: which study it is, and which folds a configuration of its space has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from madv.errors import ConfigError, Problem, SpecError
from madv.fits import misfits
from madv.seeds import seed_of
from orchestration.designs import SEARCH
from orchestration.ids import digest
from orchestration.overrides import composed
from orchestration.plan import Code, Facts, Plan, PlannedCell, Variant, lay_out, variant_digest
from orchestration.search_arms import arm_spaces, fitting_point
from orchestration.search_space import Dimension, Params, decode, overrides, plain

if TYPE_CHECKING:
    from orchestration.search_spec import SearchSpec

LEAST_TO_RACE = 20
"""Subjects below which nothing is stopped early: a test on a few folds would stop too much or too little."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A configuration of the space, and its folds."""

    variant: Variant
    cells: tuple[PlannedCell, ...]
    """By subject in the order of the race, then seed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """One study of a sweep: all of it, or the inner subjects of an outer group."""

    plan: Plan
    """Of the one configuration that the space is laid around."""
    spec: SearchSpec
    study: str
    """Name of the study."""
    digest: str
    """Of the space and of all that cells depend on, trials and samplers left out: a study may be taken further."""
    draws: str
    """What samplers and the order of the race are seeded by: of an ablation's variants the same in each."""
    order: tuple[str, ...]
    """Subjects, as every configuration of the study meets them."""
    held_out: tuple[str, ...] = ()
    """Subjects that the study neither trains on nor scores: what it chooses is scored on them afterwards."""
    arm: str = ""
    """Of an ablation whose variants are searched: which one it is."""
    label: str
    """By which reports call it: its group, after its variant if there are several; else the study's name."""
    facts_of: Facts = field(repr=False)
    code: Code = field(repr=False)

    @property
    def races(self) -> bool:
        """Whether configurations may be stopped early."""
        return self.spec.pruner != "none" and len(self.order) >= LEAST_TO_RACE

    def candidate(self, params: Params, name: str) -> Candidate:
        """The configuration of a trial's parameters.

        Raises:
            ConfigError: the parameters do not go together, or not with the clips.
        """
        reference = self.plan.variants[0]
        values = decode(self.spec.space, params)
        chosen = overrides(values)
        config = composed((*reference.overrides, *chosen))
        if problems := misfits(config, self.facts_of):
            raise ConfigError(problems)
        variant = Variant(
            name=name,
            levels={key: plain(value) for key, value in values.items()},
            overrides=(*reference.overrides, *chosen),
            config=config,
            digest=variant_digest(config, self.facts_of),
        )
        place = {subject: number for number, subject in enumerate(self.order)}
        cells = lay_out(variant, self.plan.spec.seeds, self.order, self.facts_of, self.code, self.held_out)
        return Candidate(variant=variant, cells=tuple(sorted(cells, key=lambda cell: (place[cell.subject], cell.seed))))

    def outer(self, params: Params, name: str) -> Candidate:
        """A configuration's ordinary folds of the held-out subjects, which train on all others."""
        variant = self.candidate(params, name).variant
        cells = lay_out(variant, self.plan.spec.seeds, self.held_out, self.facts_of, self.code)
        return Candidate(variant=variant, cells=tuple(cells))


def lay_out_searches(plan: Plan, facts_of: Facts, code: Code) -> tuple[Search, ...]:
    """The studies of a sweep file with a search: of each variant, of each group of subjects.

    Args:
        plan: of the file.
        facts_of: what there is to know of the data sets.
        code: what trains a configuration.

    Raises:
        SpecError: the search cannot be made of these data, or a variant not be searched.
    """
    spec = plan.spec.search
    assert spec is not None
    if plan.pretraining:
        message = "a search does not pre-train; leave pretrain out of the base"
        raise SpecError([Problem(place=plan.spec.places.get("base", "base"), message=message)])
    if plan.spec.design.kind == SEARCH:
        return tuple(_studies(plan, spec, facts_of, code))
    spaces = arm_spaces(plan, facts_of)
    common = [study.digest for study in _studies(_alone(plan, plan.variants[0]), spec, facts_of, code)]
    found = []
    for variant in plan.variants:
        own = _fitting(spec, spaces[variant.name])
        for number, study in enumerate(_studies(_alone(plan, variant), own, facts_of, code)):
            found.append(
                replace(
                    study,
                    study=_name(spec.study, variant.digest, study.held_out) if spec.study else study.study,
                    draws=common[number],
                    order=shuffled(sorted(study.order), common[number]),
                    arm=variant.name,
                    label=f"{variant.name}, {study.label}",
                )
            )
    return tuple(found)


def _alone(plan: Plan, variant: Variant) -> Plan:
    """The plan of one of its variants."""
    cells = tuple(cell for cell in plan.cells if cell.variant == variant.name)
    return replace(plan, variants=(variant,), cells=cells, controls={})


def _fitting(spec: SearchSpec, space: tuple[Dimension, ...]) -> SearchSpec:
    """The same search of a smaller space: known points lose what is not there."""
    points = [fitting_point(point, spec.space, space) for point in spec.enqueue]
    return replace(
        spec,
        space=space,
        enqueue=tuple(point for place, point in enumerate(points) if point and point not in points[:place]),
    )


def _studies(plan: Plan, spec: SearchSpec, facts_of: Facts, code: Code) -> Iterator[Search]:
    """Of one configuration."""
    subjects = plan.facts.subjects
    if spec.nested is None:
        yield _study(plan, spec, subjects, (), 0, facts_of, code)
        return
    if spec.nested > len(subjects):
        message = f"{spec.nested} groups need as many subjects; there are {len(subjects)}"
        raise SpecError([Problem(place=spec.places.get("nested", "search.nested"), message=message)])
    # The groups hang on the subjects alone: whatever else changes, a subject keeps its own.
    mixed = shuffled(subjects, digest({"subjects": subjects, "groups": spec.nested}))
    for first in range(spec.nested):
        group = tuple(sorted(mixed[first :: spec.nested]))
        rest = [one for one in subjects if one not in group]
        yield _study(plan, spec, rest, group, first + 1, facts_of, code)


def _study(
    plan: Plan,
    spec: SearchSpec,
    subjects: Sequence[str],
    held_out: tuple[str, ...],
    group: int,
    facts_of: Facts,
    code: Code,
) -> Search:
    content = {
        "space": [asdict(dimension) for dimension in spec.space],
        "objectives": spec.objectives,
        "reference": plan.variants[0].digest,
        "code": code(plan.variants[0].config),
        "seeds": plan.spec.seeds,
        "subjects": sorted(subjects),
        "held_out": held_out,
    }
    identity = digest(content)
    study = spec.study or f"{plan.spec.cluster_name}-{identity[:12]}"
    if spec.study and held_out:
        study = _name(spec.study, held_out)
    return Search(
        plan=plan,
        spec=spec,
        study=study,
        digest=identity,
        draws=identity,
        order=shuffled(sorted(subjects), identity),
        held_out=held_out,
        label=f"group {group}" if held_out else study,
        facts_of=facts_of,
        code=code,
    )


def _name(name: str, *what: object) -> str:
    """Studies of one sweep under one given name still differ."""
    return f"{name}-{digest(what if len(what) > 1 else what[0])[:6]}"


def shuffled(names: Sequence[str], key: str) -> tuple[str, ...]:
    """In an order that the key decides."""
    rng = np.random.default_rng(seed_of(key, "order"))
    return tuple(names[place] for place in rng.permutation(len(names)))
