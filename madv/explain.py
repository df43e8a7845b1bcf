"""What a trained network looks at in a clip: attention over frames and places, and the weights of its streams."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from madv.config import Config
from madv.config_model import LEVELS
from madv.data.clips import Clips
from madv.data.folds import Fold
from madv.inputs import inputs, scales
from madv.learners import make_learner
from madv.model.attention import Attended, class_attention
from madv.model.encoder import Encoder
from madv.model.fusion import GatedFusion
from madv.model.network import MADVNet

Array = npt.NDArray[np.float32]
CONVOLUTION = "convolution"
"""The name of the branch beside the levels (Eq. 17), where stream weights are named by level."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Explanation:
    """What the network made of one clip."""

    probabilities: Array
    """(C,)"""
    attention: dict[tuple[str, str], Array]
    """By stream and level, (T', H', W') or (T', 1, n_au): how the last class token's attention to the patches is
    shared out; sums to 1."""
    weights: dict[tuple[str, str], float]
    """By level (or CONVOLUTION) and stream; the streams of a level sum to 1."""


def explain(
    config: Config, clips: Clips, fold: Fold, rows: Sequence[int], state: Mapping[str, torch.Tensor]
) -> list[Explanation]:
    """Look into the network of a fold while it predicts clips.

    Args:
        config: the network's; keepable.
        clips: the data set.
        fold: what the network was trained on decides the scale of its inputs.
        rows: of the clips to predict.
        state: the trained parameters and buffers.
    """
    learner = make_learner(config, clips, "explain")
    network = learner.network
    assert isinstance(network, MADVNet)
    network.load_state_dict(dict(state))
    network.eval()
    attention: dict[tuple[str, str], torch.Tensor] = {}
    weights: dict[tuple[str, str], torch.Tensor] = {}
    with ExitStack() as hooks, torch.inference_mode():
        _watch_attention(network, attention, hooks)
        _watch_weights(network, weights, hooks)
        batch = inputs(config, clips, np.asarray(rows), scales(clips, fold.train, learner.reads), torch.device("cpu"))
        probabilities = torch.softmax(learner.logits(batch), dim=-1)
    return [
        Explanation(
            probabilities=probabilities[index].numpy(),
            attention={name: maps[index].float().numpy() for name, maps in attention.items()},
            weights={name: float(values[index]) for name, values in weights.items()},
        )
        for index in range(len(rows))
    ]


def encoders(network: MADVNet) -> dict[tuple[str, str], Encoder]:
    """The encoders that have attention, by stream and level."""
    found: dict[tuple[str, str], Encoder] = {}
    for stream, module in network.streams.items():
        parts = [one for one in module.modules() if isinstance(one, Encoder)]
        found |= {(stream, level): one for level, one in zip(LEVELS, parts, strict=False) if len(one.blocks)}
    return found


def _watch_attention(network: MADVNet, found: dict[tuple[str, str], torch.Tensor], hooks: ExitStack) -> None:
    """Leave (B, T', H', W') of each encoder when the network has run."""
    for name, encoder in encoders(network).items():
        within: list[torch.Tensor] = []
        over: list[torch.Tensor] = []
        for blocks, grid, maps in (
            (encoder.blocks, encoder.grid, within),
            (encoder.frame_blocks, (len(encoder.frame_blocks) and encoder.frame_token.shape[1], 1, 1), over),  # type: ignore[union-attr]
        ):
            for block in blocks:
                hooks.callback(block.register_forward_hook(functools.partial(_note, grid, maps)).remove)

        def combine(
            module: nn.Module,
            given: Any,
            encoded: Any,
            name: tuple[str, str] = name,
            encoder: Encoder = encoder,
            within: list[torch.Tensor] = within,
            over: list[torch.Tensor] = over,
        ) -> None:
            maps = within[-1]
            if over:  # each frame is a sequence of its own, and the class token looks at frames
                frames = over[-1].flatten(1)  # (B, T')
                maps = maps.flatten(1)
                maps = maps / maps.sum(1, keepdim=True)
                maps = frames[..., None] * maps.unflatten(0, frames.shape)  # (B, T', H' W')
                maps = maps.unflatten(2, encoder.grid[1:])
            found[name] = maps / maps.sum(dim=(1, 2, 3), keepdim=True)

        hooks.callback(encoder.register_forward_hook(combine).remove)


def _note(grid: tuple[int, int, int], maps: list[torch.Tensor], block: nn.Module, given: Any, given_back: Any) -> None:
    """Keep the attention of a block that still has all patches."""
    attended: Attended = given_back[1]
    if attended.change.shape[1] >= 1 + int(np.prod(grid)):
        maps[:] = [class_attention(attended, grid).unflatten(1, grid)]


def _watch_weights(network: MADVNet, found: dict[tuple[str, str], torch.Tensor], hooks: ExitStack) -> None:
    """Leave (B,) of each level and stream when the network has run."""
    gates = dict(zip(LEVELS, network.fuse_levels, strict=False))
    if network.fuse_convolution is not None:
        gates[CONVOLUTION] = network.fuse_convolution

    def watch(level: str) -> Callable[..., None]:
        def note(gate: GatedFusion, given: tuple[list[torch.Tensor]], fused: torch.Tensor) -> None:
            weights = gate.weights(given[0])
            found.update({(level, stream): weights[:, index] for index, stream in enumerate(network.streams)})

        return note

    for level, gate in gates.items():
        if isinstance(gate, GatedFusion):
            hooks.callback(gate.register_forward_hook(watch(level)).remove)
