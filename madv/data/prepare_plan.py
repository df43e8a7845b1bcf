"""What preparing a data set takes: for each clip its frames, its times, and a key of what they were made from."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madv.config_data import RecordedConfig
from madv.data import au_files
from madv.data.au_flow import NAMES as FLOW_NAMES
from madv.data.depth import DEFAULT_MODEL, MODEL_FILES, derangement, is_model
from madv.data.facs import parse
from madv.data.frames import MAPS, Recording, index
from madv.data.layouts import refuse_outside
from madv.data.manifest import Manifest, read_manifest
from madv.data.prepare_clip import ClipJob, Recipe, located
from madv.data.sampling import Times, sample
from madv.errors import DataError, Problem
from madv.syntax import syntax

if TYPE_CHECKING:
    import pandas as pd

SOURCES = ("align", "au_files", "au_flow", "depth", "frames", "prepare_clip", "sampling", "video")
"""Modules that make a clip: it is made again after one of these has changed."""
MOST_PROBLEMS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All clips of a data set."""

    config: RecordedConfig
    manifest: Manifest
    jobs: tuple[ClipJob, ...]
    recipe: Recipe
    """Its au_names are those of the au stream, or of the targets alone where there is no such stream."""
    model: str | None
    """Depth Anything's folder or id, where depth is estimated."""
    making: str
    """SHA-256 of settings and sample ids: a preparation that was broken off is taken up again where it is the same."""
    key: str
    """SHA-256 of everything: the cache's."""
    watched: dict[str, tuple[int, int]]
    """Size and time of the annotation files and of the folders with frames; a folder's time changes with its files."""


def plan(config: RecordedConfig) -> Plan:
    """Read the annotations and list the frames; nothing is decoded.

    Raises:
        DataError: with every problem of annotations and folders.
    """
    manifest = read_manifest(config)
    raise_all(manifest.problems)
    settings = _settings(config)
    problems: list[Problem] = []
    jobs: list[ClipJob] = []
    number = len(manifest.table)
    others = derangement(number) if config.depth.source == "shuffled" else range(number)
    for row, clip in enumerate(manifest.table.itertuples(index=False)):
        try:
            jobs.append(_job(config, manifest, clip, row, int(others[row]), settings))
        except DataError as error:
            problems += error.problems
    raise_all(problems)
    ids = [job.sample_id for job in jobs]
    names = _au_names(config, manifest.table, jobs)
    rows = json.loads(manifest.table.astype(str).to_json(orient="values"))
    return Plan(
        config=config,
        manifest=manifest,
        jobs=tuple(jobs),
        recipe=Recipe(
            size=config.clip.size,
            storage=config.clip.storage,
            depth=config.depth.source,
            scale=config.depth.scale,
            au=config.au.source,
            au_names=names,
            order=config.au.order,
            align=config.align,
        ),
        model=_model(config),
        making=digest(settings, ids, names),
        key=digest(settings, rows, manifest.class_names, names, [job.key for job in jobs]),
        watched=dict(_watched(manifest, jobs)),
    )


