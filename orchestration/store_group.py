"""Whose a sweep's store is: the user's alone, or a group's too (metadata.sweep.store.group)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from madv.errors import MadvError, Problem, SpecError
from madv.modes import keep
from orchestration.sections import Section, show

if TYPE_CHECKING:
    from orchestration.spec import SweepSpec

KEYS = ("group",)


def read_group(sweep: Section) -> str | None:
    """The group of a sweep file. That it exists is seen where the sweep runs, which may be elsewhere."""
    section = sweep.section("store")
    section.allow(KEYS)
    group = section.values.get("group")
    if "group" in section and (not isinstance(group, str) or not group.strip()):
        section.problem(f"must be the name of a group, not {show(group)}", "group")
    elif group is not None and "://" in str(sweep.values.get("storage_path", "")):
        section.problem("is of folders; who may read a storage_path with :// is for its own access rules", "group")
    else:
        return group
    return None


def keep_store(spec: SweepSpec, cache_root: Path) -> None:
    """Make store and clip cache as the sweep file says.

    Raises:
        SpecError: there is no such group, the user is none of it, or a folder is somebody else's.
    """
    folders = [] if "://" in spec.storage_path else [Path(spec.storage_path).expanduser()]
    try:
        keep(spec.group, *folders, cache_root)
    except MadvError as error:
        message = error.problems[0].message
        raise SpecError([Problem(place=spec.places.get("store.group", "store.group"), message=message)]) from None
