"""Stand-ins for the data set and for training, named as "simulated:..." to the runner: no torch, known results."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from madv.config import Config
from madv.config_synthetic import SyntheticConfig
from madv.data.clips import Clips
from madv.data.folds import Fold, leave_one_subject_out
from madv.fold_result import FoldResult
from orchestration.designs import Design
from orchestration.plan import Plan, expand
from orchestration.spec import Resources, SweepSpec

CLASSES = ("happiness", "surprise", "disgust")
PER_SUBJECT = 3
UNLUCKY = "s02"
"""The subject at which the troubled trainers stumble."""
FACTORS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "texture": {"on": (), "off": ("model.streams.texture=false",)},
    "depth": {"on": (), "off": ("model.streams.depth=false",)},
}


def plan(
    subjects: int = 4,
    seeds: int = 1,
    factors: Mapping[str, Any] = FACTORS,
    name: str = "simulated",
    epochs: int = 2,
    settings: tuple[str, ...] = (),
    resources: Resources | None = None,
) -> Plan:
    """A plan over simulated clips: four variants with the default factors."""
    clips = f"dataset.clips_per_class=[{subjects},{subjects},{subjects}]"
    base = (f"dataset.subjects={subjects}", clips, f"train.epochs={epochs}", *settings)
    spec = SweepSpec(
        path=Path("simulated.yaml"),
        cluster_name=name,
        digest="0" * 64,
        question="Does it run?",
        base=base,
        design=Design(kind="factorial", factors=factors),
        seeds=tuple(range(seeds)),
        resources=resources or Resources(),
    )
    made = load(SyntheticConfig(subjects=subjects, clips_per_class=(subjects,) * 3), Path())
    facts: Any = SimpleNamespace(
        fingerprint=made.fingerprint,
        class_names=made.class_names,
        subjects=tuple(sorted(set(made.subjects.tolist()))),
        clips="",
        streams={"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (1, 8)},
        has_au_targets=False,
        facts={},
    )
    return expand(spec, lambda _: facts, lambda _: "c" * 64)


def load(config: SyntheticConfig, root: Path) -> Clips:
    """Three clips a subject, one of each class."""
    names = [f"s{subject:02}" for subject in range(1, config.subjects + 1)]
    rows = [(f"{name}_{label}", name, label) for name in names for label in range(PER_SUBJECT)]
    manifest = pd.DataFrame(rows, columns=["sample_id", "subject", "label"])
    return Clips(manifest=manifest, class_names=CLASSES, streams={}, fingerprint="f" * 64)


def fold(config: Config, subject: str) -> tuple[Clips, Fold]:
    """The clips, and the fold that holds the subject out."""
    assert isinstance(config.dataset, SyntheticConfig)
    clips = load(config.dataset, Path())
    return clips, next(fold for fold in leave_one_subject_out(clips.subjects) if fold.subject == subject)


def train(config: Config, fold: Fold, clips: Clips, seed: int, progress: Any = None) -> FoldResult:
    """All right but the last clip, at once."""
    y_true = clips.labels[fold.test]
    y_pred = y_true.copy()
    y_pred[-1] = 0
    return FoldResult(
        sample_id=tuple(clips.manifest["sample_id"].iloc[fold.test]),
        y_true=y_true,
        y_pred=y_pred,
        probabilities=np.eye(len(clips.class_names), dtype=np.float32)[y_pred],
        history={"loss": [1.0, 0.5], "accuracy": [0.5, 1.0]},
        seconds=0.001,
        peak_memory=None,
        parameters=10 * len(config.model.streams.active()),
        device="cpu",
    )


def burn(config: Config, fold: Fold, clips: Clips, seed: int, progress: Any = None) -> FoldResult:
    """Keep a core busy for MADV_SIMULATED_SECONDS a stream, as training does."""
    from dataclasses import replace

    started = time.perf_counter()
    end = started + float(os.environ["MADV_SIMULATED_SECONDS"]) * len(config.model.streams.active())
    while time.perf_counter() < end:
        pass
    return replace(train(config, fold, clips, seed), seconds=time.perf_counter() - started)


def fail(config: Config, fold: Fold, clips: Clips, seed: int, progress: Any = None) -> FoldResult:
    """Raise for one subject of the reference, each time."""
    if fold.subject == UNLUCKY and len(config.model.streams.active()) == 3:
        raise ArithmeticError("the loss is nan")
    return train(config, fold, clips, seed)


def trouble(config: Config, fold: Fold, clips: Clips, seed: int, progress: Any = None) -> FoldResult:
    """Warn; raise for one subject of one variant, and take the worker down at one of the reference."""
    import warnings

    warnings.warn("the learning rate is odd", RuntimeWarning, stacklevel=1)
    if fold.subject == "s01" and config.model.streams.active() == ("depth", "au"):
        raise ArithmeticError("the loss is nan")
    return die_always(config, fold, clips, seed)


def hurt(config: Config, fold: Fold, clips: Clips, seed: int, progress: Any = None) -> FoldResult:
    """Run out of memory at one subject, be killed by the kernel at another, leave the numbers at a third."""
    import signal

    if len(config.model.streams.active()) == 3:
        if fold.subject == "s01":
            raise MemoryError("Unable to allocate 64.0 GiB for an array")
        if fold.subject == "s02":
            os.kill(os.getpid(), signal.SIGKILL)
        if fold.subject == "s03":
            raise ArithmeticError("the loss is nan")
    return train(config, fold, clips, seed)


def die_once(config: Config, fold: Fold, clips: Clips, seed: int, progress: Any = None) -> FoldResult:
    """Take the worker down at one subject, the first time of all."""
    mark = Path(os.environ["MADV_SIMULATED_MARKS"]) / "died"
    if fold.subject == UNLUCKY and not mark.exists():
        mark.touch()
        os._exit(1)
    _note(config, fold)
    return train(config, fold, clips, seed)


def die_always(config: Config, fold: Fold, clips: Clips, seed: int, progress: Any = None) -> FoldResult:
    """Take the worker down at one subject of the reference, each time."""
    if fold.subject == UNLUCKY and len(config.model.streams.active()) == 3:
        os._exit(1)
    _note(config, fold)
    return train(config, fold, clips, seed)


def crowded(config: Config, fold: Fold, clips: Clips, seed: int, progress: Any = None) -> FoldResult:
    """Find no memory while another trial is at work on the same GPU; the first waits for another."""
    import torch

    folder = Path(os.environ["MADV_SIMULATED_MARKS"]) / "at work"
    folder.mkdir(exist_ok=True)
    mark = folder / str(os.getpid())
    mark.touch()
    try:
        met, deadline = folder.with_name("met"), time.monotonic() + 30
        while not met.exists() and len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        if len(list(folder.iterdir())) > 1:
            met.touch()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train(config, fold, clips, seed)
    finally:
        mark.unlink()


def together(
    config: Config, folds: Sequence[Fold], clips: Clips, seed: int, *, starts: Sequence[Any] | None = None
) -> list[Any]:
    """Note who is trained beside whom. MADV_SIMULATED_ROOM folds fit; UNLUCKY leaves the numbers."""
    import torch

    with (Path(os.environ["MADV_SIMULATED_MARKS"]) / "together").open("a") as file:
        file.write(" ".join(fold.subject for fold in folds) + "\n")
    if len(folds) > int(os.environ["MADV_SIMULATED_ROOM"]):
        raise torch.OutOfMemoryError("CUDA out of memory")
    return [
        ArithmeticError("the loss is nan") if fold.subject == UNLUCKY else train(config, fold, clips, seed)
        for fold in folds
    ]


def _note(config: Config, fold: Fold) -> None:
    """One line for each training that ends."""
    with (Path(os.environ["MADV_SIMULATED_MARKS"]) / "trained").open("a") as file:
        file.write(f"{'+'.join(config.model.streams.active())} {fold.subject}\n")


def die_sometimes(config: Config, fold: Fold, clips: Clips, seed: int, progress: Any = None) -> FoldResult:
    """Take the worker down at one fold of MADV_SIMULATED_ONE_IN, the first time that it is tried."""
    name = f"{'+'.join(config.model.streams.active())} {seed} {fold.subject}"
    unlucky = int(hashlib.sha256(name.encode()).hexdigest(), 16) % int(os.environ["MADV_SIMULATED_ONE_IN"]) == 0
    mark = Path(os.environ["MADV_SIMULATED_MARKS"]) / name
    if unlucky and not mark.exists():
        mark.touch()
        os._exit(1)
    return train(config, fold, clips, seed)
