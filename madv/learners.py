"""What training needs to know of a network: which streams it reads, its loss and its logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from madv.config import Config
from madv.data.clips import Clips
from madv.losses import class_weights, joint_loss
from madv.methods.build import build_method, method_loss
from madv.model.network import MADVNet, initialise
from madv.seeds import seed_of

Clip = dict[str, torch.Tensor]
"""A batch by stream: texture (B, 3, T, H, W), depth (B, 1, T, H, W), au (B, n_au, T)."""
Call = Callable[..., Any]
"""The network, or what stands for its call once it is compiled."""
Losses = tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]
"""The loss, its terms by name before weighting, and the logits (B, C)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Learner:
    """A network and how it learns."""

    network: nn.Module
    reads: tuple[str, ...]
    """Streams."""
    balance: Callable[[torch.Tensor], torch.Tensor]
    """(C,) clips of each class in the training fold to (C,) weights."""
    losses: Callable[..., Losses]
    """The network's call, batch, (B,) labels, (B, n_au) annotated units or None, (C,) weights; of MADV-Net (B,) also,
    the clips' shares in the means."""
    logits: Callable[[Clip], torch.Tensor]
    """Batch to (B, C)."""


def make_learner(config: Config, clips: Clips, key: str) -> Learner:
    """The network that the configuration names, for these clips, its weights set from the key."""
    return _madv_net(config, clips, key) if config.method.name == "madv_net" else _method(config, clips, key)


def _madv_net(config: Config, clips: Clips, key: str) -> Learner:
    reads = config.reads()
    shapes = {name: clips.streams[name].shape[1:] for name in reads}
    network = MADVNet(config.model, config.loss, shapes, len(clips.class_names), targets=clips.au_targets is not None)
    initialise(network, key)

    def losses(
        call: Call,
        clip: Clip,
        target: torch.Tensor,
        units: torch.Tensor | None,
        weights: torch.Tensor,
        share: torch.Tensor | None = None,
    ) -> Losses:
        outputs = call(clip)
        return *joint_loss(outputs, target, units, weights, config.loss, share), outputs.logits

    def logits(clip: Clip) -> torch.Tensor:
        found: torch.Tensor = network(clip).logits
        return found

    def balance(counts: torch.Tensor) -> torch.Tensor:
        return class_weights(counts, config.loss.focal_mu, config.loss.balance)

    return Learner(network=network, reads=reads, balance=balance, losses=losses, logits=logits)


def _method(config: Config, clips: Clips, key: str) -> Learner:
    channels, *shape = clips.streams["texture"].shape[1:]
    torch.manual_seed(seed_of(key, "weights"))  # a new classifier on weights that were loaded
    network = build_method(config.method, channels, (shape[0], shape[1], shape[2]), clips.class_names)
    if config.method.weights is None:
        initialise(network, key)

    def losses(
        call: Call, clip: Clip, target: torch.Tensor, units: torch.Tensor | None, weights: torch.Tensor
    ) -> Losses:
        return method_loss(network, call, config.method, clip["texture"], target, weights)

    def logits(clip: Clip) -> torch.Tensor:
        found: torch.Tensor = network(clip["texture"])
        return found

    def balance(counts: torch.Tensor) -> torch.Tensor:
        return class_weights(counts, config.method.class_mu)

    return Learner(network=network, reads=config.reads(), balance=balance, losses=losses, logits=logits)
