"""Train one fold: all subjects but one, then predict the one."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from madv.augment import augment, copied, draw_changes, mirror
from madv.compiled import compiled
from madv.config import Config
from madv.data.clips import Clips
from madv.data.folds import Fold
from madv.fold_result import FoldResult
from madv.inputs import Batches, Part, inputs, scales
from madv.learners import Learner, make_learner
from madv.optimise import TrainingError, autocast, batches_per_epoch, optimise
from madv.pretrained import load_pretrained
from madv.seeds import seed_of

LEAST_BATCH = 64
"""Clips of a batch that needs no gradient, where training's are smaller."""


def train_fold(
    config: Config,
    fold: Fold,
    clips: Clips,
    seed: int,
    progress: Callable[[int], None] | None = None,
    *,
    start: Mapping[str, torch.Tensor] | None = None,
    on_trained: Callable[[nn.Module], object] | None = None,
) -> FoldResult:
    """Train on the fold's training clips for a fixed number of epochs and predict its test clips.

    Initial weights, batch order, augmentation and dropout come from (seed, held-out subject) alone, so that on a CPU,
    with the same number of threads, the result does not depend on which worker trains it or when. The test clips are
    first read after the last epoch, unless protocol.epoch=best_on_test asks for them after each.

    Args:
        config: all but its dataset section, which the clips stand for.
        fold: rows of the clips to train on and to predict.
        clips: the data set.
        seed: of the trial.
        progress: called with the number of epochs done after each.
        start: weights of a pre-training that never saw the held-out subject (madv.pretrain); None: initial ones.
        on_trained: called with the network after its last prediction.

    Raises:
        TrainingError: the loss or a prediction is infinite or not a number.
    """
    started = time.perf_counter()
    device = compute_device()
    key = f"{seed}/{fold.subject}"
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        learner = make_learner(config, clips, key)
        torch.manual_seed(seed_of(key, "dropout"))  # of the comparison methods; MADV-Net's is keyed by place
        if start is not None:
            load_pretrained(learner.network, start)
        learner.network.to(device)
        scale = scales(clips, fold.train, learner.reads)
        found = []

        def predict() -> None:
            found.append(predict_fold(learner, config, fold, clips, scale, key, device))
            learner.network.train()

        def epoch_done(epochs: int) -> None:
            if config.protocol.epoch == "best_on_test" and epochs < config.train.epochs:
                predict()
            if progress is not None:
                progress(epochs)

        taught = taught_clips(config, clips, fold.train, key)
        history = fit(learner, config, fold.train, taught, scale, key, device, epoch_done, copies=fold.copies)
        predict()
    if on_trained is not None:
        on_trained(learner.network)
    probabilities = found[-1]
    if config.protocol.epoch == "best_on_test":
        history["held_out_accuracy"] = [float(np.mean(p.argmax(axis=1) == clips.labels[fold.test])) for p in found]
        probabilities = found[int(np.argmax(history["held_out_accuracy"]))]
    return fold_result(learner, fold, clips, probabilities, history, time.perf_counter() - started, device)


def compute_device() -> torch.device:
    """The GPU where there is one, its peak memory counted from now; else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.reset_peak_memory_stats()
    return torch.device("cuda")


def predict_fold(
    learner: Learner,
    config: Config,
    fold: Fold,
    clips: Clips,
    scale: dict[str, torch.Tensor],
    key: str,
    device: torch.device,
) -> npt.NDArray[np.float32]:
    """(n_test, C) probabilities of the fold's test clips, after the norms were measured on its training clips."""
    order = np.random.default_rng(seed_of(key, "norms")).permutation(fold.train)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        _settle_norms(learner, config, order, clips, scale, device)
        return _predict(learner, config, fold.test, clips, scale, device)


def fold_result(
    learner: Learner,
    fold: Fold,
    clips: Clips,
    probabilities: npt.NDArray[np.float32],
    history: dict[str, list[float]],
    seconds: float,
    device: torch.device,
) -> FoldResult:
    """What a fold leaves.

    Raises:
        TrainingError: a prediction is infinite or not a number.
    """
    if not np.isfinite(probabilities).all():
        raise TrainingError(f"predictions for {fold.subject} are not numbers; lower train.learning_rate")
    return FoldResult(
        sample_id=tuple(clips.manifest["sample_id"].iloc[fold.test]),
        y_true=clips.labels[fold.test],
        y_pred=probabilities.argmax(axis=1),
        probabilities=probabilities,
        history=history,
        seconds=seconds,
        peak_memory=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        parameters=sum(parameter.numel() for parameter in learner.network.parameters()),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    )


