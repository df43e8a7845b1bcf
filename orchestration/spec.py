"""A sweep file as a checked record: what to compare, on which cells, with which resources."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from madv.errors import Problem, SpecError, unknown
from orchestration.cluster_keys import CLUSTER_KEYS
from orchestration.designs import Design
from orchestration.factors import read_exclude, read_factors, read_kind, read_resolution, read_when
from orchestration.ids import digest
from orchestration.notify import read_notify
from orchestration.overrides import Override, find_contradictions, find_problems
from orchestration.report_options import ReportOptions, read_report
from orchestration.search_spec import SearchSpec, read_search
from orchestration.sections import Section, show
from orchestration.store_group import read_group
from orchestration.yaml_places import read_document

SWEEP_KEYS = (
    "question",
    "base",
    "design",
    "factors",
    "variants",
    "exclude",
    "resolution",
    "seeds",
    "controls",
    "notify",
    "protocol",
    "resources",
    "report",
    "search",
    "storage_path",
    "store",
)
CONTROLS = ("repeat", "shuffled_labels")
"""The reference again, with seeds of its own; the reference trained on shuffled labels."""
BASE_EXAMPLE = "[dataset=synthetic, model=madv_tiny]"
MAX_SEEDS = 1000
MAX_ATTEMPTS = 10
CLUSTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names a folder of the report and an experiment of MLflow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How a variant is evaluated."""

    kind: Literal["loso"] = "loso"
    """Each subject is held out once; predictions are pooled, then scored."""
    optimistic: bool = False
    """Variants may flatter themselves (madv.config.ProtocolConfig), and the report says so in red."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What one trial asks Ray for."""

    cpus_per_trial: float = 1
    gpus_per_trial: float | Literal["auto"] = "auto"
    """auto: a share of a GPU where there is one, else none."""
    attempts: int = 2
    """A fold that has failed so often, by an error or its worker's death, is recorded as failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepSpec:
    """A sweep file, checked, with the command line's overrides."""

    path: Path
    cluster_name: str
    digest: str
    """SHA-256 of what the file says under metadata.sweep, with defaults and the command line's overrides."""
    question: str
    base: tuple[str, ...]
    """Hydra overrides of every variant, those of the command line last."""
    design: Design
    """Which variants are compared."""
    seeds: tuple[int, ...] = (0,)
    controls: tuple[str, ...] = ()
    """Of CONTROLS, in their order."""
    protocol: Protocol = Protocol()
    resources: Resources = Resources()
    report: ReportOptions = field(default_factory=ReportOptions)
    search: SearchSpec | None = None
    """Configurations are chosen one after the other; of an ablation, for each of its variants."""
    notify: str | None = field(default=None, repr=False)
    """A webhook that hears how the sweep ended; its address may hold a secret."""
    storage_path: str = "store"
    """A folder, relative to the current one, or a URI for pyarrow.fs."""
    group: str | None = None
    """Who may read and write the store beside the user."""
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Line of "base" and of each factor, for problems that show later."""


def load_spec(path: Path, overrides: Sequence[str] = ()) -> SweepSpec:
    """Read and check a sweep file, YAML or JSON.

    Args:
        path: the file.
        overrides: Hydra overrides from the command line, appended to the file's base.

    Raises:
        SpecError: with every problem of file and overrides: its place, the value and the nearest valid names.
    """
    top = Section(read_document(Path(path)))
    cluster_name = read_cluster_name(top)
    sweep = _sweep_section(top)
    base = [Override(text=text, place=sweep.place("base", index)) for index, text in sweep.texts("base", BASE_EXAMPLE)]
    base += [Override(text=text, place="command line") for text in overrides]
    kind = read_kind(sweep)
    factors = read_factors(sweep, kind) if sweep.values else {}
    when = read_when(sweep, factors, kind)
    resolution = read_resolution(sweep, kind)
    exclude = read_exclude(sweep, factors, kind, when)
    top.problems += find_problems(base, factors)
    plain = {
        factor: {level: tuple(one.text for one in overrides) for level, overrides in levels.items()}
        for factor, levels in factors.items()
    }
    design = Design(kind=kind or "", factors=plain, when=when, exclude=exclude, resolution=resolution)
    content: dict[str, Any] = {
        "question": sweep.text("question", ""),
        "base": tuple(override.text for override in base),
        "design": design,
        "seeds": _seeds(sweep),
        "controls": _controls(sweep),
        "protocol": _protocol(sweep.section("protocol")),
        "resources": _resources(sweep.section("resources")),
        "report": read_report(sweep.section("report"), search=bool(sweep.values.get("search"))),
        "storage_path": sweep.text("storage_path", "store"),
    }
    notify, group = read_notify(sweep), read_group(sweep)
    content["search"] = read_search(sweep, kind, base, factors, optimistic=content["protocol"].optimistic)
    if not top.problems:
        top.problems += find_contradictions(content["base"], design, sweep.place("factors"))
    if top.problems:
        raise SpecError(_in_order(top))
    places = {"base": sweep.place("base"), "store.group": sweep.place("store", "group")}
    places |= {factor: sweep.place("factors", factor) for factor in factors}
    content |= {"digest": _digest(content), "notify": notify, "group": group, "places": places}
    return SweepSpec(path=Path(path), cluster_name=cluster_name, **content)


def read_cluster_name(top: Section) -> str:
    """The name of a Ray cluster file, whose other keys are checked too."""
    top.allow(CLUSTER_KEYS, lambda key: "belongs under metadata.sweep" if key in SWEEP_KEYS else None)
    name = top.values.get("cluster_name")
    if "cluster_name" not in top:
        top.problem("is missing; it names the sweep and the folder of its report", "cluster_name")
    elif not isinstance(name, str) or not CLUSTER_NAME.fullmatch(name):
        rule = "letters, digits, '.', '_' and '-', a letter or digit first, at most 100: it names a folder"
        top.problem(f"must be a name of {rule}; not {show(name)}", "cluster_name")
    return str(name)


def _sweep_section(top: Section) -> Section:
    metadata = top.section("metadata")
    if metadata.values and "sweep" not in metadata:
        # Ray allows any user data here, so that only the name that is needed can be missed.
        near = [unknown("key", key, ["sweep"]) for key in metadata.values]
        hint = next((message for message in near if "did you mean" in message), "it holds the sweep")
        metadata.problem(f"is missing; {hint}", "sweep")
        return metadata.below("sweep", {})
    sweep = metadata.section("sweep", needs=f"it says what to compare: {', '.join(SWEEP_KEYS)}")
    sweep.allow(SWEEP_KEYS, lambda key: "belongs at the top of the file" if key in CLUSTER_KEYS else None)
    return sweep


def _seeds(sweep: Section) -> tuple[int, ...]:
    value = sweep.values.get("seeds", 1)
    if _is_int(value) and 1 <= value <= MAX_SEEDS:
        return tuple(range(value))
    listed = isinstance(value, list) and value and all(_is_int(seed) and 0 <= seed < 2**32 for seed in value)
    if listed and len(set(value)) == len(value) <= MAX_SEEDS:
        return tuple(value)
    rule = f"a number of seeds from 1 to {MAX_SEEDS}, or a list of distinct seeds such as [0, 1, 2]"
    sweep.problem(f"must be {rule}; not {show(value)}", "seeds")
    return (0,)


def _controls(sweep: Section) -> tuple[str, ...]:
    named = sweep.texts("controls", f"[{', '.join(CONTROLS)}]")
    for index, name in named:
        if name not in CONTROLS:
            sweep.problem(unknown("control", name, CONTROLS), "controls", index)
    return tuple(name for name in CONTROLS if name in {name for _, name in named})


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _protocol(section: Section) -> Protocol:
    section.allow(("kind", "validation_subjects", "optimistic"))
    section.choice("kind", ("loso",), "loso")
    if section.values.get("validation_subjects", 0) != 0:
        section.problem("is not built yet; leave it out, or write 0", "validation_subjects")
    optimistic = section.values.get("optimistic", False)
    if not isinstance(optimistic, bool):
        section.problem(f"must be true or false, not {show(optimistic)}", "optimistic")
    return Protocol(optimistic=optimistic is True)


def _resources(section: Section) -> Resources:
    section.allow(asdict(Resources()))
    cpus = section.number("cpus_per_trial", 1, lambda value: value > 0, "a number of cores above 0")
    gpus: float | Literal["auto"] = "auto"
    if section.values.get("gpus_per_trial", "auto") != "auto":
        gpus = section.number("gpus_per_trial", 0, lambda value: value >= 0, "auto or a number of GPUs from 0")
    attempts = section.values.get("attempts", 2)
    if not _is_int(attempts) or not 1 <= attempts <= MAX_ATTEMPTS:
        section.problem(f"must be a whole number from 1 to {MAX_ATTEMPTS}, not {show(attempts)}", "attempts")
        attempts = 2
    return Resources(cpus_per_trial=cpus, gpus_per_trial=gpus, attempts=attempts)


def _digest(content: dict[str, Any]) -> str:
    """Of the order of factors and levels too: the first level is the reference."""
    options = {key: asdict(content[key]) for key in ("design", "protocol", "resources", "report")}
    del options["resources"]["attempts"]  # nothing that is compared
    if content["search"] is not None:
        options["search"] = asdict(content["search"])
    factors = [[factor, list(map(list, levels.items()))] for factor, levels in content["design"].factors.items()]
    return digest({**content, **options, "factors": factors})


def _in_order(top: Section) -> list[Problem]:
    """By line; what has none, such as the command line, comes last."""

    def line(problem: Problem) -> float:
        number = problem.place.removeprefix(f"{top.document.file}:").partition(":")[0]
        return int(number) if number.isdigit() else math.inf

    return sorted(dict.fromkeys(top.problems), key=line)
