"""The settings of the data sets: one record a reader."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from madv.config_fields import STRICT
from madv.config_synthetic import SyntheticConfig


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
    """luminance, zero and shuffled (the depth of another clip, of whomever) are controls."""
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
