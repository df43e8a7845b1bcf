"""Which folders and files a data set would have for its annotation file: what a twin writes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from madv.data.annotations.places import HS, HS_LONG, LAYOUTS
from madv.data.annotations.record import Annotated, Annotations
from madv.data.annotations.smic import ONLY_SHORT, clip_of

MARKER = "madv-twin.json"
"""The file that says that a folder is a twin, and which."""
FRAMES_OF_UNLISTED = 34
"""Of a clip that SMIC's spreadsheet does not list: the mean of those that it does."""
_AFTER_LAST = 1000
"""Frames between two clips of one subject."""

_FILMS = {
    "0101": "disgustingteeth",
    "0102": "eatingworms",
    "0401": "girlcrashing",
    "0402": "beatingpregnantwoman",
    "0502": "funnyerrors",
    "0503": "unyielding",
    "0505": "funnyinnovations",
    "0507": "climbingthewall",
    "0508": "funnydunk",
}
"""What CAS(ME)^2 appends to the code of a film; readers go by the code alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Twin:
    """What a twin is made of; the same record, the same files, byte for byte with one version of the JPEG encoder."""

    like: str
    """The data set."""
    annotations: str
    """SHA-256 of the annotation file."""
    images: str
    """Which of its frames: as for `films`."""
    size: int
    """Height and width of a frame, pixels."""
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """One folder of frames, with the clips in it: one, or in CAS(ME)^2 several that may overlap."""

    folder: PurePosixPath
    """Below the data set's root."""
    prefix: str
    """Of a frame's name, before its number."""
    width: int
    """The number has at least so many digits."""
    subject: str
    clips: tuple[Annotated, ...]

    @property
    def numbers(self) -> list[int]:
        """Every frame number from each clip's onset to its offset, rising."""
        return sorted({number for clip in self.clips for number in span(clip)})

    def file(self, number: int) -> str:
        """Name of a frame."""
        return f"{self.prefix}{number:0{self.width}d}.jpg"


class Layout(NamedTuple):
    """How one data set names things."""

    base: str
    """The folder that holds the subjects' folders."""
    name: Callable[[Annotated], tuple[str, str, int]]
    """A clip's folder below it, prefix and width."""
    grey: bool = False


def twin_of(folder: Path) -> Twin | None:
    """What a folder is the twin of; None where it is none."""
    try:
        return Twin(**json.loads((folder / MARKER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def in_twin(folder: Path) -> bool:
    """Whether a folder is one or is somewhere in one."""
    place = folder.resolve()
    return any(twin_of(above) is not None for above in (place, *place.parents))


def films(annotations: Annotations, images: str = "") -> tuple[Film, ...]:
    """The folders of all clips, sorted.

    Args:
        annotations: of a data set that `IMAGES` lists.
        images: which frames: of CASME-II cropped or raw, of SMIC short or long; empty: the first.
    """
    layout = layout_of(annotations.kind, images)
    clips = annotations.clips
    if layout.base == HS:
        clips = (*clips, *unlisted(clips))
    found: dict[tuple[str, str, int], list[Annotated]] = {}
    for clip in clips:
        found.setdefault(layout.name(clip), []).append(clip)
    return tuple(
        Film(
            folder=PurePosixPath(layout.base, folder),
            prefix=prefix,
            width=width,
            subject=inside[0].subject,
            clips=tuple(inside),
        )
        for (folder, prefix, width), inside in sorted(found.items())
    )


def layout_of(kind: str, images: str = "") -> Layout:
    """The layout of a data set; `images` as for `films`."""
    return IMAGES[kind][images or next(iter(IMAGES[kind]))]


def unlisted(clips: Iterable[Annotated]) -> list[Annotated]:
    """The seven clips of SMIC that have a folder and no row: its numbering skips six, one comes after the last.

    Their frame numbers are unknown; here they go on after the subject's last. Only subjects among `clips` have any.
    """
    last: dict[str, int] = {}
    for clip in clips:
        last[clip.subject] = max(last.get(clip.subject, 0), span(clip)[-1])
    more = []
    for name in ONLY_SHORT:
        clip = clip_of(name)
        if clip.subject in last:
            onset = last[clip.subject] + _AFTER_LAST
            last[clip.subject] = onset + FRAMES_OF_UNLISTED - 1
            more.append(clip_of(name, None, onset, last[clip.subject]))
    return more


def span(clip: Annotated) -> range:
    """Frame numbers of a clip; the readers have seen to it that there are both ends."""
    assert clip.onset is not None and clip.offset is not None
    return range(clip.onset, clip.offset + 1)


def _casme2(prefix: str) -> Callable[[Annotated], tuple[str, str, int]]:
    return lambda clip: (clip.folder, prefix, 1)


def _samm(clip: Annotated) -> tuple[str, str, int]:
    # Five digits for some subjects and four for others, as downloaded.
    return clip.folder, f"{clip.subject}_", 5 if int(clip.subject) % 2 == 0 else 4


def _smic_short(clip: Annotated) -> tuple[str, str, int]:
    subject, name = clip.folder.split("/")
    return f"{subject}/micro/{clip.emotion}/{name}", "image", 1


def _smic_long(clip: Annotated) -> tuple[str, str, int]:
    return clip.folder, "image", 1


def _casme_sq(clip: Annotated) -> tuple[str, str, int]:
    code = re.search(r"_(\d{4})\*$", clip.folder)
    assert code is not None
    return clip.folder.replace("*", _FILMS.get(code[1], "")), "img", 3


IMAGES: dict[str, dict[str, Layout]] = {
    "casme2": {
        "cropped": Layout(LAYOUTS["casme2"]["cropped"][0], _casme2("reg_img")),
        "raw": Layout(LAYOUTS["casme2"]["raw"][0], _casme2("img")),
    },
    "samm": {"all": Layout(LAYOUTS["samm"][""][0], _samm, grey=True)},
    "smic": {"short": Layout(HS, _smic_short), "long": Layout(HS_LONG, _smic_long)},
    "casme_sq": {"all": Layout(LAYOUTS["casme_sq"][""][0], _casme_sq)},
}
"""By data set, and by which of its frames."""
