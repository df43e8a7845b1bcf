"""A nightly file: the sweeps that every night looks after, in a Ray cluster file as a sweep is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from madv.errors import MadvError, Problem, SpecError
from orchestration.notify import read_notify
from orchestration.prepared import Prepared, prepare
from orchestration.sections import Section, show
from orchestration.spec import read_cluster_name
from orchestration.yaml_places import read_document

KEYS = ("sweeps", "alpha", "slower", "notify")
EXAMPLE = "[ablate_streams.yaml, {file: compare_methods.yaml, overrides: [train.epochs=2]}]"


@dataclass(frozen=True, kw_only=True, slots=True)
class NightlySweep:
    """One sweep of the night."""

    file: Path
    overrides: tuple[str, ...] = ()
    """Hydra overrides, appended to the file's base."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NightlySpec:
    """A nightly file, checked by itself; its sweeps are read by prepare_all."""

    name: str
    """Of the file's cluster_name; names the folder of the record and of the difference report."""
    sweeps: tuple[NightlySweep, ...]
    alpha: float = 0.05
    """Level of significance of what moved, over the variants of one sweep."""
    slower: float = 1.2
    """A variant whose folds take so many times as long got slower, if the interval leaves no doubt that it did."""
    notify: str | None = field(default=None, repr=False)
    """A webhook that hears of changes; its address may hold a secret."""


def load_nightly(path: Path) -> NightlySpec:
    """Read and check a nightly file.

    Raises:
        SpecError: with every problem of the file.
    """
    top = Section(read_document(path))
    name = read_cluster_name(top)
    needs = f"it says what runs every night: {', '.join(KEYS)}"
    nightly = top.section("metadata", needs="it holds nightly").section("nightly", needs=needs)
    nightly.allow(KEYS)
    spec = NightlySpec(
        name=name,
        sweeps=_sweeps(nightly, path.parent),
        alpha=nightly.number("alpha", 0.05, lambda value: 0 < value < 0.5, "between 0 and 0.5"),
        slower=nightly.number("slower", 1.2, lambda value: value > 1, "above 1"),
        notify=read_notify(nightly),
    )
    if top.problems:
        raise SpecError(list(dict.fromkeys(top.problems)))
    return spec


def is_nightly(path: Path) -> bool:
    """Whether a file is for `madv nightly`, and not for `madv sweep`."""
    metadata = read_document(path).data.get("metadata")
    return isinstance(metadata, dict) and "nightly" in metadata


def _sweeps(nightly: Section, folder: Path) -> tuple[NightlySweep, ...]:
    values = nightly.values.get("sweeps", [])
    if not isinstance(values, list) or not values:
        nightly.problem(f"must be a list such as {EXAMPLE}, not {show(values)}", "sweeps")
        return ()
    found = []
    for index, value in enumerate(values):
        entry = {"file": value} if isinstance(value, str) else value
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            nightly.problem(f"must name a file, not {show(value)}; the list looks like {EXAMPLE}", "sweeps", index)
            continue
        section = nightly.below(f"sweeps[{index}]", entry)
        section.allow(("file", "overrides"))
        overrides = tuple(text for _, text in section.texts("overrides", "[train.epochs=2]"))
        found.append(NightlySweep(file=folder / entry["file"], overrides=overrides))
    return tuple(found)


def prepare_all(spec: NightlySpec) -> list[Prepared]:
    """Lay out every sweep of the night; nothing has been started.

    Raises:
        MadvError: with everything that is wrong with any of them.
    """
    ready: list[Prepared] = []
    problems: list[Problem] = []
    for sweep in spec.sweeps:
        try:
            prepared = prepare(sweep.file, sweep.overrides)
        except MadvError as error:
            problems += error.problems
            continue
        if prepared.searches:
            message = "is a search, which chooses anew; a night compares the same variants: design an ablation"
            problems.append(Problem(place=str(sweep.file), message=message))
        ready.append(prepared)
    problems += _shared_names(spec.name, spec.sweeps, ready) if not problems else []
    if problems:
        raise SpecError(problems)
    return ready


def _shared_names(night: str, sweeps: Sequence[NightlySweep], ready: Sequence[Prepared]) -> list[Problem]:
    """Each name is the folder of a report."""
    taken = {night: "the nightly file"}
    problems = []
    for sweep, prepared in zip(sweeps, ready, strict=True):
        name = prepared.plan.spec.cluster_name
        if name in taken:
            message = f"cluster_name {name!r} is that of {taken[name]}, too: their reports would share a folder"
            problems.append(Problem(place=str(sweep.file), message=message))
        taken.setdefault(name, str(sweep.file))
    return problems
