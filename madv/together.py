"""Many folds of one variant and seed as one program: their parameters stacked, one pass for all (torch.func.vmap).

A step of a small network on a GPU is the launching of its kernels, whatever they compute; folds that share the launches
cost little more than one. On a CPU one fold after the other is faster. The numbers are those of madv.train.train_fold
but for rounding: each fold has its own batches, augmentation and dropout (madv.noise), batches are padded to the
largest with clips that have no share in any mean, and prediction is the same code.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.func import functional_call, stack_module_state
from torch.nn.attention import SDPBackend, sdpa_kernel

from madv.config import Config
from madv.data.clips import Clips
from madv.data.folds import Fold
from madv.fold_result import FoldResult
from madv.inputs import scales
from madv.learners import make_learner
from madv.model.shared_norm import share_norms
from madv.optimise import (
    TrainingError,
    autocast,
    batches_per_epoch,
    check_finite,
    learning_rate_factor,
    parameter_groups,
    precision_of,
)
from madv.padded import Stacked, Student, padded_batches, reader
from madv.pretrained import load_pretrained
from madv.train import compute_device, fold_result, predict_fold, taught_clips

MOST = 64
"""Folds at once where nothing else limits them."""


def can_share(config: Config, device: torch.device) -> bool:
    """Whether folds of this configuration can be one program: other methods, learned token dropping (its loss is over
    a batch), scores after each epoch, fp16 (its loss scale is one for all) and compiled networks are trained alone."""
    learned = config.model.dropping.keep < 1 and config.model.dropping.by in ("predictor", "halting")
    alone = learned or config.protocol.epoch != "last" or config.train.compile
    return config.method.name == "madv_net" and not alone and precision_of(config.train, device) != torch.float16


def most_at_once(config: Config) -> int:
    """Folds that train.folds_per_step asks for on this machine."""
    device, asked = torch.device("cuda" if torch.cuda.is_available() else "cpu"), config.train.folds_per_step
    if not can_share(config, device):
        return 1
    if asked == "auto":
        return MOST if device.type == "cuda" else 1
    return asked


def groups(folds: Sequence[Fold], batch_size: int, most: int) -> Iterator[list[Fold]]:
    """Folds that can be trained side by side: of equally many steps, `most` at a time, in their order."""
    by_steps: dict[int, list[Fold]] = {}
    for fold in folds:
        by_steps.setdefault(batches_per_epoch(len(fold.train), batch_size), []).append(fold)
    for alike in by_steps.values():
        yield from (alike[first : first + most] for first in range(0, len(alike), most))


def train_folds(
    config: Config,
    folds: Sequence[Fold],
    clips: Clips,
    seed: int,
    *,
    starts: Sequence[Mapping[str, torch.Tensor] | None] | None = None,
) -> list[FoldResult | TrainingError]:
    """Train one group of folds; what train_fold returns or raises for each, in their order.

    Args:
        config: one that can_share.
        folds: of equally many steps.
        clips: the data set.
        seed: of the trial.
        starts: for each fold, weights of its pre-training.
    """
    started = time.perf_counter()
    device = compute_device()
    students = []
    for fold, start in zip(folds, starts or [None] * len(folds), strict=True):
        learner = make_learner(config, clips, f"{seed}/{fold.subject}")
        if start is not None:
            load_pretrained(learner.network, start)
        learner.network.to(device)
        students.append(Student(fold, f"{seed}/{fold.subject}", learner, scales(clips, fold.train, learner.reads)))
    histories = _fit(students, config, clips, device)
    found: list[FoldResult | TrainingError] = []
    for student, history in zip(students, histories, strict=True):
        fold, key, learner, scale = student
        try:
            check_finite(history)
            probabilities = predict_fold(learner, config, fold, clips, scale, key, device)
            seconds = (time.perf_counter() - started) / len(folds)
            found.append(fold_result(learner, fold, clips, probabilities, history, seconds, device))
        except TrainingError as error:
            found.append(error)
    return found


def _fit(
    students: Sequence[Student], config: Config, clips: Clips, device: torch.device
) -> list[dict[str, list[float]]]:
    """Train the networks in place; the history of each."""
    train, number = config.train, len(students)
    network = copy.deepcopy(students[0].learner.network)
    shares = share_norms(network)
    parameters, buffers = stack_module_state([student.learner.network for student in students])
    own = {name for name, _ in network.named_buffers()} - set(shares)
    buffers = {name: buffer for name, buffer in buffers.items() if name in own}

    taught = [taught_clips(config, clips, student.fold.train, student.key) for student in students]
    labels = torch.stack([torch.from_numpy(np.array(each.labels)) for each in taught]).to(device)  # (F, N)
    units = None if clips.au_targets is None else torch.from_numpy(np.array(clips.au_targets)).to(device)
    weights = torch.stack([_balance(student, each) for student, each in zip(students, taught, strict=True)]).to(device)
    sizes = torch.tensor([len(student.fold.train) for student in students], device=device)
    draw = padded_batches(students, config)
    read = reader(students, config, clips, device)

    def losses(values: Stacked, kept: Stacked, clip: Stacked, chosen: Stacked, weight: torch.Tensor) -> Stacked:
        """One fold's, under vmap: by term, ()."""
        state = {**values, **kept, **dict.fromkeys(shares, chosen["share"])}

        def call(clip: Stacked) -> Any:
            return functional_call(network, state, (clip,))

        loss, terms, logits = students[0].learner.losses(
            call, clip, chosen["target"], chosen.get("units"), weight, chosen["share"]
        )
        correct = ((logits.argmax(1) == chosen["target"]) * chosen["share"]).sum()
        return {"loss": loss, "accuracy": correct, **terms}

    steps = batches_per_epoch(len(students[0].fold.train), train.batch_size)
    optimiser = torch.optim.AdamW(
        parameter_groups(network, train.weight_decay, parameters),
        lr=train.learning_rate,
        fused=True,
        betas=(0.9, 0.999),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, learning_rate_factor(train, train.epochs * steps))
    network.train()
    history: dict[str, list[torch.Tensor]] = {}
    for _ in range(train.epochs):
        sums: Stacked = {}
        for _ in range(steps):
            network.set_progress(schedule.last_epoch / (train.epochs * steps))  # type: ignore[operator]
            batch = next(draw)
            rows = torch.from_numpy(batch.rows).to(device)
            chosen = {"target": labels.gather(1, rows), "share": torch.from_numpy(batch.share).to(device)}
            if units is not None:
                chosen["units"] = units[rows]
            with autocast(train, device), sdpa_kernel(SDPBackend.MATH):  # vmap splits every other kernel into a loop
                terms = torch.vmap(losses)(parameters, buffers, read(batch), chosen, weights)
            optimiser.zero_grad(set_to_none=True)
            terms["loss"].sum().backward()
            optimiser.step()
            schedule.step()
            seen = (chosen["share"] > 0).sum(1) / sizes
            for name, value in terms.items():
                sums[name] = sums.get(name, torch.zeros(number, device=device)) + value.detach() * seen
        for name, value in sums.items():
            history.setdefault(name, []).append(value)
    with torch.no_grad():
        for place, student in enumerate(students):
            for name, parameter in student.learner.network.named_parameters():
                parameter.copy_(parameters[name][place])
    table = {name: torch.stack(values).T.tolist() for name, values in history.items()}  # (F, epochs)
    return [{name: rows[place] for name, rows in table.items()} for place in range(number)]


def _balance(student: Student, taught: Clips) -> torch.Tensor:
    """(C,) weights of the classes in the fold's training clips."""
    target = torch.from_numpy(taught.labels[student.fold.train])
    return student.learner.balance(torch.bincount(target, minlength=len(taught.class_names)))
