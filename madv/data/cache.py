"""The clip cache: a data set is read or made once, then every worker maps it read-only."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import tokenize
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from madv.config_data import DatasetConfig, Megc2019Config, RecordedConfig
from madv.config_model import STREAMS, StreamsConfig
from madv.config_synthetic import SyntheticConfig
from madv.data.cache_seal import check_clips, sealed, set_aside, unsealed
from madv.errors import DataError, Problem
from madv.modes import hand_over

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from madv.data.clips import Clips

FACTS = "facts.json"
MANIFEST = "manifest.parquet"
AU_TARGETS = "au_targets"
BROKEN = (OSError, ValueError, LookupError, TypeError, EOFError, SyntaxError, ArithmeticError, tokenize.TokenError)
"""What reading a cache raises that was cut off or altered."""
NOT_OURS = (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
"""Of a cache that is broken; other errors are the disk's, which may pass."""
SOURCES = {"depth": "depth_anything", "au": "flow"}
"""Where recorded frames get a stream from, by stream."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetFacts:
    """What plans and reports need to know of a data set; light, since it comes from one small file."""

    kind: str
    """The reader."""
    fingerprint: str
    """SHA-256 of what training reads."""
    class_names: tuple[str, ...]
    clips_per_class: tuple[int, ...]
    clips_per_subject: dict[str, int]
    """Sorted by subject."""
    clips: str
    """SHA-256 of which clips there are, whose, and of which class: variants over equal clips can be paired."""
    recordings: tuple[str, ...]
    """Sorted, of madv.data.identity: the same for two settings or protocols of one data set."""
    streams: dict[str, tuple[int, ...]]
    """Shape of one clip by stream."""
    has_au_targets: bool
    """Whether there are annotated action units."""
    au_names: tuple[str, ...]
    """Of the action-unit stream; empty without one."""
    facts: dict[str, Any]
    """What the reader has to say: ceilings of a synthetic set ("texture+depth": .77), sources of a real one."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(self.clips_per_subject)


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
            return _open(folder, check)
        except BROKEN as error:
            if isinstance(error, OSError) and error.errno not in NOT_OURS:
                raise DataError(f"cannot read the clip cache {folder}: {error.strerror}") from None
            set_aside(folder, error, seen)
    if isinstance(config, RecordedConfig):
        return _open(_prepare(config, root))
    _make(config, folder)
    return _open(folder)


def describe(config: DatasetConfig, root: Path) -> DatasetFacts:
    """What there is to know of a data set, from one small file if the cache has it.

    Raises:
        DataError: as `load`.
    """
    folder = _folder(config, root)
    try:
        return _facts(_head(folder))
    except BROKEN:
        load(config, root)
    return _facts(_head(folder))


def check_streams(facts: DatasetFacts, streams: StreamsConfig) -> list[Problem]:
    """One problem for each stream that the model wants and the data set does not have."""
    has = " and ".join(name for name in STREAMS if name in facts.streams)
    problems = []
    for name in streams.active():
        if name not in facts.streams:
            message = f"{facts.kind} has no {name} stream; it has {has}: set model.streams.{name}=false"
            if name in facts.facts:  # recorded frames: the stream is a setting
                message += f" or dataset.{name}.source={SOURCES[name]}"
            problems.append(Problem(place=f"model.streams.{name}", message=message))
    return problems


def _folder(config: DatasetConfig, root: Path) -> Path:
    """Where the cache is or will be; recorded frames are prepared now if they are not."""
    if isinstance(config, RecordedConfig):
        from madv.data.prepare_note import prepared

        return prepared(config, root) or _prepare(config, root)
    return root / f"{config.kind}-{READERS[config.kind].key(config)}"


def _prepare(config: RecordedConfig, root: Path) -> Path:
    from madv.data.prepare import prepare

    return prepare(config, root)


def _head(folder: Path) -> dict[str, Any]:
    return unsealed((folder / FACTS).read_text(encoding="utf-8"))


