"""Models of the hub: folders on this machine, fetched once by name where they are not."""

from __future__ import annotations

import functools
from pathlib import Path


class AbsentError(Exception):
    """A model is neither a folder nor to be had; the text says why, in a line."""


def model_folder(name: str, files: tuple[str, ...]) -> Path:
    """The folder that is named, or the hub's copy on this machine, fetched if need be.

    Args:
        name: of a folder, or of a model on the hub.
        files: patterns of what is needed.

    Raises:
        AbsentError: it is no folder, and the hub cannot give it.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    found = _fetched(name, files)
    if isinstance(found, str):
        raise AbsentError(found)
    return found


@functools.cache
def _fetched(name: str, files: tuple[str, ...]) -> Path | str:
    """The hub's copy, or why there is none; asked once, since a network that is not there can take its time."""
    from urllib.request import urlopen

    from huggingface_hub import constants, snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True, allow_patterns=list(files)))
    except (OSError, ValueError):
        pass  # not here yet
    try:
        # Asked first: without a network the hub's own client tries for half a minute.
        urlopen(constants.ENDPOINT, timeout=10).close()
        return Path(snapshot_download(name, allow_patterns=list(files)))
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error)).splitlines()[0]
