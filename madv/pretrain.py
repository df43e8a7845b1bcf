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
from madv.encoder_key import check_pretraining, check_source, encoder_config
from madv.errors import DataError, Problem
from madv.inputs import Batches, Part, scales
from madv.learners import Learner, make_learner
from madv.model.network import MADVNet, initialise
from madv.model.reconstruction import Reconstruction, draw_tubes, frame_differences
from madv.optimise import autocast, optimise
from madv.pretrained import Pretrained, encoder_state
from madv.seeds import seed_of
from madv.train import fit

History = dict[str, list[float]]


class Seen(NamedTuple):
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
    are called there, are left out of it: the data set's own labels are for the training that follows.

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
    parts = [Seen(clips, fold.train)]
    _check(config, clips, source)
    if source is not None:
        parts.append(Seen(source, _allowed(fold, clips, source)))
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


def _others(clips: Clips, source: Clips) -> npt.NDArray[np.bool_]:
    """(N,) whether a row of the source is a recording that the data set does not have."""
    return ~np.isin(recording_identity(source.manifest), recording_identity(clips.manifest))


def _allowed(fold: Fold, clips: Clips, source: Clips) -> npt.NDArray[np.int64]:
    """The source's own rows of nobody who is outside the fold's training clips."""
    left_out = np.delete(subject_identity(clips.manifest), fold.train)
    rows = np.flatnonzero(_others(clips, source) & ~np.isin(subject_identity(source.manifest), left_out))
    if len(rows) < 2:
        message = f"has no two clips of anybody but the held-out subject {fold.subject}; choose another data set"
        raise DataError([Problem(place="pretrain.dataset", message=message)])
    return rows


def _check(config: Config, clips: Clips, source: Clips | None) -> None:
    shapes = {name: x.shape[1:] for name, x in clips.streams.items()}
    there = None if source is None else {name: x.shape[1:] for name, x in source.streams.items()}
    problems = check_pretraining(config, shapes, there)
    if source is not None:
        problems += check_source(config, clips.au_names, source.au_names, own=not _others(clips, source).any())
    if problems:
        raise DataError(problems)


def _masked(
    learner: Learner,
    config: Config,
    parts: list[Seen],
    key: str,
    device: torch.device,
    progress: Callable[[int], None],
) -> History:
    """Stage 1, in place: each stream rebuilds its own clips; all are hidden at the same places."""
    visual = tuple(name for name in learner.reads if name != "au")
    batches = Batches(config, [Part(clips, rows, scales(clips, rows, visual)) for clips, rows in parts], device)
    early = isinstance(learner.network, MADVNet) and config.model.depth_injection == "channel"

    def clip(index: torch.Tensor) -> dict[str, torch.Tensor]:
        found = batches(index)
        return {"texture": torch.cat([found["texture"], found["depth"]], dim=1)} if early else found

    number = sum(len(rows) for _, rows in parts)
    encoders: dict[str, nn.Module] = {"texture": learner.network}
    decoders: dict[str, Any] = {}
    if isinstance(learner.network, MADVNet):
        encoders = {name: learner.network.streams[name] for name in visual if not early or name == "texture"}
        decoders = _reconstructions(clip, number, config)
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
        batch, terms = clip(index), dict[str, list[torch.Tensor]]()
        for name, decoder in decoders.items():
            with autocast(train, device):
                found = decoder.step(encoders[name], batch[name], mask)
            for term, value in found.items():
                terms.setdefault(term, []).append(value)
        return {term: torch.stack(values).mean() for term, values in terms.items()}

    return optimise(both, train, number, losses, f"{key}/masked", device, progress)


def _reconstructions(
    clip: Callable[[torch.Tensor], dict[str, torch.Tensor]], number: int, config: Config
) -> dict[str, Reconstruction]:
    """For each stream of MADV-Net, by name: clip gives some of that many clips, (n, C, T, H, W) of each."""
    squares: dict[str, list[torch.Tensor]] = {}
    shapes: dict[str, torch.Size] = {}
    for index in torch.arange(number).split(config.pretrain.batch_size):
        for name, x in clip(index).items():
            shapes[name] = x.shape[1:]
            squares.setdefault(name, []).append(frame_differences(x).square().mean() * (len(index) / number))
    units = {name: float(torch.stack(parts).sum().sqrt().clamp(min=1e-6)) for name, parts in squares.items()}
    return {name: Reconstruction(shapes[name], config.model, config.pretrain, units[name]) for name in units}


def _supervised(
    learner: Learner,
    config: Config,
    part: Seen,
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
