"""How the cost of a study's reference grows with its clips: counted once, then kept beside the clip caches."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from madv.config import Config
from madv.data.cache import DatasetFacts
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
    streams = config.model.streams.active() if config.method.name == "madv_net" else ("texture",)
    shapes = {name: facts.streams[name] for name in streams}
    key = {
        "config": config.meaning(),
        "shapes": shapes,
        "classes": len(facts.class_names),
        "code": training_code(config),
    }
    folder, name = LocalFolder(str(cache_root / "growth")), f"{digest(key)}.json"
    kept = folder.get(name)
    if kept is not None:
        points: list[dict[str, Any]] = json.loads(kept)
        return points
    from madv.growth import growth

    points = [dataclasses.asdict(point) for point in growth(config, shapes, len(facts.class_names), runs=0)]
    folder.put(name, json.dumps(points).encode())
    return points
