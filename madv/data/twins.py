"""Twins: synthetic frames in a data set's exact folders, shown by faces that do what its annotation file says."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

from madv.data.action_units import CLASSES, EMOTIONS
from madv.data.annotations import kinds
from madv.data.annotations.record import Annotated
from madv.data.face import SHOWN, Face, make_face
from madv.data.facs import INTENSITIES, Unit, parse
from madv.data.prepare_pool import cores
from madv.data.render import Scene, shade, surface
from madv.data.synthetic_clips import DISPLACEMENT, SENSOR_NOISE, Times, course, make_scene
from madv.data.twin_layouts import IMAGES, MARKER, Film, Twin, films, layout_of, span, twin_of
from madv.errors import DataError, Problem, unknown

Array = npt.NDArray[np.float32]

CHUNK = 16
"""Frames made at once: their arrays fit a processor's cache."""
QUALITY = 75
"""Of the JPEG files."""
MACRO = 2.0
"""Strength of a macro-expression; a micro-expression has 1."""
_MAKING = ".making"
_TINT_OF_GREY = np.ones(1, dtype=np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What there is now."""

    clips: int
    films: int
    frames: int
    """Files, those of an earlier run among them."""
    annotations: Path
    """The copy of the annotation file."""


def synthesize(
    like: str,
    annotations: Path,
    out: Path,
    *,
    size: int = 112,
    seed: int = 0,
    images: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Write the twin of a data set; folders that an earlier, stopped run has finished are kept.

    Args:
        like: casme2, samm, smic or casme_sq.
        annotations: its annotation file.
        out: an empty or new folder, or one where the same twin was begun.
        size: height and width of the frames, pixels.
        seed: of faces and noise.
        images: of CASME-II cropped or raw, of SMIC short or long; empty: the first.
        progress: called with the frames that are done and their total.

    Raises:
        DataError: the annotations are wrong, or the folder holds something else or cannot be written.
    """
    images = images or next(iter(IMAGES[like]))
    if images not in IMAGES[like]:
        raise DataError(f"{unknown('kind of images', images, IMAGES[like])} for {like}")
    todo = films(kinds.read(annotations, like), images)
    digest = hashlib.sha256(annotations.read_bytes()).hexdigest()
    twin = Twin(like=like, annotations=digest, images=images, size=size, seed=seed)
    copy = out / annotations.name
    frames = [len(film.numbers) for film in todo]
    try:
        _claim(out, twin)
        shutil.rmtree(out / _MAKING, ignore_errors=True)
        if copy.resolve() != annotations.resolve():
            shutil.copyfile(annotations, copy)
        _write_all(todo, frames, twin, out, progress)
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}; what is finished is kept, the same command goes on"
        raise DataError([Problem(place=str(error.filename or out), message=message)]) from None
    clips = sum(len(film.clips) for film in todo)
    return Written(clips=clips, films=len(todo), frames=sum(frames), annotations=copy)


def _claim(out: Path, twin: Twin) -> None:
    """Mark the folder as this twin's.

    Raises:
        DataError: it holds something else.
    """
    before = twin_of(out)
    if before is None and out.exists():
        there = [entry.name for entry in os.scandir(out)] if out.is_dir() else [out.name]
        if there:
            message = f"holds {sorted(there)[0]!r} and is no twin: name an empty or new folder"
            raise DataError([Problem(place=str(out), message=message)])
    if before is not None and before != twin:
        ours, theirs = ({name: str(value) for name, value in asdict(each).items()} for each in (twin, before))
        other = [f"{name} {theirs[name]:.12}, not {ours[name]:.12}" for name in ours if ours[name] != theirs[name]]
        message = f"holds a twin with {', '.join(other)}: name another folder"
        raise DataError([Problem(place=str(out), message=message)])
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).write_text(json.dumps(asdict(twin), indent=1), encoding="utf-8")


def _write_all(
    todo: Sequence[Film], frames: Sequence[int], twin: Twin, out: Path, progress: Callable[[int, int], None] | None
) -> None:
    """Film by film on all cores: the arithmetic and the encoder let other threads run."""
    tell = progress or (lambda done, total: None)
    total, done = sum(frames), 0
    pool = ThreadPoolExecutor(cores())
    try:
        running = {}
        for film, number in zip(todo, frames, strict=True):
            if (out / film.folder).exists():
                done += number
            else:
                running[pool.submit(_write_film, film, twin, out)] = number
        tell(done, total)
        for future in as_completed(running):
            future.result()
            done += running[future]
            tell(done, total)
    finally:
        pool.shutdown(cancel_futures=True)


