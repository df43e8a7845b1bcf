"""Synthetic micro-expressions with a known right answer.

Every clip has a label and one carrier: the only stream that shows the label's action units. In the other streams the
same subject stays expressionless, so that what each stream can reach is known (see `ceilings`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from madv.config import STREAMS, SyntheticConfig
from madv.data.action_units import AU_NAMES, CLASSES, EMOTIONS, Display
from madv.data.content import fingerprint
from madv.data.face import Face, make_face
from madv.data.quotas import IntArray, apportion, interleave, share_out
from madv.data.render import Scene, shade, still, surface
from madv.syntax import syntax

if TYPE_CHECKING:
    from madv.data.clips import Clips

Array = npt.NDArray[np.float32]

SOURCES = ("action_units.py", "content.py", "face.py", "quotas.py", "render.py", "synthetic.py")

DISPLACEMENT = 0.075
"""Movement of the skin at unit strength and amplitude, half widths of the picture."""
RESIDUE = 0.15
"""What is left of an expression at its offset."""
TEXTURE_CENTRE, TEXTURE_UNIT = 0.5, 0.25
"""Stored texture = (intensity - centre) / unit, of intensities 0 (black) to 1."""
DEPTH_CENTRE, DEPTH_UNIT = 0.45, 0.15
"""Stored depth = (height - centre) / unit, of heights in half widths of the picture."""
SENSOR_NOISE = 0.012
"""Standard deviation of an intensity."""
DEPTH_NOISE = 0.004
"""Standard deviation of a height, half widths."""
CODER_NOISE, CODER_BIAS = 0.10, 0.15
"""Standard deviations of a coded intensity, frame by frame and constant over a clip; 1 is intensity B."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """Who shows what where; all arrays are by clip, in the order of the manifest."""

    subject: IntArray
    label: IntArray
    emotion: tuple[str, ...]
    carrier: IntArray
    """Index into STREAMS."""
    onset: IntArray
    """Frames of the clip, from 0."""
    apex: IntArray
    offset: IntArray


def cache_key(config: SyntheticConfig) -> str:
    """SHA-256 of the settings and of the code that makes the clips."""
    content = hashlib.sha256(json.dumps(dataclasses.asdict(config), sort_keys=True).encode())
    for name in SOURCES:
        content.update(f"{name}\0{syntax(files('madv.data').joinpath(name).read_text(encoding='utf-8'))}\0".encode())
    return content.hexdigest()


def read(config: SyntheticConfig) -> Clips:
    """Make all clips. The same settings give the same clips, bit for bit."""
    from madv.data.clips import Clips

    design = make_design(config)
    faces = [make_face(config.size, _rng(config, 1, subject)) for subject in range(config.subjects)]
    streams = _render(config, design, faces)
    targets = _au_targets(design)
    manifest = _manifest(design)
    return Clips(
        manifest=manifest,
        class_names=config.classes,
        streams=streams,
        au_targets=targets,
        au_names=AU_NAMES,
        fingerprint=fingerprint(manifest, config.classes, streams, targets),
        facts=_facts(config, design),
    )


def make_design(config: SyntheticConfig) -> Design:
    """Spread classes over subjects and carriers over classes and subjects, evenly; draw the times."""
    number = sum(config.clips_per_class)
    sizes = config.clips_per_subject or apportion(number, [1 / config.subjects] * config.subjects)
    subject = np.repeat(np.arange(config.subjects), sizes)
    label = interleave(config.clips_per_class)
    shares = [getattr(config.signal, name) for name in STREAMS]
    carrier = share_out([label, subject, label * config.subjects + subject], shares)
    turns = [itertools.cycle(CLASSES[name]) for name in config.classes]
    emotion = tuple(next(turns[index]) for index in label)

    rng, last = _rng(config, 0), config.frames - 1
    slack = max(1, config.frames // 8)
    onset = rng.integers(0, slack, number, endpoint=True)
    offset = last - rng.integers(0, slack, number, endpoint=True)
    apex = onset + np.rint((offset - onset) * rng.uniform(0.4, 0.65, number)).astype(np.int64)
    return Design(subject=subject, label=label, emotion=emotion, carrier=carrier, onset=onset, apex=apex, offset=offset)


def ceilings(shares: dict[str, float], num_classes: int) -> dict[str, float]:
    """Best accuracy that each set of streams can reach, by names joined with "+": shares + (1 - shares) / C.

    A clip that no stream of the set carries can only be guessed. With uneven classes this is the ceiling of UAR.
    """
    best = {}
    for count in range(1, len(shares) + 1):
        for names in itertools.combinations(shares, count):
            known = sum(shares[name] for name in names)
            best["+".join(names)] = known + (1 - known) / num_classes
    return best


def _facts(config: SyntheticConfig, design: Design) -> dict[str, Any]:
    """The planted shares, as counted, and what they allow."""
    classes = len(config.classes)
    table = np.zeros((classes, len(STREAMS)))
    np.add.at(table, (design.label, design.carrier), 1)
    # The mean over classes: the share that counts for UAR, and for accuracy where classes are even.
    shares = (table / table.sum(axis=1, keepdims=True)).mean(axis=0)
    planted = {name: float(share) for name, share in zip(STREAMS, shares, strict=True)}
    return {
        "shares": planted,
        "ceilings": ceilings(planted, classes),
        "carriers": [STREAMS[index] for index in design.carrier],
    }


def _manifest(design: Design) -> Any:
    import pandas as pd

    width = max(2, len(str(design.subject.max() + 1)))
    names = [f"sub{subject + 1:0{width}}" for subject in design.subject]
    place = [int((design.subject[:row] == subject).sum()) + 1 for row, subject in enumerate(design.subject)]
    return pd.DataFrame(
        {
            "sample_id": [f"{name}_{number:03}" for name, number in zip(names, place, strict=True)],
            "subject": names,
            "dataset": "synthetic",
            "emotion": list(design.emotion),
            "label": design.label,
            "onset": design.onset,
            "apex": design.apex,
            "offset": design.offset,
        }
    )


def _au_targets(design: Design) -> Array:
    """(N, n_au): the action units that the AU stream shows; none where another stream is the carrier."""
    targets = np.zeros((len(design.label), len(AU_NAMES)), dtype=np.float32)
    for row in np.flatnonzero(design.carrier == STREAMS.index("au")):
        for display in EMOTIONS[design.emotion[row]]:
            targets[row, AU_NAMES.index(display.action_unit)] = 1
    return targets


def _render(config: SyntheticConfig, design: Design, faces: Sequence[Face]) -> dict[str, npt.NDArray[Any]]:
    """All streams of all clips, half precision: clip by clip, since one clip's arrays fit a processor's cache."""
    number, frames, size = len(design.label), config.frames, config.size
    texture = np.empty((number, 3, frames, size, size), dtype=np.float16)
    depth = np.empty((number, 1, frames, size, size), dtype=np.float16)
    au = np.empty((number, len(AU_NAMES), frames), dtype=np.float16)
    for row in range(number):
        rng, face, carrier = _rng(config, 2, row), faces[design.subject[row]], STREAMS[design.carrier[row]]
        scene = _scene(config, rng)
        strength = config.amplitude * rng.uniform(0.8, 1.2, len(EMOTIONS[design.emotion[row]]))
        profile = _profile(frames, int(design.onset[row]), int(design.apex[row]), int(design.offset[row]))
        displays = [(display, amount) for display, amount in zip(EMOTIONS[design.emotion[row]], strength, strict=True)]
        shown = {name: displays if name == carrier else [] for name in STREAMS}
        texture[row] = _texture(config, rng, face, _expression(face, shown["texture"], profile), scene)
        depth[row] = _depth(config, rng, face, _expression(face, shown["depth"], profile), scene)
        au[row] = _intensities(config, rng, shown["au"], profile)
    return {"texture": texture, "depth": depth, "au": au}


def _texture(
    config: SyntheticConfig, rng: np.random.Generator, face: Face, expression: Array | None, scene: Scene
) -> Array:
    """(3, T, H, W). Unless texture is the carrier the surface that is lit is at rest: shading would tell its depth."""
    height, albedo = surface(face, still(expression, config.frames, config.size), scene)
    seen = shade(height, albedo, face.tint, scene)
    seen += rng.normal(0, SENSOR_NOISE * config.noise, seen.shape).astype(np.float32)
    stored: Array = (np.clip(seen, np.float32(0), np.float32(1)) - np.float32(TEXTURE_CENTRE)) / np.float32(
        TEXTURE_UNIT
    )
    return stored


def _depth(
    config: SyntheticConfig, rng: np.random.Generator, face: Face, expression: Array | None, scene: Scene
) -> Array:
    """(1, T, H, W)."""
    height, _ = surface(face, still(expression, config.frames, config.size), scene)
    height += rng.normal(0, DEPTH_NOISE * config.noise, height.shape).astype(np.float32)
    return ((height - np.float32(DEPTH_CENTRE)) / np.float32(DEPTH_UNIT))[None]


def _intensities(
    config: SyntheticConfig, rng: np.random.Generator, displays: list[tuple[Display, float]], profile: Array
) -> Array:
    """(n_au, T), as a coder would rate them: 1 is intensity B; the bias makes the change since onset what matters."""
    coded = rng.normal(0, CODER_NOISE * config.noise, (len(AU_NAMES), config.frames))
    coded += rng.normal(0, CODER_BIAS * config.noise, (len(AU_NAMES), 1))
    for display, amount in displays:
        coded[AU_NAMES.index(display.action_unit)] += amount * display.strength * profile
    return coded.astype(np.float32)


def _expression(face: Face, displays: list[tuple[Display, float]], profile: Array) -> Array | None:
    """(3, T, H, W) displacement of the skin, or None for a face at rest."""
    if not displays:
        return None
    peak = np.zeros(face.movements.shape[2:], dtype=np.float32)
    for display, amount in displays:
        left, right = face.movements[AU_NAMES.index(display.action_unit)]
        # The person's right is on the left of the picture.
        movement = left if display.side == "right" else left + right
        peak += np.float32(amount * display.strength * DISPLACEMENT) * movement
    return peak[:, None] * profile[:, None, None]


def _profile(frames: int, onset: int, apex: int, offset: int) -> Array:
    """(T,): 0 until onset, 1 at the apex, the residue from the offset on, in half cosine waves."""
    time = np.arange(frames)
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip((time - onset) / (apex - onset), 0, 1))
    fall = 0.5 - 0.5 * np.cos(np.pi * np.clip((time - apex) / (offset - apex), 0, 1))
    return (rise - (1 - RESIDUE) * fall).astype(np.float32)


def _scene(config: SyntheticConfig, rng: np.random.Generator) -> Scene:
    """Head drift and changes of the light: each a slow path that starts at 0."""
    drift = _paths(config, rng, np.array([0.012, 0.012, 0.006, 0.006]))
    change = _paths(config, rng, np.array([0.03, 0.03, 0.03]))
    direction = np.array([0.35, -0.35, 0.87]) + config.noise * rng.normal(0, 0.03, 3)
    return Scene(
        shift=drift[:3].astype(np.float32),
        roll=drift[3].astype(np.float32),
        light=(direction[:, None] + change).astype(np.float32),
    )


def _paths(config: SyntheticConfig, rng: np.random.Generator, spread: npt.NDArray[np.float64]) -> Any:
    """(K, T) smooth paths from 0, whose ends have the standard deviations `spread`."""
    time = np.linspace(0, 1, config.frames)
    line, wave, phase = rng.normal(0, 1, (3, len(spread), 1))
    path = line * time + 0.5 * wave * (np.sin(np.pi * (2 * time + phase)) - np.sin(np.pi * phase))
    return config.noise * spread[:, None] * path


def _rng(config: SyntheticConfig, use: int, index: int = 0) -> np.random.Generator:
    """One generator for the design (0), each subject (1) and each clip (2): none depends on how many others there are."""
    return np.random.default_rng([config.seed, use, index])
