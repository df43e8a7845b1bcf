"""Where a data set's frames are below the folder that was downloaded."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

HS, HS_LONG = "HS", "HS_long/SMIC_HS_E"
"""SMIC's short clips, onset to offset, and the long recordings that hold them."""

LAYOUTS: dict[str, dict[str, tuple[str, ...]]] = {
    "casme2": {"cropped": ("Cropped",), "raw": ("CASME2_RAW_selected",)},
    "samm": {"": ("SAMM",)},
    "smic": {"": (HS, HS_LONG)},
    "casme_sq": {"": ("rawpic",)},
}
"""The folder that holds the subjects' folders, by data set and kind of images; the first that is there counts."""

_SUBJECTS = {"casme2": r"sub\d+", "samm": r"\d{1,3}", "smic": r"s\d+", "casme_sq": r"s\d+"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The folder that holds the subjects' folders."""

    root: Path
    """The folder of the data set."""
    base: PurePosixPath
    """Relative to it; "." where the root is that folder."""
    layout: str
    """What the folder is called as downloaded: a name of LAYOUTS."""
    _names: dict[Path, tuple[str, ...]] = field(init=False, default_factory=dict, repr=False, compare=False)

    def clip(self, folder: str) -> str | None:
        """An annotated folder (may hold `*`) as it is called on disk, relative to the root; None: not there or unclear.

        Case and leading zeros may differ from the annotation (s1_ne_01 for s01_ne_01) where only one folder fits.
        """
        here = self.base
        for part in PurePosixPath(folder).parts:
            name = _fitting(part, self.names(here))
            if name is None:
                return None
            here /= name
        return str(here) if (self.root / here).is_dir() else None

    def names(self, folder: PurePosixPath | str = "") -> tuple[str, ...]:
        """Sorted names in a folder relative to the root, listed once; by default in the base."""
        path = self.root / (folder or self.base)
        if path not in self._names:
            self._names[path] = listed(path)
        return self._names[path]


def locate(kind: str, root: Path, images: str = "") -> Place | None:
    """Find the folder that holds the subjects' folders: below the root, one folder deeper, or the root itself.

    Args:
        kind: casme2, samm, smic or casme_sq.
        root: the folder as downloaded.
        images: of CASME-II, cropped or raw.
    """
    layouts = LAYOUTS[kind][images]
    for layout in layouts:
        for top in (".", *listed(root)):
            start = Place(root=root, base=PurePosixPath(top), layout=layout)
            base = start.clip(layout)
            if base is not None and _holds_subjects(kind, start.names(base)):
                return Place(root=root, base=PurePosixPath(base), layout=layout)
    others = {name for names in LAYOUTS[kind].values() for name in names} - set(layouts)
    if not _holds_subjects(kind, listed(root)) or root.resolve().name in others:
        return None
    layout = layouts[0]
    if kind == "smic" and not any((root / name / "micro").is_dir() for name in listed(root)):
        layout = HS_LONG
    return Place(root=root, base=PurePosixPath("."), layout=layout)


def frame_numbers(folder: Path) -> list[int]:
    """Sorted numbers at the end of the names of the files in a folder; names without one are no frames."""
    numbers = (re.search(r"(\d+)\.[A-Za-z]+$", name) for name in listed(folder))
    return sorted(int(number[1]) for number in numbers if number)


def listed(folder: Path) -> tuple[str, ...]:
    """Sorted names in a folder, less hidden ones; none where there is no such folder."""
    try:
        return tuple(sorted(name for name in os.listdir(folder) if not name.startswith(".")))
    except OSError:
        return ()


def _holds_subjects(kind: str, names: tuple[str, ...]) -> bool:
    return any(re.fullmatch(_SUBJECTS[kind], name, re.IGNORECASE) for name in names)


def _fitting(wanted: str, names: tuple[str, ...]) -> str | None:
    if wanted in names:
        return wanted
    fitting = [name for name in names if fnmatchcase(_plain(name), _plain(wanted))]
    return fitting[0] if len(fitting) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"0*(\d+)", r"\1", name.casefold())
