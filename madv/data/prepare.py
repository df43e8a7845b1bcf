"""Prepare a data set of recorded frames: decode it once, in parallel, into the clip cache."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from madv.config_data import RecordedConfig
from madv.data.cache_files import AU_TARGETS, FACTS, write_head
from madv.data.cache_seal import set_aside
from madv.data.clips import Clips
from madv.data.content import fingerprint
from madv.data.facs import intensity_vector, parse
from madv.data.prepare_clip import ClipJob, estimated_depth, face_box
from madv.data.prepare_note import write_note
from madv.data.prepare_plan import Plan, plan, raise_all
from madv.data.prepare_pool import cores, make_all
from madv.data.prepare_store import LOG, Layout, allocate, alone, finished, record, row_digest, write_row
from madv.data.twin_layouts import in_twin
from madv.errors import DataError, Problem

Progress = Callable[[str, int, int], None]
"""Called with a stage ("decoding", "depth"), the number of clips done and of all."""


def prepare(
    config: RecordedConfig,
    root: Path,
    progress: Progress = lambda stage, done, total: None,
    processes: int | None = None,
) -> Path:
    """Decode all clips into a cache below the root, or find it there whole.

    A preparation that was broken off goes on where it stopped; of clips whose files have changed since, each is made
    again. Several at once are safe: the second waits for the first.

    Args:
        config: of the data set.
        root: of all caches.
        progress: told how far it is.
        processes: to decode in; None: one a core.

    Returns:
        The cache's folder.

    Raises:
        DataError: with every problem of annotations, folders and frames; the clips that have none are kept.
    """
    todo = plan(config)
    folder = root / f"{config.kind}-{todo.key}"
    making = root / f".making-{config.kind}-{todo.making}"
    lock = making.with_name(f"{making.name}.lock")
    try:
        with alone(lock, lambda: progress("waiting for another process that prepares the same", 0, len(todo.jobs))):
            if folder.exists() and not _whole(folder, todo):
                set_aside(folder, "it is not what its frames make")
            if not folder.exists():
                _make(todo, making, progress, processes or cores())
                os.rename(making, folder)
            write_note(todo, root, folder)
            lock.unlink(missing_ok=True)
    except OSError as error:
        kept = "; what has been prepared is kept: make room and run it again" if making.exists() else ""
        size = sum(layout.size() for layout in _layouts(todo).values()) / 1e6
        message = f"cannot write the clip cache of {size:,.1f} MB: {error.strerror or error}{kept}"
        raise DataError([Problem(place=str(root), message=message)]) from None
    return folder


def _make(todo: Plan, making: Path, progress: Progress, processes: int) -> None:
    """Fill the folder. What is left of a broken-off preparation stays where it is whole."""
    arrays = _layouts(todo)
    fresh = not (making / LOG).exists()
    try:
        allocate(making, arrays)
    except OSError:
        if fresh:
            shutil.rmtree(making, ignore_errors=True)
        raise
    _decode(todo, making, arrays, progress, processes)
    if todo.model is not None:
        _estimate_depth(todo, making, progress)
    clips = _clips(todo, making, arrays)
    write_head(todo.config.kind, clips, making)
    (making / LOG).unlink(missing_ok=True)


def _layouts(todo: Plan) -> dict[str, Layout]:
    config, number = todo.config, len(todo.jobs)
    frames, size = config.clip.frames, config.clip.size
    arrays = {"texture": Layout((number, 3, frames, size, size), config.clip.storage)}
    if config.depth.source != "none":
        arrays["depth"] = Layout((number, 1, frames, size, size), "float16")
    if config.au.source != "none":
        arrays["au"] = Layout((number, len(todo.recipe.au_names), frames), "float32")
    return arrays


def _decode(todo: Plan, making: Path, arrays: dict[str, Layout], progress: Progress, processes: int) -> None:
    """All streams but a model's depth; every clip is tried, then the problems of all are raised."""
    by_row = {job.row: job for job in todo.jobs}
    names = [name for name in arrays if name != "depth" or todo.model is None]

    def rows(row: int) -> dict[str, int]:
        return {name: by_row[row].depth_row if name == "depth" else row for name in names}

    keys = {job.row: job.key for job in todo.jobs}
    done = finished(making, "decoding", keys, rows)
    left = [job for job in todo.jobs if job.row not in done]
    problems: list[Problem] = []
    progress("decoding", len(done), len(todo.jobs))
    for count, made in enumerate(make_all(left, todo, making, processes), start=len(done) + 1):
        problems += made.problems
        if made.digest is not None:
            record(making, "decoding", made.row, keys[made.row], made.digest)
        progress("decoding", count, len(todo.jobs))
    raise_all(problems)