def digest(*parts: Any) -> str:
    """SHA-256 of canonical JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def raise_all(problems: Iterable[Problem]) -> None:
    """Raise what there is, the first dozen in full.

    Raises:
        DataError: there is a problem.
    """
    found = list(dict.fromkeys(problems))
    if len(found) > MOST_PROBLEMS:
        more = Problem(place="", message=f"... and {len(found) - MOST_PROBLEMS} more problems like these")
        found = [*found[:MOST_PROBLEMS], more]
    if found:
        raise DataError(found)


def _job(
    config: RecordedConfig, manifest: Manifest, clip: Any, row: int, depth_row: int, settings: dict[str, Any]
) -> ClipJob:
    place = manifest.places[clip.sample_id]
    try:
        recording, depth, units = _found(config, manifest.roots[clip.dataset], clip)
        sampling = sample(Times(*map(_number, (clip.onset, clip.apex, clip.offset))), recording.numbers, config.clip)
        if depth is not None and (missing := [number for number in sampling.numbers if number not in depth.files]):
            raise ValueError(f"{depth.path} has no depth of frames {missing[:5]}; make it, or set dataset.depth.source")
        root = manifest.roots[clip.dataset]
        _refuse_links(root, recording, sampling.numbers)
        if depth is not None:
            _refuse_links(Path(config.depth.path or root).expanduser(), depth, sampling.numbers)
    except DataError as error:
        raise DataError([located(problem, clip.sample_id, place) for problem in error.problems]) from None
    except ValueError as error:
        raise DataError([Problem(place=place, message=f"clip {clip.sample_id} in {recording.path}: {error}")]) from None
    used = [*_files(recording, sampling.numbers), *(_files(depth, sampling.numbers) if depth else [])]
    used += [str(units)] if units else []
    stats = [(os.path.basename(file), *_stat(file)) for file in dict.fromkeys(used)]
    names = list(recording.files.values()) if units else None
    return ClipJob(
        row=row,
        sample_id=clip.sample_id,
        place=place,
        recording=recording,
        sampling=sampling,
        units=units,
        depth=depth,
        depth_row=depth_row,
        key=digest(settings, stats, sampling.positions.tolist(), sampling.numbers, names),
    )


def _found(config: RecordedConfig, root: Path, clip: Any) -> tuple[Recording, Recording | None, Path | None]:
    """Where a clip's frames, depth maps and estimated action units are; none of them outside its folder."""
    refuse_outside(root, [root / clip.frames])
    depth = units = None
    source = config.depth.source
    if source == "folder" or (source == "shuffled" and not is_model(config.depth.path)):
        own = clip.depth if isinstance(clip.depth, str) else None
        folder = _folder(config.depth.path or (root if own else None), "dataset.depth.path")
        refuse_outside(folder, [folder / (own or clip.frames)])
        depth = index(folder / (own or clip.frames), MAPS)
    if config.au.source in ("openface", "pyfeat"):
        own = clip.estimates if isinstance(clip.estimates, str) else None
        folder = _folder(config.au.path or (root if own else None), "dataset.au.path")
        units = folder / own if own else au_files.find(folder, clip.sample_id, clip.frames)
        refuse_outside(folder, [units])
    return index(root / clip.frames), depth, units


def _refuse_links(root: Path, recording: Recording, numbers: Iterable[int]) -> None:
    """Stop at files that are links to outside the root; their folder is within it."""
    refuse_outside(root, map(Path, filter(os.path.islink, _files(recording, numbers))))


def _settings(config: RecordedConfig) -> dict[str, Any]:
    """What the arrays depend on besides files; a model enters by its files' sizes and times."""
    depth = dataclasses.asdict(config.depth)
    path = depth.pop("path")
    if (model := _model(config)) is not None:
        folder = Path(model).expanduser()
        weights = sorted(file for pattern in MODEL_FILES for file in folder.glob(pattern)) if folder.is_dir() else []
        depth["model"] = [(file.name, *_stat(file)) for file in weights] or model
    elif path and not Path(path).expanduser().is_dir():
        raise DataError([Problem(place="dataset.depth.path", message=f"{path} is no folder of depth maps")])
    return {
        "code": _code(),
        "clip": dataclasses.asdict(config.clip),
        "depth": depth,
        "au": {"source": config.au.source, "order": config.au.order},
        "align": config.align,
    }


@functools.cache
def _code() -> str:
    folder = files("madv.data")
    return digest([syntax(folder.joinpath(f"{name}.py").read_text(encoding="utf-8")) for name in SOURCES])


def _model(config: RecordedConfig) -> str | None:
    source, path = config.depth.source, config.depth.path
    if source == "depth_anything" or (source == "shuffled" and is_model(path)):
        return path or DEFAULT_MODEL
    return None


def _folder(path: str | Path | None, setting: str) -> Path:
    if path is None or not Path(path).expanduser().is_dir():
        raise DataError([Problem(place=setting, message=f"must be a folder, not {path}")])
    return Path(path).expanduser()


def _au_names(config: RecordedConfig, table: pd.DataFrame, jobs: list[ClipJob]) -> tuple[str, ...]:
    if config.au.source == "flow":
        return FLOW_NAMES
    if jobs and jobs[0].units is not None:
        return au_files.read(jobs[0].units).names
    found = {unit.number for cell in table["action_units"].dropna() for unit in parse(cell).units}
    return tuple(f"AU{number}" for number in sorted(found))


def _files(recording: Recording, numbers: Iterable[int]) -> list[str]:
    return [recording.file(number) for number in numbers]


def _watched(manifest: Manifest, jobs: Iterable[ClipJob]) -> Iterator[tuple[str, tuple[int, int]]]:
    paths = [*manifest.files]
    for job in jobs:
        paths += [job.recording.path, *([job.depth.path] if job.depth else []), *([job.units] if job.units else [])]
    for path in dict.fromkeys(paths):
        yield os.path.abspath(path), _stat(path)


def _stat(path: str | Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in nanoseconds."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise DataError([Problem(place=str(path), message=f"cannot be read: {error.strerror}")]) from None
    return found.st_size, found.st_mtime_ns


def _number(value: Any) -> int | None:
    import pandas as pd

    return None if pd.isna(value) else int(value)
