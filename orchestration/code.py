"""The fingerprint of the code that trains: its syntax, so that comments, docstrings and layout do not count."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable

from madv.config import Config
from madv.syntax import syntax

COMMON: tuple[str, ...] = (
    "augment.py",
    "compiled.py",
    "data/clips.py",
    "data/folds.py",
    "data/oracle.py",
    "inputs.py",
    "learners.py",
    "losses.py",
    "model",
    "noise.py",
    "optimise.py",
    "padded.py",
    "seeds.py",
    "together.py",
    "train.py",
)
"""What every training runs, below the package madv; a folder stands for its modules."""
METHODS: tuple[str, ...] = ("methods",)
PRETRAINING: tuple[str, ...] = ("data/identity.py", "encoder_key.py", "pretrain.py", "pretrained.py")


def training_code(config: Config) -> str:
    """Fingerprint of the code that trains this configuration: a change to one method leaves the others' cells alone."""
    parts = COMMON
    if config.method.name != "madv_net":
        parts += METHODS
    if config.pretrain.active():
        parts += PRETRAINING
    return code_fingerprint(parts)


@functools.cache
def code_fingerprint(parts: tuple[str, ...]) -> str:
    """SHA-256 over the syntax trees of these files and folders below madv, 64 hexadecimal digits."""
    content = hashlib.sha256()
    for name, source in sorted(_sources(parts).items()):
        content.update(f"{name}\0{syntax(source)}\0".encode())
    return content.hexdigest()


def _sources(parts: tuple[str, ...]) -> dict[str, str]:
    """Source of each module, by its path below madv."""
    root = files("madv")
    sources: dict[str, str] = {}
    for name in parts:
        entry = root.joinpath(name)
        modules = _modules(entry, name) if entry.is_dir() else {name: entry}
        sources |= {path: module.read_text(encoding="utf-8") for path, module in modules.items() if module.is_file()}
    return sources


def _modules(folder: Traversable, prefix: str) -> dict[str, Traversable]:
    return {f"{prefix}/{entry.name}": entry for entry in folder.iterdir() if entry.name.endswith(".py")}