def _write_film(film: Film, twin: Twin, out: Path) -> None:
    """All frames under another name, then renamed: a folder is there whole or not at all."""
    from PIL import Image

    place = out / _MAKING / hashlib.sha256(str(film.folder).encode()).hexdigest()[:12]
    place.mkdir(parents=True)
    for number, picture in zip(film.numbers, pictures(film, twin), strict=True):
        Image.fromarray(picture).save(place / film.file(number), quality=QUALITY)
    final = out / film.folder
    final.parent.mkdir(parents=True, exist_ok=True)
    os.rename(place, final)


def pictures(film: Film, twin: Twin) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames of a film in the order of its numbers: (H, W, 3), or (H, W) where the data set is grey."""
    face = _face(twin, film.subject)
    rng = _rng(twin, str(film.folder))
    times = np.array(film.numbers)
    scene = make_scene(len(times), 1.0, rng)
    peaks = [(clip, _peak(clip, face)) for clip in film.clips]
    tint = _TINT_OF_GREY if layout_of(twin.like, twin.images).grey else face.tint
    for start in range(0, len(times), CHUNK):
        part = slice(start, start + CHUNK)
        movement = np.zeros((3, len(times[part]), twin.size, twin.size), dtype=np.float32)
        for clip, peak in peaks:
            strength = _strength(clip, times[part])
            if strength.any():
                movement += peak[:, None] * strength[:, None, None]
        seen = Scene(shift=scene.shift[:, part], roll=scene.roll[part], light=scene.light[:, part])
        height, albedo = surface(face, movement, seen)
        shaded = shade(height, albedo, tint, seen)  # (C, K, H, W)
        shaded += np.float32(SENSOR_NOISE) * rng.standard_normal(height.shape, dtype=np.float32)
        shaded *= np.float32(255)
        pixels = np.clip(shaded, 0, 255, out=shaded).astype(np.uint8)
        yield from pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 3, 0))


@lru_cache(maxsize=4)  # films come subject by subject
def _face(twin: Twin, subject: str) -> Face:
    return make_face(twin.size, _rng(twin, subject), SHOWN)


def _peak(clip: Annotated, face: Face) -> Array:
    """(3, H, W) displacement of the skin at the apex."""
    peak = np.zeros(face.movements.shape[2:], dtype=np.float32)
    strength = DISPLACEMENT * (MACRO if clip.expression == "macro" else 1.0)
    for unit in shown_units(clip):
        left, right = face.movements[SHOWN.index(f"AU{unit.number}")]
        amount = strength * (1.0 if unit.intensity is None else (INTENSITIES.index(unit.intensity) + 1) / 2)
        # The person's right is on the left of the picture.
        movement = {"R": left, "L": right}.get(unit.side or "", left + right)
        peak += np.float32(amount) * movement
    return peak


def shown_units(clip: Annotated) -> tuple[Unit, ...]:
    """The annotated units that a face can show; where there are none, those of its emotion (the paper's Table 1)."""
    coded = tuple(unit for unit in parse(clip.action_units).units if f"AU{unit.number}" in SHOWN)
    if coded or clip.emotion not in CLASSES:
        return coded
    emotions = CLASSES[clip.emotion]
    shown = EMOTIONS[emotions[crc32(clip.sample_id.encode()) % len(emotions)]]
    return tuple(
        Unit(number=int(display.action_unit[2:]), side="R" if display.side == "right" else None) for display in shown
    )


def _strength(clip: Annotated, times: npt.NDArray[np.int64]) -> Array:
    """(K,) of an expression at frame numbers; 0 outside its onset and offset."""
    onset, offset = span(clip)[0], span(clip)[-1]
    # An apex at one of the ends would rise or fall in no time.
    apex = min(max(clip.apex or 0, onset + 0.5), max(offset, onset + 1) - 0.5)
    strength = course(times, Times(onset, apex, max(offset, onset + 1)))
    return np.where((times >= onset) & (times <= offset), strength, np.float32(0))


def _rng(twin: Twin, name: str) -> np.random.Generator:
    """One generator for each subject and each film, whatever their number and order."""
    return np.random.default_rng([twin.seed, crc32(name.encode())])
