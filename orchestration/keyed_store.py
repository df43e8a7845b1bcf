"""Work that is found again by its key: what is done, what failed, and how often it was tried."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from madv.errors import StorageError
from orchestration.folders import BROKEN, UNFINISHED, open_folder

State = Literal["done", "failed"]

ATTEMPTS = ".attempts"
DAY = 86_400.0
"""Seconds."""
KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """A file of a store."""

    name: str
    key: str
    size: int
    """Bytes."""
    modified: float
    """Unix time, seconds."""
    unfinished: bool
    """Its writer has not renamed it, and is gone if it is old; or it was set aside, broken."""


class KeyedStore:
    """Files of one kind under a folder or a URI; a file's name says its key and its state.

    Safe to use from several processes: files appear by renaming only, and the same key always holds the same result.
    """

    done: str
    """What the name of a finished file ends with."""
    failed: str

    def __init__(self, root: str | os.PathLike[str], name: str) -> None:
        self.folder = open_folder(root, name)
        self._run = uuid.uuid4().hex[:12]  # of a driver; its workers have copies

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    def states(self, keys: Iterable[str] | None = None) -> dict[str, State]:
        """State of each key, from one listing; a done one beats a failed one.

        Args:
            keys: leave out all others.
        """
        names = self.folder.names()
        failed = (name.removesuffix(self.failed) for name in names if name.endswith(self.failed))
        done = (
            name.removesuffix(self.done)
            for name in names
            if name.endswith(self.done) and not name.endswith(self.failed)
        )
        states: dict[str, State] = dict.fromkeys(failed, "failed")
        states |= dict.fromkeys(done, "done")
        return states if keys is None else {key: states[key] for key in keys if key in states}

    def files(self) -> list[StoredFile]:
        """All files that are named by a key, those of unfinished writes too."""
        found = []
        for name, size, modified in self.folder.files():
            key = name.partition(".")[0]
            if KEY.fullmatch(key):
                unfinished = name.endswith((UNFINISHED, BROKEN))
                found.append(StoredFile(name=name, key=key, size=size, modified=modified, unfinished=unfinished))
        return found

    def record_attempt(self, key: str) -> int:
        """Count one more attempt, before the fold starts: a killed worker reports nothing. Returns the count.

        At most one worker of a run holds a key at a time, so that reading and writing need no lock.
        """
        count = self.attempts(key) + 1
        self.folder.put(self._attempts(key), str(count).encode())
        return count

    def attempts(self, key: str) -> int:
        """Attempts within this run: what Ctrl-C or a power cut ended has not failed, and another sweep that works on
        the same key at the same time counts its own."""
        content = self.folder.get(self._attempts(key)) or b"0"
        # An unreadable count is worth one attempt: the file shows that there was at least one.
        return int(content) if content.isdigit() and len(content) < 10 else 1

    def _attempts(self, key: str) -> str:
        return f"{key}.{self._run}{ATTEMPTS}"

    def set_aside(self, name: str) -> str:
        """Rename a file that is not what was written, so that its key is worked on again; what became of it, in words.

        Storage that may not be written keeps it under its name: readers go without it all the same.
        """
        try:
            return f"it was set aside as {self.folder.set_aside(name)}"
        except StorageError as error:
            return f"it could not be set aside ({error.problems[0].message.partition(';')[0]})"

    def clear_failed(self, key: str) -> None:
        """Forget a failure and its attempts, so that the key is worked on again."""
        self.folder.remove(key + self.failed)
        self.folder.remove(self._attempts(key))

    def finish(self, key: str, content: bytes) -> None:
        """Store what is done, whole or not at all; it ends the record of failures and attempts."""
        self.folder.put(key + self.done, content)
        self.folder.remove(key + self.failed)
        self.folder.remove(self._attempts(key))

    def begin(self) -> None:
        """Make the folder before workers write into it, and remove the counts of runs that are long over."""
        self.folder.make()
        if any(name.endswith(ATTEMPTS) for name in self.folder.names()):
            for name, _, modified in self.folder.files():
                if name.endswith(ATTEMPTS) and modified < time.time() - DAY:
                    self.folder.remove(name)