def taught_clips(config: Config, clips: Clips, rows: npt.NDArray[np.int64], key: str) -> Clips:
    """The clips with the labels that training sees: their own, or dealt out anew among these rows."""
    return shuffled_labels(clips, rows, key) if config.protocol.labels == "shuffled" else clips


def shuffled_labels(clips: Clips, rows: npt.NDArray[np.int64], key: str) -> Clips:
    """The same clips with the labels of these rows dealt out anew; copies of a clip keep one label.

    Annotated action units stay: where they are an input, units that moved with the labels would still tell them.
    """
    own = np.unique(rows)
    labels = clips.labels.copy()
    labels[own] = labels[np.random.default_rng(seed_of(key, "labels")).permutation(own)]
    return dataclasses.replace(clips, manifest=clips.manifest.assign(label=labels))


def fit(
    learner: Learner,
    config: Config,
    rows: npt.NDArray[np.int64],
    clips: Clips,
    scale: dict[str, torch.Tensor],
    key: str,
    device: torch.device,
    progress: Callable[[int], None] | None = None,
    *,
    copies: npt.NDArray[np.int64] | None = None,
) -> dict[str, list[float]]:
    """Train the learner's network in place on these rows, or on these copies of them; the history by epoch.

    Raises:
        TrainingError: the loss is infinite or not a number.
    """
    train = config.train
    target = torch.from_numpy(clips.labels[rows]).to(device)
    units = None if clips.au_targets is None else torch.from_numpy(np.array(clips.au_targets[rows])).to(device)
    weights = learner.balance(torch.bincount(target.cpu(), minlength=len(clips.class_names))).to(device)
    batches = Batches(config, [Part(clips, rows, scale)], device)
    changes = np.random.default_rng(seed_of(key, "augmentation"))
    call = compiled(learner.network, _say) if train.compile else learner.network

    def losses(index: torch.Tensor) -> dict[str, torch.Tensor]:
        clip = batches(index)
        if copies is not None:
            clip = copied(clip, copies[index.cpu().numpy()], clips)
        clip = augment(clip, clips, train, draw_changes(len(index), train, changes))
        with autocast(train, device):
            chosen = None if units is None else units[index]
            loss, terms, logits = learner.losses(call, clip, target[index], chosen, weights)
        correct = (logits.argmax(1) == target[index]).float().mean()
        return {"loss": loss, "accuracy": correct, **terms}

    set_progress = getattr(learner.network, "set_progress", None)
    history = optimise(learner.network, train, len(rows), losses, key, device, progress, set_progress)
    if set_progress is not None:
        set_progress(1.0)
    return history


def _say(message: str) -> None:
    logging.getLogger("madv").warning(message)


def _settle_norms(
    learner: Learner,
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
    learner.network.eval()
    for module in learner.network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the mean over batches
            module.train()
    batches = batches_per_epoch(len(rows), max(config.train.batch_size, LEAST_BATCH))
    with torch.no_grad(), autocast(config.train, device):
        for batch in np.array_split(rows, batches):
            learner.logits(inputs(config, clips, batch, scale, device))


def _predict(
    learner: Learner,
    config: Config,
    rows: npt.NDArray[np.int64],
    clips: Clips,
    scale: dict[str, torch.Tensor],
    device: torch.device,
) -> npt.NDArray[np.float32]:
    """(n, C) probabilities of the fused head; with mirror_prediction the mean over each clip and its mirror image."""
    learner.network.eval()
    size = max(config.train.batch_size, LEAST_BATCH)
    parts = []
    with torch.inference_mode(), autocast(config.train, device):
        for first in range(0, len(rows), size):
            clip = inputs(config, clips, rows[first : first + size], scale, device)
            views = [clip]
            if config.train.mirror_prediction:
                every = torch.ones(len(rows[first : first + size]), dtype=torch.bool, device=device)
                views.append({name: mirror(name, x, every, clips) for name, x in clip.items()})
            found = torch.stack([torch.softmax(learner.logits(view).float(), dim=-1) for view in views])
            parts.append(found.mean(0).cpu().numpy())
    return np.concatenate(parts)
