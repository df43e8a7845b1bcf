"""The files of a clip cache: a NumPy file a stream, the manifest, and the head with the facts and all digests."""

from __future__ import annotations

import hashlib
import json
import tokenize
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madv.data.cache_seal import sealed, unsealed
from madv.data.dataset_facts import DatasetFacts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from madv.data.clips import Clips

FACTS = "facts.json"
MANIFEST = "manifest.parquet"
AU_TARGETS = "au_targets"
BROKEN = (OSError, ValueError, LookupError, TypeError, EOFError, SyntaxError, ArithmeticError, tokenize.TokenError)
"""What reading a cache raises that was cut off or altered."""


def read_facts(folder: Path) -> DatasetFacts:
    """From the head alone."""
    return _facts(_head(folder))


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


def open_clips(folder: Path, check: Callable[[Clips], None] | None = None) -> Clips:
    """Map a cache, once the check has let it pass."""
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


def write_clips(kind: str, clips: Clips, folder: Path) -> None:
    """Write a cache into an empty folder."""
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
