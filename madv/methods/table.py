"""The methods by name: how each is built, at which input it was published, and what it cannot take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from madv.config_method import MethodConfig
from madv.errors import ConfigError, Problem
from madv.methods.weights import find

Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """What is known of a method before it is built; sizes are (T, H, W)."""

    title: str
    source: str
    published: Shape
    """Input of the published parameter and multiply-accumulate counts."""
    width: int
    """Published; see MethodConfig.width."""
    blocks: int | None = None
    """Published; None where the number is not a setting."""


METHODS: Mapping[str, Method] = {
    "c3d": Method(title="C3D", source="Tran et al., ICCV 2015", published=(16, 112, 112), width=64),
    "r2plus1d_18": Method(title="R(2+1)D-18", source="Tran et al., CVPR 2018", published=(16, 112, 112), width=64),
    "resnet3d_18": Method(title="3D ResNet-18", source="Hara et al., CVPR 2018", published=(16, 112, 112), width=64),
    "ec_stfl": Method(title="EC-STFL", source="Jiang et al., ACM MM 2020", published=(16, 112, 112), width=64),
    "resnet18_lstm": Method(title="ResNet-18+LSTM", source="DFEW benchmark", published=(16, 112, 112), width=64),
    "resnet18_gru": Method(title="ResNet-18+GRU", source="DFEW benchmark", published=(16, 112, 112), width=64),
    "former_dfer": Method(title="Former-DFER", source="Zhao and Liu, ACM MM 2021", published=(16, 112, 112), width=64),
    "ceflnet": Method(
        title="CEFLNet", source="Liu et al., Information Sciences 2022", published=(35, 224, 224), width=64
    ),
    "est": Method(
        title="EST", source="Liu et al., Pattern Recognition 2023", published=(35, 224, 224), width=64, blocks=3
    ),
    "stt": Method(title="STT", source="Ma et al., arXiv:2205.04749", published=(16, 112, 112), width=64, blocks=4),
    "nr_dfernet": Method(title="NR-DFERNet", source="Li et al., arXiv:2206.04975", published=(16, 112, 112), width=64),
    "videomae": Method(
        title="VideoMAE", source="Tong et al., NeurIPS 2022", published=(16, 160, 160), width=768, blocks=12
    ),
    "mae_dfer": Method(
        title="MAE-DFER", source="Sun et al., ACM MM 2023", published=(16, 160, 160), width=512, blocks=16
    ),
}
TUBELETS = ("videomae", "mae_dfer")
"""Methods that cut a clip into boxes, and that have masked modelling."""


def tubelet(method: MethodConfig, frames: int) -> Shape:
    """Frames, height and width of a token of a method on tubelets; a clip of one frame has no pairs of frames.

    Raises:
        ConfigError: its weights are not there.
    """
    return (min(2, frames), method.patch, method.patch) if method.weights is None else find(method.weights).box


def misfits(method: MethodConfig, streams: Mapping[str, tuple[int, ...]]) -> list[Problem]:
    """Why a method cannot take a data set's clips, with what would do.

    Args:
        method: its settings, of a method other than MADV-Net.
        streams: shape of one clip by stream.
    """
    problems = _settings(method)
    if "texture" not in streams:
        message = f"{method.name} reads texture; the data set has {' and '.join(streams) or 'no stream'}"
        return [*problems, Problem(place="method.name", message=message)]
    if method.name in TUBELETS:
        try:
            problems += _boxes(method, streams["texture"])
        except ConfigError as error:
            problems += error.problems
    return problems


def _settings(method: MethodConfig) -> list[Problem]:
    """What is wrong whatever the data set."""
    problems = []
    if method.blocks is not None and METHODS[method.name].blocks is None:
        message = f"{method.name} has a fixed number of blocks; leave method.blocks out"
        problems.append(Problem(place="method.blocks", message=message))
    if method.width is not None and method.width % 4:
        message = f"method.width={method.width} of {method.name} is no multiple of 4"
        problems.append(Problem(place="method.width", message=message))
    if method.weights is None:
        return problems
    if method.name != "videomae":
        message = f"{method.name} has no published weights to load; only videomae takes method.weights"
        problems.append(Problem(place="method.weights", message=message))
    problems += [
        Problem(place=f"method.{name}", message=f"the weights of {method.name} have theirs; set method.{name}=null")
        for name, value in (("width", method.width), ("blocks", method.blocks))
        if value is not None
    ]
    return problems


def _boxes(method: MethodConfig, texture: tuple[int, ...]) -> list[Problem]:
    """Whether clips (C, T, H, W) are whole numbers of tokens."""
    problems = []
    channels, frames, height, width = texture
    pair, patch, _ = tubelet(method, frames)
    if frames % pair:
        one = ", or one frame" if method.weights is None else ""
        message = f"{method.name} reads pairs of frames; the clips have {frames}: an even number{one}"
        problems.append(Problem(place="method.name", message=message))
    if height % patch or width % patch:
        whole = [size for size in range(2, min(height, width) + 1) if height % size == width % size == 0]
        way = (
            f"set method.patch to one of {', '.join(map(str, whole)) or 'no size there is'}"
            if method.weights is None
            else "its weights need clips of another size"
        )
        message = (
            f"{method.name} cuts frames into whole squares of {patch} pixels, and the clips are {height} x {width}; "
            f"{way}"
        )
        problems.append(Problem(place="method.patch", message=message))
    if method.weights is not None and find(method.weights).channels != channels:
        message = f"the weights read {find(method.weights).channels} channels, and the clips have {channels}"
        problems.append(Problem(place="method.weights", message=message))
    return problems
