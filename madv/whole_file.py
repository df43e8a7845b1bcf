"""Text files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from madv.modes import hand_over, publish, writing


def write_whole(path: Path, content: str, *, public: bool = True) -> None:
    """Write a file whole or not at all.

    Args:
        path: of the file.
        content: text.
        public: a report's, for everybody whom the user's umask lets read it; else as the files of a store.

    Raises:
        StorageError: it cannot be written.
    """
    with writing(path):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.write(content)
            # mkstemp makes a file for its owner alone.
            (publish if public else hand_over)(Path(temporary))
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
