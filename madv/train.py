"""Train one fold: all subjects but one, then predict the one."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from madv.config import Config, TrainConfig
from madv.data.clips import Clips
from madv.data.folds import Fold
from madv.errors import MadvError
from madv.fold_result import FoldResult
from madv.losses import class_weights, joint_loss
from madv.model.network import MADVNet, initialise


class TrainingError(MadvError):
    """Training left the numbers: the loss is not finite."""


def train_fold(
    config: Config, fold: Fold, clips: Clips, seed: int, progress: Callable[[int], None] | None = None
) -> FoldResult:
    """Train on the fold's training clips for a fixed number of epochs and predict its test clips.

    Initial weights, batch order, augmentation and dropout come from (seed, held-out subject) alone, so that on a CPU,
    with the same number of threads, the result does not depend on which worker trains it or when. The test clips are
    first read after the last epoch.

    Args:
        config: all but its dataset section, which the clips stand for.
        fold: rows of the clips to train on and to predict.
        clips: the data set.
        seed: of the trial.
        progress: called with the number of epochs done after each.

    Raises:
        TrainingError: the loss or a prediction is infinite or not a number.
    """
    started = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    key = f"{seed}/{fold.subject}"
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(_seed(key, "dropout"))
        network = build_network(config, clips, key).to(device)
        scale = _scales(clips, fold.train, config.model.streams.active())
        history = _fit(network, config, fold.train, clips, scale, key, device, progress)
        order = np.random.default_rng(_seed(key, "norms")).permutation(fold.train)
        _settle_norms(network, config, order, clips, scale, device)
    probabilities = _predict(network, config, fold.test, clips, scale, device)
    if not np.isfinite(probabilities).all():
        raise TrainingError(f"predictions for {fold.subject} are not numbers; lower train.learning_rate")
    return FoldResult(
        sample_id=tuple(clips.manifest["sample_id"].iloc[fold.test]),
        y_true=clips.labels[fold.test],
        y_pred=probabilities.argmax(axis=1),
        probabilities=probabilities,
        history=history,
        seconds=time.perf_counter() - started,
        peak_memory=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    )


def build_network(config: Config, clips: Clips, key: str) -> MADVNet:
    """The network for these clips, its weights set from the key."""
    shapes = {name: clips.streams[name].shape[1:] for name in config.model.streams.active()}
    network = MADVNet(config.model, config.loss, shapes, len(clips.class_names))
    initialise(network, key)
    return network


def _seed(key: str, use: str) -> int:
    """63 bits from the key and what they are for."""
    return int.from_bytes(hashlib.sha256(f"{key}/{use}".encode()).digest()[:8], "big") >> 1


def _scales(clips: Clips, rows: npt.NDArray[np.int64], streams: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Per stream, one over the root mean square of each channel (of all action units together) in the training clips.

    Streams are centred by their readers, so they are scaled only: a mirrored flow stays the negative of itself.
    """
    scales = {}
    for name in streams:
        values = clips.streams[name][rows].astype(np.float32)
        axes = (0, 1, 2) if name == "au" else (0, 2, 3, 4)
        power = np.sqrt(np.square(values).mean(axis=axes, keepdims=True))[0]
        scales[name] = torch.from_numpy(1 / np.maximum(power, 1e-6)).float()
    return scales


def _inputs(
    clips: Clips, rows: npt.NDArray[np.int64], scale: dict[str, torch.Tensor], device: torch.device
) -> dict[str, torch.Tensor]:
    """The rows' streams as float32 on the device, scaled."""
    return {
        name: torch.from_numpy(clips.streams[name][rows].astype(np.float32)).to(device) * factor.to(device)
        for name, factor in scale.items()
    }


