"""The clip cache: a data set is read or made once, then every worker maps it read-only."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from madv.config_data import DatasetConfig, Megc2019Config, RecordedConfig
from madv.config_synthetic import SyntheticConfig
from madv.data.cache_files import BROKEN, FACTS, open_clips, read_facts, write_clips
from madv.data.cache_seal import check_clips, set_aside
from madv.data.dataset_facts import DatasetFacts
from madv.errors import DataError
from madv.modes import hand_over

if TYPE_CHECKING:
    from madv.data.clips import Clips

NOT_OURS = (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
"""Of a cache that is broken; other errors are the disk's, which may pass."""


class Reader(NamedTuple):
    """How a kind of data set is found and read."""

    key: Callable[[Any], str]
    """Settings to the cache's key, without reading more than needed to tell one content from another."""
    read: Callable[[Any], Clips]


def _synthetic_key(config: SyntheticConfig) -> str:
    from madv.data.synthetic_key import cache_key

    return cache_key(config)


def _read_synthetic(config: SyntheticConfig) -> Clips:
    from madv.data.synthetic import read

    return read(config)


def _megc2019_key(config: Megc2019Config) -> str:
    from madv.data.megc2019 import cache_key

    return cache_key(config)


def _read_megc2019(config: Megc2019Config) -> Clips:
    from madv.data.megc2019 import read

    return read(config)


# Readers are imported where they are used: a plan needs none of them.
READERS: dict[str, Reader] = {
    "synthetic": Reader(_synthetic_key, _read_synthetic),
    "megc2019": Reader(_megc2019_key, _read_megc2019),
}


def load(config: DatasetConfig, root: Path) -> Clips:
    """All clips of a data set, memory-mapped and read-only, from the cache below `root`, which is made if absent.

    Raises:
        DataError: the data set is not there or is something else, or the cache cannot be written.
    """
    return _load(config, root)


def load_whole(config: DatasetConfig, root: Path) -> Clips:
    """As `load`, with all of it read and compared with its digest first: for training, once in a worker."""
    return _load(config, root, check_clips)


def _load(config: DatasetConfig, root: Path, check: Callable[[Clips], None] | None = None) -> Clips:
    folder = _folder(config, root)
    if folder.exists():
        seen = folder.stat().st_ino
        try:
            return open_clips(folder, check)
        except BROKEN as error:
            if isinstance(error, OSError) and error.errno not in NOT_OURS:
                raise DataError(f"cannot read the clip cache {folder}: {error.strerror}") from None
            set_aside(folder, error, seen)
    if isinstance(config, RecordedConfig):
        return open_clips(_prepare(config, root))
    _make(config, folder)
    return open_clips(folder)


def describe(config: DatasetConfig, root: Path) -> DatasetFacts:
    """What there is to know of a data set, from one small file if the cache has it.

    Raises:
        DataError: as `load`.
    """
    folder = _folder(config, root)
    try:
        return read_facts(folder)
    except BROKEN:
        load(config, root)
    return read_facts(folder)


def place(config: DatasetConfig, root: Path) -> Path | None:
    """Where the cache is or will be; None: recorded frames that are not prepared.

    Raises:
        DataError: the data set is not there or is something else.
    """
    if isinstance(config, RecordedConfig):
        from madv.data.prepare_note import prepared

        return prepared(config, root)
    return root / f"{config.kind}-{READERS[config.kind].key(config)}"


def _folder(config: DatasetConfig, root: Path) -> Path:
    """The same, of recorded frames that are prepared now if they are not."""
    return place(config, root) or _prepare(config, root)


def _prepare(config: DatasetConfig, root: Path) -> Path:
    from madv.data.prepare import prepare

    assert isinstance(config, RecordedConfig)
    return prepare(config, root)


def _make(config: DatasetConfig, folder: Path) -> None:
    """Write the cache under another name and rename it: it is there whole or not at all."""
    clips = READERS[config.kind].read(config)
    temporary: str | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.mkdtemp(prefix=".making-", dir=folder.parent)
        hand_over(Path(temporary))
        write_clips(config.kind, clips, Path(temporary))
        os.rename(temporary, folder)
    except OSError as error:
        # Another maker may have been faster: the content is the same, ours is dropped.
        if not (folder / FACTS).is_file():
            raise DataError(f"cannot write the clip cache {folder.parent}: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
