"""What a study's networks cost, and how its reference's cost grows: counted once, then kept beside the clip caches."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from madv.config import Config
from madv.data.cache import describe
from madv.data.dataset_facts import DatasetFacts
from madv.fits import Shapes
from orchestration.code import training_code
from orchestration.folders import LocalFolder
from orchestration.ids import digest


def growth_points(config: Config, facts: DatasetFacts, cache_root: Path) -> list[dict[str, Any]]:
    """Growth points, MACs alone, as plain values.

    Args:
        config: of the reference.
        facts: of its data set.
        cache_root: folder of the clip caches.
    """

    def count(shapes: Shapes) -> Any:
        from madv.growth import growth

        points = growth(config, shapes, len(facts.class_names), runs=0, targets=facts.has_au_targets)
        return [dataclasses.asdict(point) for point in points]

    points: list[dict[str, Any]] = _kept("growth", config, facts, cache_root, count)
    return points


def network_cost(config: Config, cache_root: Path) -> dict[str, int]:
    """Of a clip's prediction: its multiply-accumulates, "macs", and the bytes held on a CPU, "memory".

    Args:
        config: of a variant.
        cache_root: folder of the clip caches.
    """
    facts = describe(config.dataset, cache_root)

    def count(shapes: Shapes) -> Any:
        from madv.complexity import measure

        classes = len(facts.class_names)
        found = measure(config, shapes, classes, runs=1, device="cpu", targets=facts.has_au_targets)
        return {"macs": found.macs, "memory": found.peak_memory}

    cost: dict[str, int] = _kept("cost", config, facts, cache_root, count)
    return cost


def _kept(kind: str, config: Config, facts: DatasetFacts, cache_root: Path, count: Callable[[Shapes], Any]) -> Any:
    """What is kept for this network on these clips, else what count says."""
    streams = config.reads()
    shapes = {name: facts.streams[name] for name in streams}
    key = {
        "config": config.meaning(),
        "shapes": shapes,
        "classes": len(facts.class_names),
        "targets": facts.has_au_targets,
        "code": training_code(config),
    }
    folder, name = LocalFolder(str(cache_root / kind)), f"{digest(key)}.json"
    kept = folder.get(name)
    if kept is None:
        kept = json.dumps(count(shapes)).encode()
        folder.put(name, kept)
    return json.loads(kept)
