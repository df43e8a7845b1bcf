"""Synthetic micro-expressions with a known right answer.

Every clip has a label and one carrier: the only stream that shows the label's action units. In the other streams the
same subject stays expressionless, so that what each stream can reach is known (see `ceilings`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from madv.config_model import STREAMS
from madv.config_synthetic import SyntheticConfig
from madv.data.action_units import CLASSES, EMOTIONS
from madv.data.content import fingerprint
from madv.data.face import make_face
from madv.data.quotas import IntArray, apportion, interleave, share_out
from madv.data.synthetic_clips import Times, render_clip
from madv.data.synthetic_sources import lent, shown, substituted, unit_names

if TYPE_CHECKING:
    from madv.data.clips import Clips

Array = npt.NDArray[np.float32]


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
    """After the last frame where the clip ends at the apex."""


def read(config: SyntheticConfig) -> Clips:
    """Make all clips. The same settings give the same clips, bit for bit."""
    from madv.data.clips import Clips

    design = make_design(config)
    streams = _render(config, design)
    names = unit_names(config)
    targets = _au_targets(design, names)
    manifest = _manifest(config, design)
    return Clips(
        manifest=manifest,
        class_names=config.classes,
        streams=streams,
        au_targets=targets,
        au_names=names,
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
    slack = config.frames // 8
    onset = rng.integers(0, slack, number, endpoint=True)
    offset = last - rng.integers(0, slack, number, endpoint=True)
    apex = onset + np.rint((offset - onset) * rng.uniform(0.4, 0.65, number)).astype(np.int64)
    if config.sampling != "uniform":
        end = offset if config.sampling == "onset_offset" else apex
        apex, offset = (np.rint((time - onset) * last / (end - onset)).astype(np.int64) for time in (apex, offset))
        onset = np.zeros_like(onset)
    return Design(subject=subject, label=label, emotion=emotion, carrier=carrier, onset=onset, apex=apex, offset=offset)


def ceilings(shares: dict[str, float], num_classes: int, shown: Mapping[str, set[str]]) -> dict[str, float]:
    """Best accuracy that each set of streams can reach, by names joined with "+": shares + (1 - shares) / C.

    A clip whose carrier no stream of the set shows can only be guessed. With uneven classes this is the ceiling of UAR.

    Args:
        shares: of the clips, by carrier.
        num_classes: C.
        shown: by stream, the carriers whose label it can show.
    """
    best = {}
    for count in range(1, len(shares) + 1):
        for names in itertools.combinations(shares, count):
            known = sum(shares[carrier] for carrier in set[str]().union(*(shown[name] for name in names)))
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
        "ceilings": ceilings(planted, classes, shown(config)),
        "carriers": [STREAMS[index] for index in design.carrier],
    }


def _manifest(config: SyntheticConfig, design: Design) -> Any:
    """Samples are named after the subject and, where the same people have been recorded before, the recording."""
    import pandas as pd

    width = max(2, len(str(design.subject.max() + 1)))
    names = [f"sub{subject + 1:0{width}}" for subject in design.subject]
    people = _people(config)
    recording = "" if people == config.seed else f"{config.seed}_"
    place = [int((design.subject[:row] == subject).sum()) + 1 for row, subject in enumerate(design.subject)]
    return pd.DataFrame(
        {
            "sample_id": [f"{name}_{recording}{number:03}" for name, number in zip(names, place, strict=True)],
            "subject": names,
            "dataset": f"synthetic-{people}",
            "emotion": list(design.emotion),
            "label": design.label,
            "onset": design.onset,
            "apex": design.apex,
            "offset": design.offset,
        }
    )


def _au_targets(design: Design, names: tuple[str, ...]) -> Array:
    """(N, n_au): the action units that the AU stream shows; none where another stream is the carrier."""
    targets = np.zeros((len(design.label), len(names)), dtype=np.float32)
    for row in np.flatnonzero(design.carrier == STREAMS.index("au")):
        for display in EMOTIONS[design.emotion[row]]:
            targets[row, names.index(display.action_unit)] = 1
    return targets


def _render(config: SyntheticConfig, design: Design) -> dict[str, npt.NDArray[Any]]:
    """All streams of all clips, half precision: clip by clip, since one clip's arrays fit a processor's cache."""
    people = _people(config)
    faces = [make_face(config.size, np.random.default_rng([people, 1, subject])) for subject in range(config.subjects)]
    number, frames, size = len(design.label), config.frames, config.size
    streams = {
        "texture": np.empty((number, 3, frames, size, size), dtype=np.float16),
        "depth": np.empty((number, 1, frames, size, size), dtype=np.float16),
        "au": np.empty((number, len(unit_names(config)), frames), dtype=np.float16),
    }
    for row in range(number):
        clip = render_clip(
            config,
            _rng(config, 2, row),
            faces[design.subject[row]],
            EMOTIONS[design.emotion[row]],
            STREAMS[design.carrier[row]],
            Times(int(design.onset[row]), int(design.apex[row]), int(design.offset[row])),
        )
        for name, values in substituted(config, clip).items():
            streams[name][row] = values
    return streams | {"depth": lent(config, streams["depth"])}


def _people(config: SyntheticConfig) -> int:
    return config.seed if config.people is None else config.people


def _rng(config: SyntheticConfig, use: int, index: int = 0) -> np.random.Generator:
    """One generator for the design (0) and each clip (2), whatever their number; faces (1) have the people's seed."""
    return np.random.default_rng([config.seed, use, index])
