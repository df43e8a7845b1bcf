"""From a method's settings to a network that trains and predicts as MADV-Net does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from madv.config_method import MethodConfig
from madv.methods.convolutional import C3D, ResNet3d
from madv.methods.former_dfer import FormerDFER
from madv.methods.losses import clustering_loss, compact_loss
from madv.methods.mae_dfer import MAEDFER
from madv.methods.nr_dfernet import NRDFERNet
from madv.methods.recurrent import RecurrentResNet
from madv.methods.snippets import EST, CEFLNet
from madv.methods.stt import STT
from madv.methods.table import METHODS, TUBELETS, Shape, tubelet
from madv.methods.videomae import VideoMAE

CLUSTERING, ORDER, COMPACT = 10.0, 0.1428, 0.3
"""Weights of the authors' own loss terms: EC-STFL, EST, STT."""


def build_method(method: MethodConfig, channels: int, shape: Shape, class_names: Sequence[str]) -> nn.Module:
    """The network of a method: clip (B, channels, T, H, W) -> logits (B, K).

    Args:
        method: its settings; misfits(...) has found nothing.
        channels: of the texture stream.
        shape: (T, H, W).
        class_names: K names; NR-DFERNet looks for "neutral" among them.
    """
    known = METHODS[method.name]
    width, blocks = method.width or known.width, method.blocks or known.blocks or 0
    classes, frames = len(class_names), shape[0]
    neutral = next((index for index, name in enumerate(class_names) if name.lower() == "neutral"), None)
    box = tubelet(method, frames) if method.name in TUBELETS else shape
    build: dict[str, Callable[[], nn.Module]] = {
        "c3d": lambda: C3D(channels, frames, classes, width),
        "r2plus1d_18": lambda: ResNet3d(channels, classes, width, split=True),
        "resnet3d_18": lambda: ResNet3d(channels, classes, width),
        "ec_stfl": lambda: ResNet3d(channels, classes, width),
        "resnet18_lstm": lambda: RecurrentResNet(channels, frames, classes, "lstm", width, hidden=4 * width),
        "resnet18_gru": lambda: RecurrentResNet(channels, frames, classes, "gru", width, hidden=4 * width),
        "former_dfer": lambda: FormerDFER(channels, shape, classes, width),
        "ceflnet": lambda: CEFLNet(channels, classes, width),
        "est": lambda: EST(channels, classes, width, blocks),
        "stt": lambda: STT(channels, shape, classes, width, blocks),
        "nr_dfernet": lambda: NRDFERNet(channels, shape, classes, width, neutral=neutral),
        "videomae": lambda: VideoMAE(channels, shape, classes, width, blocks, box, method.weights),
        "mae_dfer": lambda: MAEDFER(channels, shape, classes, width, blocks, box),
    }
    return build[method.name]()


def method_loss(
    network: nn.Module,
    call: Callable[[torch.Tensor], torch.Tensor],
    method: MethodConfig,
    clip: torch.Tensor,
    target: torch.Tensor,
    weights: torch.Tensor,
) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
    """Cross-entropy and, with own_loss, the authors' own term.

    Args:
        network: from build_method.
        call: the network, or what stands for its call once it is compiled.
        method: its settings.
        clip: (B, C, T, H, W).
        target: (B,) class indices.
        weights: (K,) of the classes.

    Returns:
        The loss, its terms by name before weighting, and the logits (B, K).
    """
    terms: dict[str, torch.Tensor] = {}
    scale = 0.0
    if method.own_loss and isinstance(network, EST):
        order = torch.randint(len(network.orders), (len(clip),), device=clip.device)
        logits, order_logits = network.shuffled(clip, order)
        terms["order"], scale = functional.cross_entropy(order_logits.float(), order), ORDER
    elif method.own_loss and method.name == "ec_stfl":
        assert isinstance(network, ResNet3d)
        features = network.features(clip)
        logits = network.head(features)
        terms["clustering"], scale = clustering_loss(features, target), CLUSTERING
    else:
        logits = call(clip)
        if method.own_loss and method.name == "stt":
            terms["compact"], scale = compact_loss(logits, target), COMPACT
    cross_entropy = functional.cross_entropy(logits.float(), target, weight=weights)
    own = sum(terms.values(), torch.zeros((), device=clip.device))
    return cross_entropy + scale * own, {"cross_entropy": cross_entropy, **terms}, logits
