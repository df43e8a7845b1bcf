"""The fingerprint of the code that trains: its syntax, so that comments, docstrings and layout do not count."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable

from madv.syntax import syntax

TRAINING_CODE = ("model", "losses.py", "train.py", "data/clips.py", "data/folds.py")
"""Below the package madv; a folder stands for its modules."""


@functools.cache
def code_fingerprint() -> str:
    """SHA-256 over the syntax trees of TRAINING_CODE, 64 hexadecimal digits."""
    content = hashlib.sha256()
    for name, source in sorted(_sources().items()):
        content.update(f"{name}\0{syntax(source)}\0".encode())
    return content.hexdigest()


def _sources() -> dict[str, str]:
    """Source of each module of TRAINING_CODE, by its path below madv."""
    root = files("madv")
    sources: dict[str, str] = {}
    for name in TRAINING_CODE:
        entry = root.joinpath(name)
        modules = _modules(entry, name) if entry.is_dir() else {name: entry}
        sources |= {path: module.read_text(encoding="utf-8") for path, module in modules.items() if module.is_file()}
    return sources


def _modules(folder: Traversable, prefix: str) -> dict[str, Traversable]:
    return {f"{prefix}/{entry.name}": entry for entry in folder.iterdir() if entry.name.endswith(".py")}
