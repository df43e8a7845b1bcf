"""Pre-train the encoder of one fold: masked modelling without labels, then another data set's labels (section 4.3)."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from madv.config import Config, TrainConfig
from madv.data.clips import Clips
from madv.data.folds import Fold
from madv.data.identity import recording_identity, subject_identity
from madv.encoder_key import check_pretraining, encoder_config
from madv.errors import DataError, Problem
from madv.inputs import inputs as read_inputs
from madv.inputs import scales
from madv.learners import Learner, make_learner
from madv.model.network import MADVNet, initialise
from madv.model.reconstruction import Reconstruction, draw_tubes, frame_differences
from madv.optimise import autocast, optimise
from madv.pretrained import Pretrained, encoder_state
from madv.seeds import seed_of
from madv.train import fit

History = dict[str, list[float]]


class Part(NamedTuple):
    """Clips of one data set that may be seen."""

    clips: Clips
    rows: npt.NDArray[np.int64]


def pretrain_fold(
    config: Config,
    fold: Fold,
    clips: Clips,
    seed: int,
    source: Clips | None,
    progress: Callable[[int], None] | None = None,
) -> Pretrained:
    """Pre-train for one fold; the held-out subject is never seen, in neither data set.

    Stage 1, masked modelling on texture and depth, sees the fold's training clips and the source's. Stage 2, supervised
    with the default losses, sees the source alone. Recordings of the source that the data set has too, whatever they
    are called there, get stage 1 only.

    Initial weights are those that training from scratch starts from; they, the batch order and the masks come from
    (seed, held-out subject) alone.

    Args:
        config: all but its dataset sections, which clips and source stand for.
        fold: rows of the clips to train on; no other row is read.
        clips: the data set.
        seed: of the trial.
        source: pretrain.dataset's clips; None where there is none.
        progress: called with the number of epochs done after each, over both stages.

    Raises:
        DataError: there is nothing to learn from, a frame is one token, or the two data sets do not fit together.
        TrainingError: the loss is infinite or not a number.
    """
    started = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    key = f"{seed}/{fold.subject}"
    config = encoder_config(config)
    parts = [Part(clips, fold.train)]
    _check(config, clips, source)
    others = None if source is None else _others(clips, source)
    if source is not None and others is not None:
        parts.append(Part(source, _allowed(fold, clips, source, others)))
    history: dict[str, History] = {}
    done = itertools.count(1)

    def report(_: int) -> None:
        if progress is not None:
            progress(next(done))

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed_of(key, "pre-training"))
        learner = make_learner(config, parts[-1].clips, key)
        network = learner.network.to(device)
        if config.pretrain.masked_epochs:
            history["masked"] = _masked(learner, config, parts, key, device, report)
        if config.pretrain.supervised_epochs and len(parts) > 1:
            history["supervised"] = _supervised(learner, config, parts[-1], key, device, report)
    seen = parts if "masked" in history else parts[1:]
    return Pretrained(
        state=encoder_state(network),
        history=history,
        seconds=time.perf_counter() - started,
        clips=sum(len(part.rows) for part in seen),
    )


def _others(clips: Clips, source: Clips) -> npt.NDArray[np.bool_] | None:
    """(N,) whether a row of the source is a recording of its own; None: the data set has them all."""
    others = ~np.isin(recording_identity(source.manifest), recording_identity(clips.manifest))
    return others if others.any() else None


def _allowed(fold: Fold, clips: Clips, source: Clips, others: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The source's own rows of nobody who is outside the fold's training clips."""
    left_out = np.delete(subject_identity(clips.manifest), fold.train)
    rows = np.flatnonzero(others & ~np.isin(subject_identity(source.manifest), left_out))
    if len(rows) < 2:
        message = f"has no two clips of anybody but the held-out subject {fold.subject}; choose another data set"
        raise DataError([Problem(place="pretrain.dataset", message=message)])
    return rows


