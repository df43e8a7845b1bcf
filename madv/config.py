"""The settings of a training run: frozen records with their units and sources, checked once at the edge."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from madv.data.action_units import CLASSES
from madv.errors import unknown

STREAMS = ("texture", "depth", "au")
LEVELS = ("low", "mid", "high")

STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


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


DatasetConfig = Annotated[SyntheticConfig | Megc2019Config, Field(discriminator="kind")]


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class StreamsConfig:
    """Which input streams the network has. A stream that is off has no weights, no heads and no loss term."""

    texture: bool = True
    depth: bool = True
    au: bool = True

    def active(self) -> tuple[str, ...]:
        """Names of the streams that are on, in the order of STREAMS."""
        return tuple(name for name in STREAMS if getattr(self, name))


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class TokenizerConfig:
    """3D-video-to-tokens (Eq. 2): Conv3d, BatchNorm, ReLU, MaxPool3d; each triple is (time, height, width)."""

    kernel: tuple[Positive, Positive, Positive] = (3, 7, 7)
    stride: tuple[Positive, Positive, Positive] = (2, 4, 4)
    pool: tuple[Positive, Positive, Positive] = (1, 3, 3)
    """Max-pooling kernel; with pool_stride (1, 1, 1) too, (1, 1, 1) leaves the pooling out."""
    pool_stride: tuple[Positive, Positive, Positive] = (1, 2, 2)


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class ModelConfig:
    """MADV-Net. The three levels are the paper's low-, middle- and high-dimensional feature streams."""

    streams: StreamsConfig = StreamsConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    widths: tuple[Positive, Positive, Positive] = (64, 128, 256)
    """Channels of the low, middle and high level."""
    blocks: tuple[NotNegative, NotNegative, NotNegative] = (1, 2, 2)
    """Attention blocks of each level; a level without any is convolution, frame difference and read-out."""
    heads: tuple[Positive, Positive, Positive] = (2, 4, 8)
    """Attention heads of each level; each must divide its width."""
    mlp_ratio: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 4.0
    """Hidden width of a block's MLP over the level's width."""
    projection_kernel: Literal[3, 5] = 3
    """Spatial kernel s of the depthwise-separable Q, K, V projection (Eq. 1)."""
    readout: Literal["average", "flatten"] = "average"
    """How a level's grid becomes a vector: averaged over positions, or flattened (small grids)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """In the attention blocks."""
    head_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Before each classifier."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class LossConfig:
    """The joint loss of Eq. 18: focal + w_freq * (alpha, beta, gamma) + w_au * L_AU."""

    focal_lambda: NonNegative = 2.0
    """Focusing exponent lambda of Eq. 19; 0 is cross-entropy."""
    focal_mu: NonNegative = 1.0
    """Class balance mu of Eq. 19: weight of class c is proportional to n_c ** -focal_mu, with mean 1 over classes."""
    w_freq: NonNegative = 1.0
    """Weight of the multi-frequency loss (Eq. 20)."""
    alpha: NonNegative = 1 / 3
    """Weight of the low level (Eq. 21). A level whose weight is 0 has no head."""
    beta: NonNegative = 1 / 3
    """Weight of the middle level (Eq. 22)."""
    gamma: NonNegative = 1 / 3
    """Weight of the high level (Eq. 23)."""
    w_au: NonNegative = 1.0
    """Weight of the action-unit loss (Eq. 12). At 0 its classifier and decoders are gone, the gates stay."""
    beta_ib: NonNegative = 1e-3
    """Weight of compression in the information bottleneck (Eq. 4 to 8)."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class TrainConfig:
    """How one fold is trained. The number of epochs is fixed: no test subject chooses it."""

    epochs: Positive = 100
    batch_size: Annotated[int, Field(ge=2)] = 64
    """Clips of a step; batch norm needs two."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5e-5
    min_learning_rate: NonNegative = 1e-6
    """Where the cosine ends."""
    weight_decay: NonNegative = 0.05
    warmup: Share = 0.0
    """Share of the steps over which the learning rate rises from 0."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 (or fp16 with loss scaling) on a GPU, fp32 on a CPU."""
    mirror: bool = False
    """Mirror half of the training clips, left to right."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Largest random translation of a training clip, pixels."""
    mirror_prediction: bool = False
    """Predict the mean of a clip and its mirror image."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class Config:
    """Everything that one training run depends on, besides its seed and its fold."""

    dataset: DatasetConfig = SyntheticConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()

    def meaning(self) -> dict[str, Any]:
        """What training depends on, as plain JSON values; the data set enters a cell's key by its content instead."""
        sections = dataclasses.asdict(self)
        sections.pop("dataset")
        return sections
