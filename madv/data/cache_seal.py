"""Whether a clip cache holds what was written, by its digests, and where one goes that does not."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from madv.data.clips import Clips

SEAL = "digest"
"""Of the head, in the head."""
ASIDE = ".broken-"
"""What the name of a cache begins with that was set aside."""


def sealed(head: dict[str, Any]) -> dict[str, Any]:
    """The head of a cache with its own digest."""
    return {**head, SEAL: _digest(head)}


def unsealed(text: str) -> dict[str, Any]:
    """The head of a cache from its file.

    Raises:
        ValueError: it is not what was written. One without a digest, by an earlier version, is believed.
    """
    head = json.loads(text)
    if not isinstance(head, dict):
        raise ValueError("it is no description of clips")
    if SEAL in head and head.pop(SEAL) != _digest(head):
        raise ValueError("it was altered after it was written")
    return head


def check_clips(clips: Clips) -> None:
    """Read all clips and compare them with the digest that is in every cell's key.

    Raises:
        ValueError: they are not what was written.
    """
    from madv.data.content import fingerprint

    own = (clips.manifest, clips.class_names, clips.streams, clips.au_targets)
    if fingerprint(*own, clips.signed_channels, clips.mirrored_aus) != clips.fingerprint:
        raise ValueError("its clips were altered after they were written")


def set_aside(folder: Path, reason: object, seen: int | None = None) -> None:
    """Rename a broken cache in one step, so that nobody meets it half there; of several only the last is kept.

    Args:
        folder: of the cache.
        reason: what is wrong with it.
        seen: inode of the folder that is broken: another one is somebody else's, made again in the meantime.
    """
    aside = folder.with_name(f"{ASIDE}{folder.name}")
    try:
        if seen is not None and folder.stat().st_ino != seen:
            return
        older = folder.with_name(f"{ASIDE}{folder.name}-{os.getpid()}")
        if aside.exists():
            os.rename(aside, older)
            shutil.rmtree(older, ignore_errors=True)
        os.rename(folder, aside)
    except OSError:
        return  # somebody else has taken it away
    logging.getLogger("madv").warning(
        "madv: the clip cache %s is broken (%s): set aside as %s, and made again", folder, reason, aside.name
    )


def _digest(head: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()