def _estimate_depth(todo: Plan, making: Path, progress: Progress) -> None:
    """Run Depth Anything over the frames of every clip."""
    from madv.data.depth import estimate, load_model
    from madv.data.frames import pictures, square

    by_row = {job.row: job for job in todo.jobs}
    keys = {job.row: job.key for job in todo.jobs}
    done = finished(making, "depth", keys, lambda row: {"depth": by_row[row].depth_row})
    left = [job for job in todo.jobs if job.row not in done]
    if not left:
        return
    progress("depth", len(done), len(todo.jobs))
    model = load_model(todo.model)

    def faces(job: ClipJob) -> list[Any]:
        box = face_box(job, todo.recipe)
        return [square(picture, box) for picture in pictures(job.recording, job.sampling.numbers)]

    clips = ((job, faces(job)) for job in left)
    for count, (job, maps) in enumerate(estimate(model, clips, todo.config.clip.size), start=len(done) + 1):
        values = estimated_depth(job, todo.recipe, maps)
        write_row(making, "depth", job.depth_row, values)
        record(making, "depth", job.row, job.key, row_digest({"depth": values}))
        progress("depth", count, len(todo.jobs))


def _clips(todo: Plan, making: Path, arrays: Iterable[str]) -> Clips:
    """What the cache holds, its arrays mapped."""
    streams = {name: np.load(making / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in arrays}
    table = todo.manifest.table.copy()
    positions = [job.sampling.positions for job in todo.jobs]
    table["first_frame"] = [float(times[0]) for times in positions]
    table["last_frame"] = [float(times[-1]) for times in positions]
    noted = table["notes"].astype("object").where(table["notes"].notna(), None)
    table["notes"] = [
        "; ".join([*([note] if note else []), *job.sampling.notes]) or None
        for note, job in zip(noted, todo.jobs, strict=True)
    ]
    targets = _au_targets(todo)
    return Clips(
        manifest=table,
        class_names=todo.manifest.class_names,
        streams=streams,
        au_targets=targets,
        au_names=todo.recipe.au_names,
        fingerprint=fingerprint(table, todo.manifest.class_names, streams, targets),
        facts=_facts(todo),
    )


def _au_targets(todo: Plan) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """(N, n_au) in {0, 1}; None where one of the data sets is coded without action units: absent is not unknown."""
    table = todo.manifest.table
    coded = table["action_units"].notna().groupby(table["dataset"]).any()
    if not todo.recipe.au_names or not coded.all():
        return None
    cells = table["action_units"].astype("object").where(table["action_units"].notna(), None)
    vectors = [intensity_vector(parse(cell).units, todo.recipe.au_names) for cell in cells]
    return (np.stack(vectors) > 0).astype(np.float32)


def _facts(todo: Plan) -> dict[str, Any]:
    """What a report says of where the clips come from."""
    manifest, config = todo.manifest, todo.config
    return {
        "files": [file.name for file in manifest.files],
        "releases": manifest.releases,
        "twins": _twins(todo),
        "corrections": [dataclasses.asdict(correction) for correction in manifest.corrections],
        "excluded": [dataclasses.asdict(clip) for clip in manifest.excluded],
        "sampling": {job.sample_id: list(job.sampling.notes) for job in todo.jobs if job.sampling.notes},
        "clip": dataclasses.asdict(config.clip),
        "depth": config.depth.source if todo.model is None else f"{config.depth.source}, {Path(todo.model).name}",
        "au": config.au.source,
        "align": config.align,
    }


def _twins(todo: Plan) -> list[str]:
    """The data sets whose frames `madv data synthesize` has written."""
    datasets = todo.manifest.table["dataset"]
    folders = {(dataset, job.recording.path.parent) for dataset, job in zip(datasets, todo.jobs, strict=True)}
    return sorted({dataset for dataset, folder in folders if in_twin(folder)})


def _whole(folder: Path, todo: Plan) -> bool:
    """Whether a cache's arrays still have the digest that was written with them."""
    try:
        head = json.loads((folder / FACTS).read_text(encoding="utf-8"))["described"]
        streams = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in head["streams"]}
        targets = _au_targets(todo)
        if targets is not None:
            targets = np.load(folder / f"{AU_TARGETS}.npy", allow_pickle=False)
        found = fingerprint(todo.manifest.table, todo.manifest.class_names, streams, targets)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(found == head["fingerprint"])
