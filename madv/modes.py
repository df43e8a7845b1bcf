"""Who may read what is written: stores are the user's own, or a group's that is named; reports as the umask says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from madv.errors import MadvError, Problem, StorageError

OWN, GROUP = 0o077, 0o007
"""Masks of this process and its children: what they make is the user's alone, or the group's as well."""
SHARED = 0o2770
"""Of a folder that is a group's: what is made below it is the group's, too."""
_usual = os.umask(OWN)
os.umask(_usual)
_group: int | None = None


def keep(group: str | None, *folders: Path) -> None:
    """From now on this process makes stores for the user alone, or for a group.

    A folder that is a group's already stays it, so that whoever else of the group sweeps there need not name it.

    Args:
        group: by name; None: the user's alone.
        folders: of the stores; those that are not there are made.

    Raises:
        MadvError: there is no such group, the user is none of it, or a folder is somebody else's.
    """
    global _group
    _group = _shared_by(folders[0]) if group is None and folders else _number(group) if group else None
    os.umask(OWN if _group is None else GROUP)
    for folder in folders if group else ():
        try:
            group_folder(folder)
            if _shared_by(folder) != _group:
                for path in (folder, *folder.rglob("*")):  # what was there is handed over
                    hand_over(path)
        except OSError as error:
            raise MadvError(f"{folder} cannot be given to the group {group!r}: {error.strerror}") from None
        except StorageError as error:
            raise MadvError(f"{folder} cannot be given to the group {group!r}: {error}") from None


def keep_as(mask: int) -> None:
    """In a worker: what the driver's mask is."""
    os.umask(mask)


def mask() -> int:
    """Of what is made from now on."""
    return OWN if _group is None else GROUP


def hand_over(path: Path) -> None:
    """Give a file or folder that was made outside the group's folders to the group, if there is one."""
    if _group is not None and not path.is_symlink():
        os.chown(path, -1, _group)
        path.chmod(SHARED if path.is_dir() else 0o660)


def group_folder(folder: Path) -> None:
    """Make a folder, and those above it, outside of others that are the group's."""
    for one in _make(folder):
        hand_over(one)


def publish(path: Path) -> None:
    """Let everybody read a file, or enter a folder, whom the user's own umask allows to: reports are for showing."""
    path.chmod((0o777 if path.is_dir() else 0o666) & ~_usual)


def public_folder(folder: Path) -> None:
    """Make a folder of a report, and those above it."""
    for one in _make(folder):
        publish(one)


def _make(folder: Path) -> list[Path]:
    """Make a folder; those that had not been there, the uppermost first."""
    with writing(folder):
        missing = [one for one in (folder, *folder.parents) if not one.exists()][::-1]
        folder.mkdir(parents=True, exist_ok=True)
    return missing


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """A file or folder that cannot be written is trouble of the storage."""
    try:
        yield
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}; the same command writes it once it can be"
        raise StorageError([Problem(place=str(place), message=message)]) from error


def _number(group: str) -> int:
    import grp

    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        raise MadvError(f"there is no group {group!r} on this machine; `id -Gn` lists yours") from None
    if os.geteuid() != 0 and number not in (os.getegid(), *os.getgroups()):
        raise MadvError(f"you are no member of the group {group!r}; `id -Gn` lists those you are in")
    return number


def _shared_by(folder: Path) -> int | None:
    """The group that a folder is shared with."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_gid if found.st_mode & SHARED == SHARED else None