def _fit(
    network: MADVNet,
    config: Config,
    rows: npt.NDArray[np.int64],
    clips: Clips,
    scale: dict[str, torch.Tensor],
    key: str,
    device: torch.device,
    progress: Callable[[int], None] | None,
) -> dict[str, list[float]]:
    """Train the network in place; the history by epoch."""
    train = config.train
    target = torch.from_numpy(clips.labels[rows]).to(device)
    units = None if clips.au_targets is None else torch.from_numpy(np.array(clips.au_targets[rows])).to(device)
    counts = torch.bincount(target.cpu(), minlength=len(clips.class_names))
    weights = class_weights(counts, config.loss.focal_mu).to(device)
    # Channels last, the layout that the tokenizers work in, so that a batch needs no copy.
    inputs = {name: x.movedim(1, -1).contiguous() for name, x in _inputs(clips, rows, scale, device).items()}
    batches = np.random.default_rng(_seed(key, "batches"))
    changes = np.random.default_rng(_seed(key, "augmentation"))
    optimiser = torch.optim.AdamW(
        _decayed(network, train.weight_decay), lr=train.learning_rate, fused=True, betas=(0.9, 0.999)
    )
    steps_per_epoch = _steps(len(rows), train.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _schedule(train, train.epochs * steps_per_epoch))
    precision = _precision(train, device)
    scaler = torch.amp.GradScaler(device.type, enabled=precision is torch.float16)
    network.train()
    history: dict[str, list[float]] = {}
    for epoch in range(train.epochs):
        sums: dict[str, torch.Tensor] = {}
        for batch in np.array_split(batches.permutation(len(rows)), steps_per_epoch):
            index = torch.from_numpy(batch).to(device)
            clip = _augment({name: x[index].movedim(-1, 1) for name, x in inputs.items()}, clips, train, changes)
            with torch.autocast(device.type, precision, enabled=precision is not torch.float32):
                outputs = network(clip)
            loss, terms = joint_loss(
                outputs, target[index], None if units is None else units[index], weights, config.loss
            )
            optimiser.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.step(optimiser)
            scaler.update()
            schedule.step()
            correct = (outputs.logits.argmax(1) == target[index]).float().mean()
            for name, value in {"loss": loss, "accuracy": correct, **terms}.items():
                sums[name] = sums.get(name, torch.zeros((), device=device)) + value.detach() * (len(batch) / len(rows))
        for name, value in sums.items():
            history.setdefault(name, []).append(float(value))
        if not math.isfinite(history["loss"][-1]):
            raise TrainingError(f"the loss is {history['loss'][-1]} after epoch {epoch + 1}; lower train.learning_rate")
        if progress is not None:
            progress(epoch + 1)
    return history


def _settle_norms(
    network: MADVNet,
    config: Config,
    rows: npt.NDArray[np.int64],
    clips: Clips,
    scale: dict[str, torch.Tensor],
    device: torch.device,
) -> None:
    """Measure the batch norms' means and variances anew over the training clips, as prediction will see them.

    Running averages lag behind in trainings of a few dozen steps, and they have seen dropout. The rows come in random
    order: batches of one subject each would lose the variance between subjects.
    """
    network.eval()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the mean over batches
            module.train()
    precision = _precision(config.train, device)
    with torch.no_grad(), torch.autocast(device.type, precision, enabled=precision is not torch.float32):
        for batch in np.array_split(rows, _steps(len(rows), max(config.train.batch_size, 64))):
            network(_inputs(clips, batch, scale, device))


