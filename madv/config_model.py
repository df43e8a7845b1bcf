"""The settings of MADV-Net: the default reading of each equation first, the others beside it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from madv.config_fields import STRICT, Dropout, NotNegative, Positive, Share

STREAMS = ("texture", "depth", "au")
LEVELS = ("low", "mid", "high")

AttentionKind = Literal["joint", "factorised_self", "factorised_dot", "factorised_encoder"]
FrameReference = Literal["adjacent", "onset", "off"]


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

    kind: Literal["convolution", "tubelet"] = "convolution"
    """tubelet: one linear map of boxes that do not overlap, stride x pool_stride in size; no norm, no pooling."""
    kernel: tuple[Positive, Positive, Positive] = (3, 7, 7)
    stride: tuple[Positive, Positive, Positive] = (2, 4, 4)
    pool: tuple[Positive, Positive, Positive] = (1, 3, 3)
    """Max-pooling kernel; with pool_stride (1, 1, 1) too, (1, 1, 1) leaves the pooling out."""
    pool_stride: tuple[Positive, Positive, Positive] = (1, 2, 2)
    relu: bool = True
    """Eq. 2 names no activation."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class ProjectionConfig:
    """Queries, keys and values of the visual streams (Eq. 1). Action-unit tokens have no neighbours: linear there."""

    kind: Literal["depthwise", "linear"] = "depthwise"
    """depthwise: depthwise convolution, batch norm, pointwise map."""
    kernel: Literal[3, 5] = 3
    """Spatial size s, and along time too where volume is on."""
    volume: bool = False
    """Convolve along time as well, instead of frame by frame."""
    kv_stride: Literal[1, 2] = 1
    """Spatial stride of keys and values; 2 is CvT's saving."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class AttentionConfig:
    """Who attends to whom in each stream (section 3.2.3, names as in ViViT).

    joint: all tokens (model 1); factorised_self: within the frame, then along time (model 3); factorised_dot: half of
    the heads each way (model 4); factorised_encoder: within frames, then over one token a frame (model 2).
    """

    texture: AttentionKind | None = "factorised_self"
    depth: AttentionKind | None = "joint"
    au: AttentionKind | None = "factorised_dot"
    double: bool = False
    """Eq. 16 read literally: a second attention where the block has its MLP."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class DroppingConfig:
    """Token dropping in the visual streams: attention goes on with the tokens that matter."""

    by: Literal["class_attention", "random", "predictor", "halting"] = "class_attention"
    """class_attention: EViT; random: the control; predictor: DynamicViT; halting: A-ViT."""
    keep: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Share of a level's tokens that are kept; 1 drops nothing. halting: the share that its loss aims at."""
    fuse: bool = True
    """Go on with one more token, the mean of those dropped weighted by their scores."""
    after: Positive = 1
    """Blocks of a level before its tokens are dropped."""
    warmup: Share = 0.1
    """Share of training over which the keep rate falls from 1 (cosine)."""
    how: Literal["auto", "remove", "mask"] = "auto"
    """remove saves time and needs a linear projection; mask keeps the grid; auto: remove where that can be."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class DifferenceConfig:
    """Differences between frames of texture and depth, weighted by a dynamic adaptive factor (section 3.1)."""

    texture: FrameReference = "adjacent"
    """What a frame is compared with: the one before, the first, or none."""
    depth: FrameReference = "adjacent"
    factor: Literal["channel", "scalar", "token", "none"] = "channel"
    """channel: a gate for each frame and channel; scalar: one learned number; token: a gate for each token; none: 1."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class BottleneckConfig:
    """The action-unit encoder's layer-wise information bottleneck (Eq. 4 to 8)."""

    source: Literal["estimated", "annotated"] = "estimated"
    """annotated: the coder's own units as input. Near the label: an oracle, marked as such in every report."""
    gate: Literal["conditioned", "vector"] = "conditioned"
    """conditioned: sigmoid(W v + b) of the input; vector: one learned sigmoid(g) for all."""
    decoder: Literal["bounded", "full_rank", "identity", "gated"] = "bounded"
    """r of Eq. 8. bounded: linear, rank at most d/4, spectral norm at most 1; full_rank: linear without bounds, which
    degenerates; identity: r = v; gated: r = gate * v."""
    sampled: bool = False
    """Sample as in Eq. 7 and pay the whole divergence; else the mean alone, as in Eq. 8."""
    time: Literal["kept", "halved"] = "kept"
    """kept: T x n_au tokens at every level; halved: averaged over runs as long as the visual tokenizer's stride, then
    halved from level to level, as space is in the visual streams."""
    without_units: Literal["emotion", "none"] = "emotion"
    """What Eq. 11 aims at where a data set has no annotated units: the emotion, each class against the rest; or
    nothing, which leaves the bottleneck's terms alone."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class ModelConfig:
    """MADV-Net. The three levels are the paper's low-, middle- and high-dimensional feature streams."""

    streams: StreamsConfig = StreamsConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    projection: ProjectionConfig = ProjectionConfig()
    attention: AttentionConfig = AttentionConfig()
    dropping: DroppingConfig = DroppingConfig()
    difference: DifferenceConfig = DifferenceConfig()
    au: BottleneckConfig = BottleneckConfig()
    depth_injection: Literal["stream", "channel"] = "stream"
    """channel: depth is a fourth channel of the texture stream and has no stream of its own."""
    levels: Literal[1, 2, 3] = 3
    """Levels of the pyramid, from the lowest; a level that is not there has no head."""
    widths: tuple[Positive, Positive, Positive] = (64, 128, 256)
    """Channels of the low, middle and high level."""
    blocks: tuple[NotNegative, NotNegative, NotNegative] = (1, 2, 2)
    """Attention blocks of each level; a level without any is convolution, frame difference and read-out."""
    heads: tuple[Positive, Positive, Positive] = (2, 4, 8)
    """Attention heads of each level; each must divide its width."""
    mlp_ratio: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 4.0
    """Hidden width of a block's MLP over the level's width."""
    fusion: Literal["top_down", "concatenated", "weighted", "last"] = "top_down"
    """How levels meet: added from the top down; read out alone and concatenated; alone and weighted by learned
    weights; the last level alone."""
    frequency: Literal["stages", "bands"] = "stages"
    """What low, middle and high mean: stages of one pyramid, or bands of the clip's spatial frequency, each with its
    own tokenizer."""
    convolution_branch: bool = True
    """Eq. 17."""
    readout: Literal["average", "flatten"] = "average"
    """How a level's grid becomes a vector: averaged over positions, or flattened (small grids)."""
    dropout: Dropout = 0.1
    """In the attention blocks."""
    head_dropout: Dropout = 0.1
    """Before each classifier."""