def _check(config: Config, clips: Clips, source: Clips | None) -> None:
    shapes = {name: x.shape[1:] for name, x in clips.streams.items()}
    there = None if source is None else {name: x.shape[1:] for name, x in source.streams.items()}
    problems = check_pretraining(config, shapes, there, same=source is not None and _others(clips, source) is None)
    if source is not None and "au" in config.reads() and clips.au_names != source.au_names:
        message = f"its action units are {', '.join(source.au_names)}, those of dataset {', '.join(clips.au_names)}"
        problems.append(Problem(place="pretrain.dataset", message=message))
    if problems:
        raise DataError(problems)


def _masked(
    learner: Learner,
    config: Config,
    parts: list[Part],
    key: str,
    device: torch.device,
    progress: Callable[[int], None],
) -> History:
    """Stage 1, in place: each stream rebuilds its own clips; all are hidden at the same places."""
    visual = tuple(name for name in learner.reads if name != "au")
    scaled = [read_inputs(config, clips, rows, scales(clips, rows, visual), device) for clips, rows in parts]
    inputs = {name: torch.cat([part[name] for part in scaled]) for name in visual}
    encoders: dict[str, nn.Module] = {"texture": learner.network}
    decoders: dict[str, Any] = {}
    if isinstance(learner.network, MADVNet):
        if config.model.depth_injection == "channel":
            inputs = {"texture": torch.cat([inputs["texture"], inputs["depth"]], dim=1)}
        encoders = {name: learner.network.streams[name] for name in inputs}
        decoders = {name: _reconstruction(x, config) for name, x in inputs.items()}
    else:
        decoders["texture"] = learner.network.reconstruction(config.pretrain.decoder_blocks)  # type: ignore[operator]
    both = nn.ModuleDict({"streams": nn.ModuleDict(encoders), "decoders": nn.ModuleDict(decoders)})
    initialise(both["decoders"], f"{key}/decoders")
    both.to(device)
    masks = np.random.default_rng(seed_of(key, "masks"))
    train = _recipe(config, config.pretrain.masked_epochs)
    first = next(iter(decoders.values()))

    def losses(index: torch.Tensor) -> dict[str, torch.Tensor]:
        mask = torch.from_numpy(
            draw_tubes(len(index), first.grid, config.pretrain.mask_ratio, masks, first.windows)
        ).to(device)
        terms: dict[str, list[torch.Tensor]] = {}
        for name, decoder in decoders.items():
            with autocast(train, device):
                found = decoder.step(encoders[name], inputs[name][index], mask)
            for term, value in found.items():
                terms.setdefault(term, []).append(value)
        return {term: torch.stack(values).mean() for term, values in terms.items()}

    return optimise(both, train, sum(len(rows) for _, rows in parts), losses, f"{key}/masked", device, progress)


def _reconstruction(x: torch.Tensor, config: Config) -> Reconstruction:
    """For a stream of MADV-Net with these clips (n, C, T, H, W)."""
    motion_unit = float(frame_differences(x).square().mean().sqrt().clamp(min=1e-6))
    return Reconstruction(x.shape[1:], config.model, config.pretrain, motion_unit)


def _supervised(
    learner: Learner,
    config: Config,
    part: Part,
    key: str,
    device: torch.device,
    progress: Callable[[int], None],
) -> History:
    """Stage 2, in place: as a fold is trained, with the source's own classes."""
    config = dataclasses.replace(config, train=_recipe(config, config.pretrain.supervised_epochs))
    scale = scales(part.clips, part.rows, learner.reads)
    return fit(learner, config, part.rows, part.clips, scale, f"{key}/supervised", device, progress)


def _recipe(config: Config, epochs: int) -> TrainConfig:
    """How a stage is trained, in the precision of the training that follows."""
    return TrainConfig(
        epochs=epochs,
        batch_size=config.pretrain.batch_size,
        learning_rate=config.pretrain.learning_rate,
        min_learning_rate=min(1e-6, config.pretrain.learning_rate),
        warmup=0.1,
        precision=config.train.precision,
    )