def _steps(clips: int, batch_size: int) -> int:
    """Batches of at most batch_size, even in size, none of a single clip: batch norm could not take it."""
    return max(1, min(math.ceil(clips / batch_size), clips // 2))


def _predict(
    network: MADVNet,
    config: Config,
    rows: npt.NDArray[np.int64],
    clips: Clips,
    scale: dict[str, torch.Tensor],
    device: torch.device,
) -> npt.NDArray[np.float32]:
    """(n, C) probabilities of the fused head; with mirror_prediction the mean over each clip and its mirror image."""
    precision = _precision(config.train, device)
    network.eval()
    size = max(config.train.batch_size, 64)
    parts = []
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not torch.float32):
        for start in range(0, len(rows), size):
            views = [_inputs(clips, rows[start : start + size], scale, device)]
            if config.train.mirror_prediction:
                every = torch.ones(len(rows[start : start + size]), dtype=torch.bool, device=device)
                views.append({name: _mirror(name, x, every, clips) for name, x in views[0].items()})
            found = torch.stack([torch.softmax(network(view).logits.float(), dim=-1) for view in views])
            parts.append(found.mean(0).cpu().numpy())
    return np.concatenate(parts)


def _decayed(network: MADVNet, weight_decay: float) -> list[dict[str, Any]]:
    """Weight matrices and kernels decay; biases, norms, tokens and embeddings do not."""
    matrices: list[torch.Tensor] = []
    others: list[torch.Tensor] = []
    for name, parameter in network.named_parameters():
        (others if parameter.ndim == 1 or name.endswith(("token", "unit")) else matrices).append(parameter)
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _schedule(train: TrainConfig, steps: int) -> Callable[[int], float]:
    """Learning rate over its peak, by step: a linear rise, then a cosine down to the minimum."""
    rise = round(train.warmup * steps)
    floor = train.min_learning_rate / train.learning_rate

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        done = (step - rise) / max(1, steps - rise)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))

    return factor


def _precision(train: TrainConfig, device: torch.device) -> torch.dtype:
    """A CPU trains in fp32 whatever is asked for: half precision is slower there."""
    if device.type == "cpu" or train.precision == "fp32":
        return torch.float32
    if train.precision == "auto":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if train.precision == "bf16" else torch.float16


def _augment(
    clip: dict[str, torch.Tensor], clips: Clips, train: TrainConfig, rng: np.random.Generator
) -> dict[str, torch.Tensor]:
    """Mirror and shift each clip of a batch, all its streams alike. Drawn for every batch, whatever streams are on."""
    size = len(next(iter(clip.values())))
    mirrored = torch.from_numpy(rng.random(size) < 0.5)
    shifts = rng.integers(-train.shift, train.shift + 1, size=(size, 2))
    if train.mirror:
        clip = {name: _mirror(name, x, mirrored.to(x.device), clips) for name, x in clip.items()}
    if train.shift:
        clip = {name: x if name == "au" else _translate(x, shifts, train.shift) for name, x in clip.items()}
    return clip


def _mirror(name: str, x: torch.Tensor, chosen: torch.Tensor, clips: Clips) -> torch.Tensor:
    """Mirror the chosen clips: flip the width, turn signed channels, swap left and right action units."""
    if name == "au":
        other = x[:, list(clips.mirrored_aus)] if clips.mirrored_aus else x
    else:
        other = x.flip(-1)
        if name == "texture" and clips.signed_channels:
            sign = torch.ones(x.shape[1], device=x.device)
            sign[list(clips.signed_channels)] = -1
            other = other * sign[:, None, None, None]
    return torch.where(chosen.view(-1, *[1] * (x.ndim - 1)), other, x)


def _translate(x: torch.Tensor, shifts: npt.NDArray[np.int64], largest: int) -> torch.Tensor:
    """Move each clip (B, C, T, H, W) by its (vertical, horizontal) pixels; the edge is filled with 0, no signal."""
    height, width = x.shape[-2:]
    padded = torch.nn.functional.pad(x, (largest,) * 4)
    rows = torch.from_numpy(shifts[:, :1] + largest + np.arange(height)).to(x.device)  # (B, H)
    columns = torch.from_numpy(shifts[:, 1:] + largest + np.arange(width)).to(x.device)  # (B, W)
    index = torch.arange(len(x), device=x.device)[:, None, None]
    moved = padded.permute(0, 3, 4, 1, 2)[index, rows[:, :, None], columns[:, None, :]]  # (B, H, W, C, T)
    return moved.permute(0, 3, 4, 1, 2)
