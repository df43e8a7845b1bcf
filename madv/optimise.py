"""The loop that lowers a loss: AdamW on a cosine schedule, in half precision on a GPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from madv.config import TrainConfig
from madv.errors import MadvError
from madv.seeds import seed_of


class TrainingError(MadvError):
    """Training left the numbers: the loss is not finite."""


def optimise(
    network: torch.nn.Module,
    train: TrainConfig,
    clips: int,
    losses: Callable[[torch.Tensor], dict[str, torch.Tensor]],
    key: str,
    device: torch.device,
    progress: Callable[[int], None] | None = None,
    on_step: Callable[[float], None] | None = None,
) -> dict[str, list[float]]:
    """Train in place for a fixed number of epochs.

    Args:
        network: whose parameters are trained.
        train: epochs, batches, learning rates and precision.
        clips: their number; each epoch sees all, in an order that comes from the key.
        losses: (B,) indices of a batch to what goes into the history; "loss" is what training lowers.
        key: of the random order.
        device: of the network.
        progress: called with the number of epochs done after each.
        on_step: called before each step with the share of training that is done.

    Returns:
        The mean over clips of each loss, by name, one value an epoch.

    Raises:
        TrainingError: the loss is infinite or not a number.
    """
    batches = np.random.default_rng(seed_of(key, "batches"))
    optimiser = torch.optim.AdamW(
        parameter_groups(network, train.weight_decay), lr=train.learning_rate, fused=True, betas=(0.9, 0.999)
    )
    steps_per_epoch = batches_per_epoch(clips, train.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, learning_rate_factor(train, train.epochs * steps_per_epoch))
    scaler = torch.amp.GradScaler(device.type, enabled=precision_of(train, device) is torch.float16)
    network.train()
    history: dict[str, list[float]] = {}
    for epoch in range(train.epochs):
        sums: dict[str, torch.Tensor] = {}
        for batch in np.array_split(batches.permutation(clips), steps_per_epoch):
            if on_step is not None:
                on_step(schedule.last_epoch / (train.epochs * steps_per_epoch))
            terms = losses(torch.from_numpy(batch).to(device))
            optimiser.zero_grad(set_to_none=True)
            scaler.scale(terms["loss"]).backward()
            scaler.step(optimiser)
            scaler.update()
            schedule.step()  # after a step that the scaler skipped too: the schedule is one of batches seen
            for name, value in terms.items():
                sums[name] = sums.get(name, torch.zeros((), device=device)) + value.detach() * (len(batch) / clips)
        for name, value in sums.items():
            history.setdefault(name, []).append(float(value))
        check_finite(history)
        if progress is not None:
            progress(epoch + 1)
    return history


def check_finite(history: Mapping[str, Sequence[float]]) -> None:
    """Raises:
    TrainingError: the loss of an epoch is infinite or not a number.
    """
    for epoch, loss in enumerate(history["loss"], start=1):
        if not math.isfinite(loss):
            raise TrainingError(f"the loss is {loss} after epoch {epoch}; lower train.learning_rate")


def batches_per_epoch(clips: int, batch_size: int) -> int:
    """Batches of at most batch_size, even in size, none of a single clip: batch norm could not take it."""
    return max(1, min(math.ceil(clips / batch_size), clips // 2))


def autocast(train: TrainConfig, device: torch.device) -> torch.autocast:
    """Where the network computes in half precision, if it does."""
    precision = precision_of(train, device)
    return torch.autocast(device.type, precision, enabled=precision is not torch.float32)


def parameter_groups(
    network: torch.nn.Module, weight_decay: float, stacked: Mapping[str, torch.Tensor] | None = None
) -> list[dict[str, Any]]:
    """Weight matrices and kernels decay; biases, norms, tokens and embeddings do not.

    Args:
        network: whose parameters they are.
        weight_decay: of the first group.
        stacked: what is trained in the parameters' place, by their names; None: themselves.
    """
    matrices: list[torch.Tensor] = []
    others: list[torch.Tensor] = []
    for name, parameter in network.named_parameters():
        group = others if parameter.ndim == 1 or name.endswith(("token", "unit")) else matrices
        group.append(parameter if stacked is None else stacked[name])
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def learning_rate_factor(train: TrainConfig, steps: int) -> Callable[[int], float]:
    """Learning rate over its peak, by step: a linear rise, then a cosine down to the minimum."""
    rise = round(train.warmup * steps)
    floor = train.min_learning_rate / train.learning_rate

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        done = (step - rise) / max(1, steps - rise)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))

    return factor


def precision_of(train: TrainConfig, device: torch.device) -> torch.dtype:
    """A CPU trains in fp32 whatever is asked for: half precision is slower there."""
    if device.type == "cpu" or train.precision == "fp32":
        return torch.float32
    if train.precision == "auto":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if train.precision == "bf16" else torch.float16
