"""The cache key of synthetic clips, found without importing what makes them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from importlib.resources import files

from madv.config_synthetic import SyntheticConfig
from madv.syntax import syntax

SOURCES = (
    "action_units.py",
    "au_flow.py",
    "content.py",
    "depth.py",
    "face.py",
    "quotas.py",
    "render.py",
    "synthetic.py",
    "synthetic_clips.py",
    "synthetic_sources.py",
)
"""What makes the clips: a cache is not used after one of these has changed."""


def cache_key(config: SyntheticConfig) -> str:
    """SHA-256 of the settings and of the code that makes the clips."""
    settings = json.dumps(dataclasses.asdict(config), sort_keys=True)
    return hashlib.sha256(f"{settings}\0{_code()}".encode()).hexdigest()


@functools.cache
def _code() -> str:
    content = hashlib.sha256()
    for name in SOURCES:
        content.update(f"{name}\0{syntax(files('madv.data').joinpath(name).read_text(encoding='utf-8'))}\0".encode())
    return content.hexdigest()
