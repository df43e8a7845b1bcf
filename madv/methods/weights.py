"""Weights on disk that a method starts from: found, described and told from others by content; light, for plans."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from madv.errors import ConfigError, Problem
from madv.hub import AbsentError, model_folder

CONFIG, TENSORS = "config.json", "model.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """A folder of VideoMAE weights."""

    folder: Path
    channels: int
    box: tuple[int, int, int]
    """Frames, height and width of a token."""


def find(name: str) -> Weights:
    """The weights of this name: a folder, or a model on the hub.

    Raises:
        ConfigError: they are not there, or are no VideoMAE.
    """
    try:
        folder = model_folder(name, (CONFIG, TENSORS))
    except AbsentError as error:
        raise wrong(f"{name!r} is no folder, and the hub cannot give it ({error})") from None
    missing = [file for file in (CONFIG, TENSORS) if not (folder / file).is_file()]
    if missing:
        raise wrong(f"{name!r} lacks {' and '.join(missing)}")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        kind = config["model_type"]
        patch = config.get("patch_size", 16)
    except (OSError, ValueError, KeyError, TypeError):
        raise wrong(f"{name!r} has a {CONFIG} that describes no model") from None
    if kind != "videomae":
        raise wrong(f"{name!r} holds a {kind} model")
    box = (config.get("tubelet_size", 2), patch, patch)
    return Weights(folder=folder, channels=config.get("num_channels", 3), box=box)


def content(name: str) -> str:
    """SHA-256 of the weights and what describes them; of weights that are not there the name, which find() refuses."""
    try:
        folder = find(name).folder
    except ConfigError:
        return name
    return hashlib.sha256("".join(_digest(folder / file) for file in (CONFIG, TENSORS)).encode()).hexdigest()


def wrong(reason: str) -> ConfigError:
    """The error that says what will do instead."""
    message = f"{reason}; name a folder with {CONFIG} and {TENSORS} of a VideoMAE, or leave it out"
    return ConfigError([Problem(place="method.weights", message=message)])


def _digest(file: Path) -> str:
    about = file.stat()
    return _digest_at(file, about.st_mtime_ns, about.st_size)


@functools.cache
def _digest_at(file: Path, changed: int, size: int) -> str:
    """Read once, however many variants start from it."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
