"""Flat folders of small files, on this machine or behind a URI; a file is there whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from madv.errors import Problem, StorageError
from orchestration.addresses import without_password

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


UNFINISHED = ".tmp"
"""What the name of a file ends with while it is written."""
BROKEN = ".broken"
"""What the name of a file ends with that was set aside: cut off or altered after it was written."""
T = TypeVar("T")
PAUSES = (1.0, 4.0, 15.0)
"""Seconds before each further try to write: a network drive may hiccup, and a trained fold is worth the wait."""


class File(NamedTuple):
    """An entry of a listing."""

    name: str
    size: int
    """Bytes."""
    modified: float
    """Unix time, seconds."""


class Folder(Protocol):
    """A folder that need not exist yet. Every method raises StorageError where the storage is in trouble."""

    def __str__(self) -> str: ...
    def make(self) -> None:
        """Make it if it is not there; from now on, and in copies of this object, it is trouble if it is gone."""

    def put(self, name: str, content: bytes) -> None:
        """Write under a temporary name, then rename; the last of several writers wins."""

    def get(self, name: str) -> bytes | None:
        """The content, or None if there is no such file. That of a folder in its place is empty."""

    def set_aside(self, name: str) -> str:
        """Rename a broken file, so that it counts as absent; returns its new name."""

    def remove(self, name: str) -> None:
        """Remove the file if it is there."""

    def names(self) -> list[str]:
        """Names of all files, from one listing."""

    def files(self) -> list[File]:
        """All files with size and time, which takes longer."""


def open_folder(root: str | os.PathLike[str], name: str) -> Folder:
    """The folder `name` under a path or a URI."""
    text = os.fspath(root)
    if "://" not in text:
        return LocalFolder(os.path.join(text, name))
    place, mark, options = text.partition("?")
    return RemoteFolder(f"{place.rstrip('/')}/{name}{mark}{options}")


class LocalFolder:
    """Plain system calls: listing 10,000 files takes a fifth of the time that pyarrow.fs needs, and no import."""

    def __init__(self, path: str) -> None:
        # A relative folder would be another one in a worker, whose current directory differs.
        self.path = os.path.abspath(os.path.expanduser(path))
        self._made = False

    def __str__(self) -> str:
        return self.path

    def make(self) -> None:
        with _trouble_at(self.path):
            os.makedirs(self.path, exist_ok=True)
        self._made = True

    def put(self, name: str, content: bytes) -> None:
        temporary = os.path.join(self.path, _temporary(name))
        if not self._made:
            self.make()
        with _trouble_at(self.path):
            # A drive that is no longer mounted leaves an empty folder behind: nothing is made in it.
            file = open(temporary, "xb")  # noqa: SIM115 - closed below, before the rename
            try:
                with file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())  # or a power cut leaves a file of its name without its content
                os.replace(temporary, os.path.join(self.path, name))
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise

    def get(self, name: str) -> bytes | None:
        path = os.path.join(self.path, name)
        try:
            with _trouble_at(self.path), contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
                return file.read()
        except StorageError:
            if os.path.isdir(path):
                return b""
            raise
        return None

    def set_aside(self, name: str) -> str:
        aside = _aside(name)
        with _trouble_at(self.path), contextlib.suppress(FileNotFoundError):  # somebody was faster
            os.replace(os.path.join(self.path, name), os.path.join(self.path, aside))
        return aside

    def remove(self, name: str) -> None:
        with _trouble_at(self.path), contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.path, name))

    def names(self) -> list[str]:
        with _trouble_at(self.path):
            try:
                return os.listdir(self.path)
            except FileNotFoundError:
                if self._made:
                    raise
        return []

    def files(self) -> list[File]:
        found = []
        for name in self.names():
            with _trouble_at(self.path), contextlib.suppress(FileNotFoundError):  # renamed or removed since
                entry = os.stat(os.path.join(self.path, name))
                found.append(File(name, entry.st_size, entry.st_mtime))
        return found


class RemoteFolder:
    """Through pyarrow.fs: file://, s3://, gs://, hdfs:// and the like."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def __str__(self) -> str:
        return without_password(self.uri)

    def __getstate__(self) -> dict[str, Any]:
        return {"uri": self.uri}  # a connection stays in its process

    def make(self) -> None:
        with _trouble_at(str(self)):
            _ = self._connection

    @cached_property
    def _connection(self) -> tuple[FileSystem, str]:
        from pyarrow.fs import FileSystem

        system, path = FileSystem.from_uri(self.uri)
        system.create_dir(path, recursive=True)
        return system, path

    def put(self, name: str, content: bytes) -> None:
        with _trouble_at(str(self)):
            system, path = self._connection
            temporary = f"{path}/{_temporary(name)}"
            with system.open_output_stream(temporary) as stream:
                stream.write(content)
            system.move(temporary, f"{path}/{name}")

    def get(self, name: str) -> bytes | None:
        with _trouble_at(str(self)), contextlib.suppress(FileNotFoundError):
            system, path = self._connection
            try:
                with system.open_input_stream(f"{path}/{name}", compression=None) as stream:
                    content: bytes = stream.read()
                    return content
            except FileNotFoundError:
                raise
            except OSError:
                if system.get_file_info(f"{path}/{name}").is_file:
                    raise
                return b""
        return None

    def set_aside(self, name: str) -> str:
        aside = _aside(name)
        with _trouble_at(str(self)), contextlib.suppress(FileNotFoundError):
            system, path = self._connection
            system.move(f"{path}/{name}", f"{path}/{aside}")
        return aside

    def remove(self, name: str) -> None:
        with _trouble_at(str(self)), contextlib.suppress(FileNotFoundError):
            system, path = self._connection
            system.delete_file(f"{path}/{name}")

    def names(self) -> list[str]:
        return [entry.base_name for entry in self._entries()]

    def _entries(self) -> list[Any]:
        from pyarrow.fs import FileSelector

        with _trouble_at(str(self)):
            system, path = self._connection
            return list(system.get_file_info(FileSelector(path)))

    def files(self) -> list[File]:
        entries = self._entries()
        # A store that does not say when has no old files.
        return [File(one.base_name, one.size or 0, (one.mtime_ns or time.time_ns()) / 1e9) for one in entries]


def _temporary(name: str) -> str:
    return f"{name}.{uuid.uuid4().hex}{UNFINISHED}"


def _aside(name: str) -> str:
    return f"{name}.{uuid.uuid4().hex[:8]}{BROKEN}"


@contextlib.contextmanager
def _trouble_at(place: str) -> Iterator[None]:
    """An error of the system, or an address that cannot be, is one of the storage."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise StorageError([Problem(place=place, message=in_words(error))]) from error


def in_words(error: Exception) -> str:
    """What is said of trouble with the storage."""
    reason = without_password(getattr(error, "strerror", None) or str(error))
    return f"the storage is in trouble: {reason}; what is there stays, and is gone on from later"


def patiently(action: Callable[..., T], *arguments: Any) -> T:
    """Do it, again after each of PAUSES while the storage is in trouble, which the log says.

    Raises:
        StorageError: it still is.
    """
    for pause in PAUSES:
        try:
            return action(*arguments)
        except StorageError as error:
            logging.getLogger("madv").warning("%s; tried again in %g s", error.problems[0], pause)
            time.sleep(pause)
    return action(*arguments)
