"""From a sweep file to the cells that answer it: variants x seeds x held-out subjects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from madv.config import Config
from madv.config_data import DatasetConfig
from madv.encoder_key import encoder_meaning
from madv.errors import Problem, SpecError
from madv.fits import Describe, misfits
from orchestration.cells import cell_key
from orchestration.designs import Levels, combinations, overrides_of, variant_name
from orchestration.ids import digest
from orchestration.overrides import composed
from orchestration.spec import SweepSpec
from orchestration.weights import pretraining_key

if TYPE_CHECKING:
    from madv.data.dataset_facts import DatasetFacts


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
    """Of Config.meaning() and the data: what the variant is, whatever it is called."""
    aliases: tuple[str, ...] = ()
    """Names of further combinations of levels that mean the same; they are not trained again."""
    first_seed: int = 0
    """Added to each of the sweep's seeds: those of the control `repeat` are its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCell:
    """One fold to train, or to find in the store."""

    key: str
    variant: str
    """Name of the variant."""
    seed: int
    subject: str
    """Held out; see madv.data.folds.Fold."""
    start: str | None = None
    """Key of the pre-training that it starts from."""
    without: tuple[str, ...] = ()
    """Further subjects that it does not train on: those of an outer group, whose scores it must not touch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything that a sweep is about to do."""

    spec: SweepSpec
    facts: DatasetFacts
    """Of the reference's data set; the clips of all variants are the same."""
    variants: tuple[Variant, ...]
    """The reference first."""
    cells: tuple[PlannedCell, ...]
    """By variant, then seed, then subject."""
    code: str
    """Fingerprint of the code that trains the reference."""
    controls: Mapping[str, Variant] = field(default_factory=dict)
    """Control -> what is trained for it; their cells follow those of the variants."""
    pretraining: tuple[PlannedCell, ...] = ()
    """Each once, at the first variant that needs it; of several variants with one encoder they are the same."""

    @property
    def trained(self) -> tuple[Variant, ...]:
        """Variants, then controls."""
        return (*self.variants, *self.controls.values())


OPTIMISTIC = (
    "the subjects that are scored take part in training or in its choices, which flatters the scores; "
    "write metadata.sweep.protocol.optimistic: true, and the report says so in red"
)
Code = Callable[[Config], str]
"""Fingerprint of the code that trains a configuration: orchestration.code.training_code."""


def expand(spec: SweepSpec, describe: Describe, code: Code) -> Plan:
    """Lay out variants and cells.

    Args:
        spec: from load_spec.
        describe: called once for each data set that a variant names, unless it is Facts, which asks but once.
        code: what trains each variant.

    Raises:
        SpecError: a variant does not fit its data set, or its clips are not those of the reference.
        DataError: a data set is not there.
    """
    facts_of = describe if isinstance(describe, Facts) else Facts(describe)
    variants = _variants(spec, facts_of)
    problems = _misfits(spec, variants, facts_of)
    if problems:
        raise SpecError(problems)
    facts = facts_of(variants[0].config.dataset)
    cells: list[PlannedCell] = []
    pretraining: dict[str, PlannedCell] = {}
    controls = {name: _control(name, variants[0], spec, facts_of) for name in spec.controls}
    for variant in (*variants, *controls.values()):
        for cell in lay_out(variant, spec.seeds, facts.subjects, facts_of, code):
            if cell.start is not None and cell.start not in pretraining:
                pretraining[cell.start] = replace(cell, key=cell.start, start=None)
            cells.append(cell)
    return Plan(
        spec=spec,
        facts=facts,
        variants=tuple(variants),
        cells=tuple(cells),
        code=code(variants[0].config),
        controls=controls,
        pretraining=tuple(pretraining.values()),
    )


def lay_out(
    variant: Variant,
    seeds: Sequence[int],
    subjects: Sequence[str],
    facts_of: Facts,
    code: Code,
    without: tuple[str, ...] = (),
) -> Iterator[PlannedCell]:
    """The folds of a variant, by seed, then subject; without says whom none of them trains on."""
    keys = _Keys(variant.config, facts_of, code(variant.config))
    for seed, subject in itertools.product([variant.first_seed + seed for seed in seeds], subjects):
        start, key = keys.pretraining(seed, subject), keys.cell(seed, subject, without)
        yield PlannedCell(key=key, variant=variant.name, seed=seed, subject=subject, start=start, without=without)


