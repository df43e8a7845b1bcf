"""One clip from its frames to the rows of its streams; runs in processes of its own, which import this and no more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from madv.data import au_files
from madv.data.au_flow import pseudo_units
from madv.data.clips import SIGNAL_UNIT, SIGNAL_ZERO
from madv.data.depth import to_onset
from madv.data.frames import Box, Recording, decode, decode_maps, pictures
from madv.data.prepare_store import row_digest, write_row
from madv.data.sampling import Sampling
from madv.errors import DataError, Problem

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How every clip is made: settings of dataset.clip, .depth, .au and .align."""

    size: int
    storage: str
    depth: str
    scale: str
    au: str
    au_names: tuple[str, ...]
    order: au_files.Order | None
    align: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipJob:
    """One clip to make."""

    row: int
    """Of the arrays."""
    sample_id: str
    place: str
    """The annotation's file and row, for messages."""
    recording: Recording
    sampling: Sampling
    units: Path | None
    """CSV file of estimated action units."""
    depth: Recording | None
    """Folder of depth maps."""
    depth_row: int
    """Where its depth goes: another clip's row where depth is shuffled."""
    key: str
    """SHA-256 of all that the clip is made from: files by size and time, times, settings."""


class Made(NamedTuple):
    """What came of one clip."""

    row: int
    digest: str | None
    """SHA-256 of what was written; None: nothing was."""
    problems: list[Problem]


def located(problem: Problem, sample_id: str, place: str) -> Problem:
    """The problem of a file, with the clip and the annotation's row that it belongs to."""
    return Problem(place=problem.place, message=f"{problem.message} (clip {sample_id}, {place})")


def make_and_write(job: ClipJob, recipe: Recipe, folder: Path) -> Made:
    """Make a clip and write it into the arrays of a folder.

    Raises:
        OSError: the disk is full.
    """
    try:
        streams = make_clip(job, recipe)
    except DataError as error:
        return Made(job.row, None, [located(problem, job.sample_id, job.place) for problem in error.problems])
    for name, values in streams.items():
        write_row(folder, name, job.depth_row if name == "depth" else job.row, values)
    return Made(job.row, row_digest(streams), [])


def make_clip(job: ClipJob, recipe: Recipe) -> dict[str, npt.NDArray[Any]]:
    """All streams of a clip but the depth that a model estimates: texture (3, T, S, S), depth (1, T, S, S), au (n, T).

    Texture is centred on the mean of its onset frame, so that neither the light nor the skin of a subject is a signal.

    Raises:
        DataError: a frame cannot be decoded, no face is found, or action units do not fit.
    """
    sampling, size = job.sampling, recipe.size
    box = face_box(job, recipe)
    frames = decode(job.recording, sampling.numbers, size, box)  # (K, C, S, S)
    texture, luminance = _texture(sampling, frames, recipe.storage)
    streams: dict[str, npt.NDArray[Any]] = {"texture": texture}
    if recipe.au == "flow":
        streams["au"] = pseudo_units(luminance)
    elif job.units is not None:
        streams["au"] = _estimated(job, job.units, recipe)
    if recipe.depth == "luminance":
        streams["depth"] = _stored_depth(luminance, recipe)
    elif recipe.depth == "zero":
        streams["depth"] = np.zeros((1, *luminance.shape), dtype=np.float16)
    elif job.depth is not None:
        maps = decode_maps(job.depth, sampling.numbers, size, box)
        streams["depth"] = _stored_depth(sampling.blend(maps), recipe)
    return streams


def estimated_depth(job: ClipJob, recipe: Recipe, maps: Array) -> npt.NDArray[np.float16]:
    """A model's maps (K, S, S) as the depth stream (1, T, S, S)."""
    return _stored_depth(job.sampling.blend(maps), recipe)


def face_box(job: ClipJob, recipe: Recipe) -> Box | None:
    """The face in the clip's first frame, or in its middle one; None: the centre square.

    Raises:
        DataError: there is no face.
    """
    if recipe.align == "none":
        return None
    from madv.data.align import find_face

    numbers = job.sampling.numbers
    for number in dict.fromkeys((numbers[0], numbers[len(numbers) // 2], numbers[-1])):
        box = find_face(next(pictures(job.recording, [number])))
        if box is not None:
            return box
    message = "no face is found in the first, middle and last frame; crop this clip yourself or set dataset.align=none"
    raise DataError([Problem(place=str(job.recording.path), message=message)])


def _texture(sampling: Sampling, frames: npt.NDArray[np.uint8], storage: str) -> tuple[npt.NDArray[Any], Array]:
    """Blended and centred: (K, C, S, S) -> (3, T, S, S) as stored, and the mean of its channels (T, S, S).

    Frame by frame: what a frame takes fits a processor's cache, a clip does not.
    """
    _, channels, *size = frames.shape
    number = len(sampling.positions)
    stored = np.empty((channels, number, *size), dtype=storage)
    luminance = np.empty((number, *size), dtype=np.float32)
    zero = SIGNAL_ZERO - frames[sampling.lower[0]].mean(dtype=np.float32)
    for time, frame in enumerate(sampling.blended(frames)):
        frame += zero
        np.add.reduce(frame, axis=0, out=luminance[time])
        if storage == "uint8":
            np.rint(frame, out=frame)
            np.clip(frame, 0, 255, out=frame)
        else:
            frame -= SIGNAL_ZERO
            frame /= SIGNAL_UNIT
        stored[:, time] = frame
    luminance /= channels
    return np.broadcast_to(stored, (3, number, *size)), luminance


def _stored_depth(depth: Array, recipe: Recipe) -> npt.NDArray[np.float16]:
    return to_onset(depth, recipe.scale)[None].astype(np.float16)


def _estimated(job: ClipJob, file: Path, recipe: Recipe) -> Array:
    """(n_au, T)."""
    estimates = au_files.read(file)
    if estimates.names != recipe.au_names:
        message = (
            f"has {', '.join(estimates.names)}; other clips have {', '.join(recipe.au_names)}; estimate them alike"
        )
        raise DataError([Problem(place=str(file), message=message)])
    aligned = au_files.align(file, estimates, job.recording.files, recipe.order)
    return au_files.at(file, aligned, job.sampling.positions)
