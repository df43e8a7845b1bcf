"""The settings of the data sets: one record a reader."""

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
    subjects: Annotated[int, Field(ge=2)] = 12
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
    shuffled (another clip's) are controls."""
    au: Literal["coded", "flow"] = "coded"
    """As a coder rates the face, or pseudo action units from the movement of the texture."""
    signal: Signal = Signal()
    """Which streams carry the label."""
    amplitude: NonNegative = 1.0
    """Strength of the expressions; at 1 the skin moves by at most about 4% of the picture's width. 0: chance level."""
    noise: NonNegative = 1.0
    """Strength of head drift, illumination change, sensor noise and coder noise; 0: none."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the faces, the clips and their noise."""

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


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class Megc2019Config:
    """The optical-flow composite of MEGC2019: one frame of horizontal flow, vertical flow and strain."""

    kind: Literal["megc2019"] = "megc2019"
    """The reader."""
    path: str | None = None
    """The npz file, or the folder with the PNG images and the label CSV."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class ClipConfig:
    """How the frames of a clip become an array of fixed shape."""

    frames: Annotated[int, Field(ge=2)] = 16
    """Frames T of a clip; between two recorded frames they are blended."""
    size: Annotated[int, Field(ge=16)] = 112
    """Height and width, pixels: the centre square of the picture, resized."""
    sampling: Literal["onset_offset", "onset_apex", "uniform"] = "onset_offset"
    """Which part of the recording: the expression, its rise, or all frames that there are. T times, evenly spaced."""
    missing: Literal["refuse", "blend"] = "refuse"
    """Frames that the annotation implies and the folder lacks: an error, or blended from those on both sides (at the
    ends the last one there holds) and noted."""
    storage: Literal["uint8", "float16"] = "uint8"
    """Of the texture: uint8 rounds to whole grey levels, as the files have them; half the size, read twice as fast."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class DepthConfig:
    """Where the depth stream comes from."""

    source: Literal["none", "depth_anything", "folder", "luminance", "zero", "shuffled"] = "none"
    """luminance, zero and shuffled (another clip's depth, of depth_anything or folder) are controls."""
    path: str | None = None
    """depth_anything: a model's folder or its id on the hub; null: Depth Anything V2 small. folder: the root of the
    depth maps, laid out and numbered like the frames, or as the manifest's column depth says; null: the data set's own
    folder, with that column. shuffled: either of them."""
    scale: Literal["clip", "frame"] = "clip"
    """Relative depth is known up to scale and shift: fitted to the onset frame once a clip, or for each frame."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class AuConfig:
    """Where the intensities of the action units come from. Annotated ones are targets, never an input here."""

    source: Literal["none", "openface", "pyfeat", "flow"] = "flow"
    """Estimates from CSV files (openface and pyfeat read LibreFace's too), or pseudo action units: how far regions of
    the face have moved since the onset."""
    path: str | None = None
    """openface, pyfeat: the folder of the CSV files, one a clip: <sample id>.csv or <folder of the frames>.csv, or as
    the manifest's column estimates says; null: the data set's own folder, with that column."""
    order: Literal["numbers", "names"] | None = None
    """Rows that count from 0 or 1 are in the order of the frames' numbers (a video was read) or names (a folder was
    read: img100 before img46); null: only where both are the same."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class FramesConfig:
    """What data sets of recorded frames have in common."""

    path: str | None = None
    """The folder as downloaded."""
    annotations: str | None = None
    """The annotation file; null: found in the folder."""
    emotions: tuple[str, ...] | None = None
    """Only clips of these emotions, as annotated; null: all that the classes take in."""
    clip: ClipConfig = ClipConfig()
    depth: DepthConfig = DepthConfig()
    au: AuConfig = AuConfig()
    align: Literal["none", "face"] = "none"
    """face: crop each clip to the face found in its onset frame; needs the extra madv[faces]."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class Casme2Config(FramesConfig):
    """CASME-II: 255 clips, 26 subjects, 200 fps. The coding's release (2014, 2019) is found by its content."""

    kind: Literal["casme2"] = "casme2"
    """The reader."""
    images: Literal["cropped", "raw"] = "cropped"
    """Faces as cropped by the authors (Cropped/), or whole pictures (CASME2_RAW_selected/)."""
    classes: Literal[3, 5, 7] = 5
    """7: every emotion; 5: without sadness and fear; 3: negative, positive, surprise as in MEGC2019."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class SammConfig(FramesConfig):
    """SAMM: 159 clips, 29 subjects, 200 fps, grayscale."""

    kind: Literal["samm"] = "samm"
    """The reader."""
    classes: Literal[3, 5, 8] = 5
    """8: every emotion; 5: anger, contempt, happiness, surprise, other; 3: negative, positive, surprise."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class SmicConfig(FramesConfig):
    """SMIC-HS: 164 clips, 16 subjects, 100 fps; negative, positive, surprise. No action units, no apex."""

    kind: Literal["smic"] = "smic"
    """The reader."""
    classes: Literal[3] = 3


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class CasmeSqConfig(FramesConfig):
    """CAS(ME)^2: 300 macro- and 57 micro-expressions, 22 subjects, 30 fps; negative, positive, surprise, others."""

    kind: Literal["casme_sq"] = "casme_sq"
    """The reader."""
    expressions: Literal["micro", "macro", "both"] = "micro"
    classes: Literal[3, 4] = 4
    """3: without others."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class CompositeConfig(FramesConfig):
    """MEGC2019's composite of CASME-II, SAMM and SMIC: 442 clips, 68 subjects; negative, positive, surprise."""

    kind: Literal["composite"] = "composite"
    """The reader."""
    path: str | None = None
    """A folder that holds the three; a path below goes first."""
    annotations: None = None
    """Each of the three has its own."""
    casme2_path: str | None = None
    casme2_annotations: str | None = None
    casme2_images: Literal["cropped", "raw"] = "cropped"
    samm_path: str | None = None
    samm_annotations: str | None = None
    smic_path: str | None = None
    smic_annotations: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class ManifestConfig(FramesConfig):
    """Your own data set: a table (CSV, Parquet, xlsx) with a row a clip.

    Columns: sample_id, subject, emotion, frames (folder or video); where there are any onset, apex, offset,
    action_units, fps, depth (folder of depth maps), estimates (CSV file of estimated action units), notes.
    """

    kind: Literal["manifest"] = "manifest"
    """The reader."""
    path: str | None = None
    """The folder that the table's paths start from; null: the table's own."""
    annotations: str | None = None
    """The table; null: the only one in the folder."""


RecordedConfig = Casme2Config | SammConfig | SmicConfig | CasmeSqConfig | CompositeConfig | ManifestConfig
"""Data sets that are prepared from frames on disk."""

DatasetConfig = Annotated[
    SyntheticConfig
    | Megc2019Config
    | Casme2Config
    | SammConfig
    | SmicConfig
    | CasmeSqConfig
    | CompositeConfig
    | ManifestConfig,
    Field(discriminator="kind"),
]
