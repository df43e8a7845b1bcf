"""The settings of synthetic clips: who shows what, how strongly, and in which stream."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from madv.config_fields import STRICT, NonNegative, Positive, Share
from madv.data.action_units import CLASSES
from madv.errors import unknown


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class Signal:
    """Share of clips whose label is rendered in one stream only; the shares add up to 1."""

    texture: Share = 0.45
    depth: Share = 0.20
    au: Share = 0.35


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class SyntheticConfig:
    """Rendered faces with a known right answer."""

    kind: Literal["synthetic"] = "synthetic"
    """The reader."""
    path: None = None
    """Nothing is read: clips are made."""
    subjects: Annotated[int, Field(ge=2, le=10_000)] = 12
    clips_per_subject: tuple[Positive, ...] | None = None
    """Clips of each subject; null: as even as can be."""
    classes: tuple[str, ...] = ("happiness", "surprise", "disgust")
    """Emotions of the paper's Table 1, or groups of them: see madv/data/action_units.py."""
    clips_per_class: tuple[Positive, ...] = (36, 36, 36)
    """Clips of each class, spread over the subjects."""
    frames: Annotated[int, Field(ge=4)] = 8
    """Frames of a clip, onset to offset; an expression needs room to rise and fall."""
    size: Annotated[int, Field(ge=16)] = 32
    """Height and width, pixels."""
    sampling: Literal["uniform", "onset_offset", "onset_apex"] = "uniform"
    """Which part of the recording: all of it, a little more than the expression; the expression; its rise."""
    depth: Literal["rendered", "per_frame", "luminance", "zero", "shuffled"] = "rendered"
    """per_frame: each frame fitted to the onset frame, as estimates of single frames have to be; luminance, zero and
    shuffled (another clip's, of whomever) are controls."""
    au: Literal["coded", "flow"] = "coded"
    """As a coder rates the face, or pseudo action units from the movement of the texture."""
    signal: Signal = Signal()
    """Which streams carry the label."""
    amplitude: NonNegative = 1.0
    """Strength of the expressions; at 1 the skin moves by at most about 4% of the picture's width. 0: chance level."""
    noise: NonNegative = 1.0
    """Strength of head drift, illumination change, sensor noise and coder noise; 0: none."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the clips and their noise."""
    people: Annotated[int, Field(ge=0)] | None = None
    """Seed of the faces; null: as seed. Two sets of the same people show the same subjects in other recordings."""

    @field_validator("classes")
    @classmethod
    def _classes_differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        strangers = [name for name in classes if name not in CLASSES]
        if strangers:
            raise _wrong("; ".join(unknown("emotion", name, CLASSES) for name in strangers))
        if len(classes) < 2:
            raise _wrong("at least two classes are needed")
        owner: dict[str, str] = {}
        for name in classes:
            for emotion in CLASSES[name]:
                if emotion in owner:
                    raise _wrong(f"classes {owner[emotion]!r} and {name!r} would both show {emotion}")
                owner[emotion] = name
        return classes

    @field_validator("clips_per_class")
    @classmethod
    def _one_number_a_class(cls, counts: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        classes, subjects = info.data.get("classes"), info.data.get("subjects")
        if classes is not None and len(counts) != len(classes):
            raise _wrong(f"{len(classes)} classes ({', '.join(classes)}) need {len(classes)} numbers of clips")
        if subjects is not None and sum(counts) < subjects:
            raise _wrong(f"{sum(counts)} clips are too few for {subjects} subjects")
        per_subject = info.data.get("clips_per_subject")
        if per_subject is not None and sum(per_subject) != sum(counts):
            raise _wrong(f"must add up to the {sum(per_subject)} clips of dataset.clips_per_subject")
        return counts

    @field_validator("clips_per_subject")
    @classmethod
    def _one_number_a_subject(cls, counts: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
        subjects = info.data.get("subjects")
        if counts is not None and subjects is not None and len(counts) != subjects:
            raise _wrong(f"{subjects} subjects need {subjects} numbers of clips (or null: as even as can be)")
        return counts

    @field_validator("signal")
    @classmethod
    def _shares_are_a_whole(cls, signal: Signal) -> Signal:
        total = signal.texture + signal.depth + signal.au
        if abs(total - 1) > 1e-6:
            raise _wrong(f"the shares of texture, depth and au must add up to 1; they add up to {total:g}")
        return signal


def _wrong(message: str) -> PydanticCustomError:
    """A finding in our own words; braces would be read as places to fill in."""
    return PydanticCustomError("madv", "{message}", {"message": message})
