"""Which cache belongs to which settings, noted so that opening one takes milliseconds. Standard library only."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madv.config_data import RecordedConfig

if TYPE_CHECKING:
    from madv.data.prepare_plan import Plan


def prepared(config: RecordedConfig, root: Path) -> Path | None:
    """The cache of these settings, if the annotation files and the folders of frames are as they were.

    A note of what was prepared tells so in milliseconds. A frame that was overwritten in place changes no folder:
    `prepare` compares every frame. A data set that is not here any more (a disk that is unplugged) does not matter.
    """
    try:
        note = json.loads(_note(config, root).read_text(encoding="utf-8"))
        folder = root / note["folder"]
        here = any(os.path.exists(path) for path in note["roots"])
        same = not here or all(_stat(path) == tuple(was) for path, was in note["watched"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if same and (folder / "facts.json").is_file() else None


def _note(config: RecordedConfig, root: Path) -> Path:
    """Where it is noted which cache belongs to these settings; the reading code's bytes count too."""
    settings = {name: _absolute(name, value) for name, value in dataclasses.asdict(config).items()}
    content = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    content.update(_code())
    return root / f".prepared-{config.kind}-{content.hexdigest()}.json"


def write_note(todo: Plan, root: Path, folder: Path) -> None:
    """Note which cache the settings of a plan lead to, and what that depends on."""
    roots = [os.path.abspath(path) for path in todo.manifest.roots.values()]
    note = {"folder": folder.name, "roots": roots, "watched": todo.watched}
    file = _note(todo.config, root)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(note), encoding="utf-8")
    os.replace(temporary, file)


def _absolute(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _absolute(key, entry) for key, entry in value.items()}
    if isinstance(value, str) and name.endswith(("path", "annotations")):
        return os.path.abspath(os.path.expanduser(value))
    return value


@functools.cache
def _code() -> bytes:
    """The modules that make clips, as bytes: parsing them would take longer than opening the cache."""
    return b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.rglob("*.py")))


def _stat(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns
