"""Made-up studies: cells with planted skill, without any training."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dashboards.study import Study, StudyVariant
from orchestration.cells import Cell

CLASSES = ("happiness", "surprise", "disgust")
STREAMS = ("texture", "depth", "au")


def make_cell(variant: str, seed: int, subject: str, clips: Sequence[tuple[str, int, int]], **changes: Any) -> Cell:
    """A done cell from (sample_id, true, predicted) of each clip."""
    fields: dict[str, Any] = {
        "key": f"{variant}-{seed}-{subject}",
        "variant": variant,
        "seed": seed,
        "subject": subject,
        "state": "done",
        "sample_id": tuple(clip[0] for clip in clips),
        "y_true": np.array([clip[1] for clip in clips], np.int64),
        "y_pred": np.array([clip[2] for clip in clips], np.int64),
        "probabilities": np.zeros((len(clips), 3), np.float32),
        "class_names": CLASSES,
        "history": {"loss": [1.0, 0.5], "accuracy": [0.5, 0.75]},
        "seconds": 2.0,
        "parameters": 1000,
        "device": "cpu",
        "started": 0.0,
        "finished": 2.0,
    }
    return Cell(**(fields | changes))


def failed_cell(variant: str, seed: int, subject: str, reason: str) -> Cell:
    """A cell that was tried and failed."""
    return make_cell(variant, seed, subject, (), state="failed", reason=reason, parameters=None, history={})


def stream_variants() -> tuple[StudyVariant, ...]:
    """Every non-empty subset of the three streams, the whole one first."""
    variants = []
    for levels in itertools.product(("on", "off"), repeat=3):
        if "on" in levels:
            off = [name for name, level in zip(STREAMS, levels, strict=True) if level == "off"]
            variants.append(
                StudyVariant(
                    name=" ".join(f"{name}=off" for name in off) or "reference",
                    levels=dict(zip(STREAMS, levels, strict=True)),
                    overrides=tuple(f"model.streams.{name}=false" for name in off),
                    is_reference=not off,
                )
            )
    return tuple(variants)


def make_study(
    *,
    variants: Sequence[StudyVariant] | None = None,
    skill: Mapping[str, float] | None = None,
    seeds: int = 2,
    subjects: int = 12,
    clips: int = 9,
    epochs: int = 20,
    **changes: Any,
) -> Study:
    """A study in which a variant is right with the probability given by its skill."""
    rng = np.random.default_rng(3)
    variants = stream_variants() if variants is None else tuple(variants)
    share = {"texture": 0.45, "au": 0.35, "depth": 0.20}
    known = {v.name: sum(share.get(name, 0) for name, level in v.levels.items() if level == "on") for v in variants}
    ceilings = {name: s + (1 - s) / 3 for name, s in known.items()}
    skill = {name: 0.93 * ceiling - 0.02 for name, ceiling in ceilings.items()} if skill is None else skill
    names = [f"s{place + 1:02d}" for place in range(subjects)]
    labels = {f"{name}_{clip:02d}": (clip % 3, name) for name in names for clip in range(clips)}
    ability = dict(zip(names, rng.normal(0, 0.06, subjects), strict=True))
    cells = {}
    for place, variant in enumerate(variants):
        pace = np.exp(-np.arange(1, epochs + 1) / 5)
        for seed, name in itertools.product(range(seeds), names):
            own = [(sample, label) for sample, (label, subject) in labels.items() if subject == name]
            right = rng.random(len(own)) < skill[variant.name] + ability[name]
            wrong = rng.integers(1, 3, len(own))
            rows = [(s, y, y if ok else (y + w) % 3) for (s, y), ok, w in zip(own, right, wrong, strict=True)]
            noise = rng.normal(0, 0.02)
            cells[variant.name, seed, name] = make_cell(
                variant.name,
                seed,
                name,
                rows,
                history={
                    "loss": list(0.15 + noise + (1.1 - skill[variant.name] / 2) * pace),
                    "accuracy": list(1 - 0.05 - noise - 0.6 * pace),
                },
                seconds=1.2 + 0.9 * list(variant.levels.values()).count("on") + 0.1 * place,
                parameters=21_000 * (1 + list(variant.levels.values()).count("on")),
            )
    fields: dict[str, Any] = {
        "cluster_name": "ablate-streams",
        "question": "Which input streams does MADV-Net need?",
        "design": "factorial",
        "class_names": CLASSES,
        "variants": variants,
        "seeds": tuple(range(seeds)),
        "subjects": tuple(names),
        "sample_labels": labels,
        "ceilings": ceilings,
        "cells": cells,
        "provenance": {"commit": "0123456789ab", "data": "synthetic, 7f3a09c41d22", "torch": "2.13.0"},
        "rerun": ("madv sweep sweeps/ablate_streams.yaml", "madv report sweeps/ablate_streams.yaml"),
    }
    return Study(**(fields | changes))
