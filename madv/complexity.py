"""What a network costs at an input, beside the paper's formula (Eq. 24 and 25)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map_only

from madv.config import Config
from madv.config_model import ModelConfig
from madv.counting import count_macs, peak_allocation
from madv.errors import ConfigError
from madv.fits import Shapes, shape_misfits
from madv.methods.build import build_method
from madv.model.encoder import Encoder
from madv.model.network import MADVNet, initialise

WARM_UP = 2
"""Runs before those that are timed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderFormula:
    """One encoder of MADV-Net as the paper counts it, beside what it computes; MACs of one clip."""

    name: str
    tokens: int
    """L, patches of the grid; the class token, one more, is not in the formula."""
    width: int
    """d"""
    hidden: int
    """d_hidden of the MLP; 0 where a second attention stands in its place."""
    blocks: int
    """N"""
    paper: int
    """Eq. 24 and 25; see paper_macs."""
    linear: int
    """Exact for joint attention (or the factorised encoder's) with linear projections; see linear_macs."""
    measured: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Complexity:
    """What a network costs at one input."""

    parameters: int
    macs: int
    """Of one clip."""
    parameters_by_module: dict[str, int]
    """A module's own, without those of the modules in it, so that they add up; the network's own are under ""."""
    macs_by_module: dict[str, int]
    """Likewise, of one clip."""
    peak_memory: int
    """Bytes while a batch is predicted: weights, input, and the most that PyTorch's allocator holds beside them."""
    latency_s: float
    """Seconds a clip: median time of a batch over its clips."""
    batch: int
    device: str
    threads: int | None
    """Of the CPU; None on a GPU."""
    formula: tuple[EncoderFormula, ...] = ()
    """One for each encoder; none for the comparison methods, which Eq. 24 is not about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """What a network computes for one clip."""

    macs: int
    formula: tuple[EncoderFormula, ...] = ()


def measure(
    config: Config,
    shapes: Shapes,
    num_classes: int,
    batch: int = 1,
    *,
    runs: int = 10,
    device: str | None = None,
    targets: bool = True,
) -> Complexity:
    """Cost of the configured network; config.method decides which.

    Args:
        config: its model, loss and method sections matter.
        shapes: of the streams.
        num_classes: K.
        batch: clips that latency and memory are measured with.
        runs: whose median is the latency.
        device: null: a GPU where there is one.
        targets: whether the data set has annotated action units.

    Raises:
        ConfigError: the network cannot take such clips.
    """
    network, clips = _built(config, shapes, num_classes, batch, targets=targets)
    initialise(network, "complexity")
    measured = measure_module(network, clips, runs=runs, device=device)
    return replace(measured, formula=_formulas(network, config, measured.macs_by_module))


def count(config: Config, shapes: Shapes, num_classes: int, *, targets: bool = True) -> Count:
    """MACs alone, by one prediction on the CPU. Arguments and errors as of measure."""
    network, clips = _built(config, shapes, num_classes, 1, targets=targets)
    macs = count_macs(network.eval(), clips)
    return Count(macs=sum(macs.values()), formula=_formulas(network, config, macs))


def measure_module(module: nn.Module, *inputs: Any, runs: int = 10, device: str | None = None) -> Complexity:
    """Cost of any network's prediction.

    Args:
        module: is moved to the device and set to predict.
        inputs: its arguments, tensors or dictionaries and lists of them, the batch along the first axis.
        runs: whose median is the latency.
        device: null: a GPU where there is one.
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    module = module.to(place).eval()
    inputs = tree_map_only(torch.Tensor, lambda x: x.to(place), inputs)
    tensors = [x for x in tree_leaves(inputs) if isinstance(x, torch.Tensor)]
    macs = count_macs(module, *tree_map_only(torch.Tensor, lambda x: x[:1], inputs))
    parameters = dict.fromkeys(macs, 0)
    for name, parameter in module.named_parameters():
        parameters[name.rpartition(".")[0]] += parameter.numel()
    with torch.inference_mode():
        latency = median_seconds(lambda: module(*inputs), runs, place) / len(tensors[0])
        allocated = peak_allocation(lambda: module(*inputs), place)
    return Complexity(
        parameters=sum(parameters.values()),
        macs=sum(macs.values()),
        parameters_by_module=parameters,
        macs_by_module=macs,
        peak_memory=allocated + sum(x.nbytes for x in (*module.parameters(), *module.buffers(), *tensors)),
        latency_s=latency,
        batch=len(tensors[0]),
        device=torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu",
        threads=None if place.type == "cuda" else torch.get_num_threads(),
    )


def paper_macs(tokens: int, width: int, hidden: int, blocks: int) -> int:
    """N (3 L d^2 + L^2 d + 2 L d d_hidden): Eq. 24 and 25, without output projection, A V and convolutions."""
    return blocks * (3 * tokens * width**2 + tokens**2 * width + 2 * tokens * width * hidden)


def linear_macs(tokens: int, width: int, hidden: int, blocks: int) -> int:
    """N (4 L d^2 + 2 L^2 d + 2 L d d_hidden): the same with the output projection and A V."""
    return blocks * (4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * hidden)


def median_seconds(run: Callable[[], object], runs: int, device: torch.device) -> float:
    """Median wall time of a call after a warm-up."""
    seconds = []
    for _ in range(WARM_UP + runs):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[WARM_UP:])


def _built(config: Config, shapes: Shapes, num_classes: int, batch: int, *, targets: bool) -> tuple[nn.Module, Any]:
    """The network and its input."""
    problems = shape_misfits(config, shapes)
    if problems:
        raise ConfigError(problems)
    if config.method.name != "madv_net":
        channels, *size = shapes["texture"]
        names = [f"class {index}" for index in range(num_classes)]
        method = build_method(config.method, channels, (size[0], size[1], size[2]), names)
        return method, torch.ones(batch, *shapes["texture"])
    network = MADVNet(config.model, config.loss, dict(shapes), num_classes, targets=targets)
    return network, {name: torch.ones(batch, *shapes[name]) for name in config.model.streams.active()}


def _formulas(network: nn.Module, config: Config, macs: Mapping[str, int]) -> tuple[EncoderFormula, ...]:
    return tuple(
        _formula(name, part, config.model, macs) for name, part in network.named_modules() if isinstance(part, Encoder)
    )


def _formula(name: str, encoder: Encoder, model: ModelConfig, macs: Mapping[str, int]) -> EncoderFormula:
    _, length, width = encoder.position_token.shape
    tokens, blocks = length - 1, len(encoder.blocks)
    hidden = 0 if model.attention.double else max(1, round(width * model.mlp_ratio))
    # Sequences, their tokens and blocks: one of all tokens, or each frame by itself and one of a token a frame.
    parts = [(1, tokens, blocks)]
    if encoder.frame_token is not None:
        frames = encoder.frame_token.shape[1]
        parts = [(frames, tokens // frames, blocks), (1, frames, len(encoder.frame_blocks))]

    def total(formula: Callable[[int, int, int, int], int]) -> int:
        # Attention in the MLP's place is attention twice.
        times = 2 if model.attention.double else 1
        return sum(times * sequences * formula(count, width, hidden, deep) for sequences, count, deep in parts)

    return EncoderFormula(
        name=name,
        tokens=tokens,
        width=width,
        hidden=hidden,
        blocks=blocks,
        paper=total(paper_macs),
        linear=total(linear_macs),
        measured=sum(value for part, value in macs.items() if f"{part}.".startswith(f"{name}.")),
    )