class _Keys:
    """The keys of one variant's folds."""

    def __init__(self, config: Config, facts_of: Facts, code: str) -> None:
        self._data = facts_of(config.dataset).fingerprint
        self._code = code
        self._meaning = config.meaning()
        self._encoder: dict[str, Any] | None = None
        self._source: str | None = None
        if "pretrain" in self._meaning:
            self._encoder = encoder_meaning(config)
            if config.pretrain.dataset is not None:
                self._source = facts_of(config.pretrain.dataset).fingerprint
            self._meaning["source"] = self._source

    def cell(self, seed: int, subject: str, without: tuple[str, ...]) -> str:
        return cell_key(self._meaning, self._data, seed, subject, self._code, without)

    def pretraining(self, seed: int, subject: str) -> str | None:
        if self._encoder is None:
            return None
        return pretraining_key(self._encoder, self._data, self._source, seed, subject, self._code)


class Facts:
    """The facts of each data set, asked for once."""

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._known: dict[str, DatasetFacts] = {}

    def __call__(self, dataset: DatasetConfig) -> DatasetFacts:
        settings = repr(dataset)
        if settings not in self._known:
            self._known[settings] = self._describe(dataset)
        return self._known[settings]


def _variants(spec: SweepSpec, facts_of: Facts) -> list[Variant]:
    """One variant a meaning; of several combinations with one meaning the first gives the name."""
    names: dict[str, list[str]] = {}
    firsts: dict[str, tuple[Levels, tuple[str, ...], Config]] = {}
    for levels in combinations(spec.design):
        overrides = overrides_of(spec.base, spec.design.factors, levels)
        config = composed(overrides)
        identity = variant_digest(config, facts_of)
        names.setdefault(identity, []).append(variant_name(levels, spec.design.factors))
        firsts.setdefault(identity, (levels, overrides, config))
    return [
        Variant(
            name=names[identity][0],
            levels=levels,
            overrides=overrides,
            config=config,
            digest=identity,
            aliases=tuple(names[identity][1:]),
        )
        for identity, (levels, overrides, config) in firsts.items()
    ]


def _control(kind: str, reference: Variant, spec: SweepSpec, facts_of: Facts) -> Variant:
    """The reference again; its name is no variant's, which are without spaces or have an equals sign."""
    name = f"{kind.replace('_', ' ')} (control)"
    if kind == "repeat":
        return replace(reference, name=name, aliases=(), first_seed=max(spec.seeds) + 1)
    overrides = (*reference.overrides, "protocol.labels=shuffled")
    config = composed(overrides)
    return replace(
        reference, name=name, aliases=(), overrides=overrides, config=config, digest=variant_digest(config, facts_of)
    )


def variant_digest(config: Config, facts_of: Facts) -> str:
    """Digest of what a configuration means, data included."""
    source = config.pretrain.dataset
    return digest(
        {
            "meaning": config.meaning(),
            "data": facts_of(config.dataset).fingerprint,
            "source": None if source is None else facts_of(source).fingerprint,
        }
    )


def _misfits(spec: SweepSpec, variants: list[Variant], facts_of: Facts) -> list[Problem]:
    """What does not fit a variant's data set, each message once, at the first variant that shows it."""
    reference = variants[0]
    problems: dict[str, Problem] = {}
    for variant in variants:
        found = [problem.message for problem in misfits(variant.config, facts_of)]
        if variant.config.protocol.optimistic() and not spec.protocol.optimistic:
            found.append(OPTIMISTIC)
        if facts_of(variant.config.dataset).clips != facts_of(reference.config.dataset).clips:
            found.append("its clips are not the reference's: a sweep compares variants on the same clips")
        for message in found:
            if message in problems:
                continue
            place, text = spec.places.get("base", "base"), message
            if variant is not reference:
                # The reference can do without it, so that a level of this variant has brought it in.
                factor = next(name for name, level in variant.levels.items() if level != reference.levels.get(name))
                place, text = spec.places.get(factor, factor), f"variant {variant.name!r}: {message}"
            problems[message] = Problem(place=place, message=text)
    return list(problems.values())