def _facts(head: dict[str, Any]) -> DatasetFacts:
    described = dict(head["described"])
    for name in ("class_names", "clips_per_class", "recordings", "au_names"):
        described[name] = tuple(described[name])
    described["streams"] = {name: tuple(shape) for name, shape in described["streams"].items()}
    try:
        return DatasetFacts(**described)
    except TypeError as error:  # fields of another version
        raise ValueError(str(error)) from None


def _open(folder: Path, check: Callable[[Clips], None] | None = None) -> Clips:
    import io

    import numpy as np
    import pandas as pd

    from madv.data.clips import Clips

    head = _head(folder)
    facts = _facts(head)
    table = (folder / MANIFEST).read_bytes()
    if head.get(MANIFEST, sha256 := hashlib.sha256(table).hexdigest()) != sha256:
        raise ValueError(f"{MANIFEST} was altered after it was written")
    manifest = pd.read_parquet(io.BytesIO(table))

    def mapped(name: str) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        if len(array) != len(manifest):
            raise ValueError(f"{name} has {len(array)} rows for {len(manifest)} clips")
        return array

    clips = Clips(
        manifest=manifest,
        class_names=facts.class_names,
        streams={name: mapped(name) for name in facts.streams},
        au_targets=mapped(AU_TARGETS) if facts.has_au_targets else None,
        au_names=facts.au_names,
        signed_channels=tuple(head["signed_channels"]),
        mirrored_aus=tuple(head["mirrored_aus"]),
        fingerprint=facts.fingerprint,
        facts=facts.facts,
    )
    if check is not None:
        check(clips)
    return clips


def _make(config: DatasetConfig, folder: Path) -> None:
    """Write the cache under another name and rename it: it is there whole or not at all."""
    clips = READERS[config.kind].read(config)
    temporary: str | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.mkdtemp(prefix=".making-", dir=folder.parent)
        hand_over(Path(temporary))
        _write(config.kind, clips, Path(temporary))
        os.rename(temporary, folder)
    except OSError as error:
        # Another maker may have been faster: the content is the same, ours is dropped.
        if not (folder / FACTS).is_file():
            raise DataError(f"cannot write the clip cache {folder.parent}: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _write(kind: str, clips: Clips, folder: Path) -> None:
    import numpy as np

    for name, array in clips.streams.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    write_head(kind, clips, folder)


def write_head(kind: str, clips: Clips, folder: Path) -> None:
    """Write all of a cache but the streams; the facts come last."""
    import numpy as np

    from madv.data.identity import recording_identity

    if clips.au_targets is not None:
        np.save(folder / f"{AU_TARGETS}.npy", clips.au_targets, allow_pickle=False)
    clips.manifest.to_parquet(folder / MANIFEST, index=False)
    facts = DatasetFacts(
        kind=kind,
        fingerprint=clips.fingerprint,
        class_names=clips.class_names,
        clips_per_class=tuple(np.bincount(clips.labels, minlength=len(clips.class_names)).tolist()),
        clips_per_subject=dict(_counted(clips.subjects)),
        clips=_clips_digest(clips),
        recordings=tuple(sorted(recording_identity(clips.manifest).tolist())),
        streams={name: array.shape[1:] for name, array in clips.streams.items()},
        has_au_targets=clips.au_targets is not None,
        au_names=clips.au_names,
        facts=clips.facts,
    )
    head = {
        "described": asdict(facts),
        "signed_channels": clips.signed_channels,
        "mirrored_aus": clips.mirrored_aus,
        MANIFEST: hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(),
    }
    (folder / FACTS).write_text(json.dumps(sealed(head)), encoding="utf-8")


def _clips_digest(clips: Clips) -> str:
    rows = clips.manifest[["sample_id", "subject", "label"]].astype(str).sort_values("sample_id")
    return hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()


def _counted(names: npt.NDArray[np.str_]) -> list[tuple[str, int]]:
    import numpy as np

    values, counts = np.unique(names, return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))
