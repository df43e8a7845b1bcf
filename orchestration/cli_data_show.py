"""The command `madv data show`: the contact sheet of one clip."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.text import Text

from dashboards.contact_sheet import SUFFIXES, Contact, Region, Unit, write
from madv.compose import compose
from madv.data.au_flow import REGIONS
from madv.data.cache import load
from madv.data.facs import parse
from madv.errors import DataError, MadvError, Problem
from orchestration.prepared import own_cache

if TYPE_CHECKING:
    from madv.data.clips import Clips

Array = npt.NDArray[np.float32]

MOST_FRAMES, MOST_REGIONS, MOST_UNITS = 8, 6, 12


def show(overrides: Sequence[str], clip: str | None, out: Path) -> int:
    """Draw a clip, by default the first."""
    if out.suffix.lower() not in SUFFIXES:
        raise MadvError(f"--out {out}: a contact sheet is a .png or an .html file; name one")
    clips = load(compose(overrides).dataset, own_cache())
    sheet = contact(clips, _row(clips, clip))
    write(sheet, out)
    Console(highlight=False).print(Text(f"{sheet.title}: {out}"), soft_wrap=True)
    return 0


def contact(clips: Clips, row: int) -> Contact:
    """What the contact sheet of a clip shows.

    Frames are compared with the one nearest to the onset. Depth disparity is less its median over the frame, which is
    the head's own movement.
    """
    clip = clips.manifest.iloc[row]
    streams = {name: clips.signal(name, np.array([row]))[0] for name in clips.streams}
    texture = streams["texture"]  # (3, T, H, W)
    times = _times(clip, texture.shape[1])
    marks = {mark: _nearest(times, clip[mark]) for mark in ("onset", "apex", "offset")}
    onset, apex = marks["onset"] or 0, marks["apex"]
    shown = _columns(len(times), [mark for mark in marks.values() if mark is not None])
    luminance = texture.mean(axis=0)
    coded = _coded(clips, row)
    depth = streams["depth"][0] if "depth" in streams else None  # (T, H, W)
    disparity = None if depth is None else depth - depth[onset]
    if disparity is not None:
        disparity -= np.median(disparity, axis=(1, 2), keepdims=True)
    return Contact(
        title=f"{clip['sample_id']} ({clip['dataset']})",
        facts=_facts(clip, clips),
        frames=tuple(_name(times[frame], frame, marks) for frame in shown),
        places=tuple(shown),
        texture=_scaled(texture)[:, shown].transpose(1, 2, 3, 0),
        difference=_signed(luminance - luminance[onset])[shown],
        depth=None if depth is None else _scaled(depth)[shown],
        regions=() if disparity is None else _regions(disparity, shown, coded, onset if apex is None else apex),
        units=_units(clips, streams.get("au"), coded),
    )


def _row(clips: Clips, name: str | None) -> int:
    names = clips.manifest["sample_id"].tolist()
    if name is None:
        return 0
    if name in names:
        return int(names.index(name))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.3) or names[:3]
    message = f"no clip {name!r} among the {len(names)}; there are {', '.join(near)} ..."
    raise DataError([Problem(place="--clip", message=message)])


def _times(clip: Any, frames: int) -> npt.NDArray[np.float64]:
    """(T,) frame numbers, as the annotation counts."""
    if "first_frame" in clip.index:
        return np.linspace(clip["first_frame"], clip["last_frame"], frames)
    return np.arange(frames, dtype=np.float64)


def _nearest(times: npt.NDArray[np.float64], number: Any) -> int | None:
    return int(np.abs(times - float(number)).argmin()) if _is_there(number) else None


def _is_there(value: Any) -> bool:
    import pandas as pd

    return not pd.isna(value)


def _columns(frames: int, marks: list[int]) -> list[int]:
    """At most MOST_FRAMES frames: the marked ones, and others as evenly spread as can be."""
    chosen = set(np.linspace(0, frames - 1, min(frames, MOST_FRAMES)).round().astype(int).tolist())
    for mark in marks:
        if mark not in chosen:
            chosen.remove(min(chosen - set(marks), key=lambda frame: abs(frame - mark)))
            chosen.add(mark)
    return sorted(chosen)


def _name(time: float, frame: int, marks: dict[str, int | None]) -> str:
    return " ".join([f"{time:.5g}", *(mark for mark, place in marks.items() if place == frame)])


def _facts(clip: Any, clips: Clips) -> tuple[str, ...]:
    names = ("subject", "emotion", "onset", "apex", "offset", "action_units", "fps", "notes")
    said = [f"{name.replace('_', ' ')} {clip[name]}" for name in names if name in clip.index and _is_there(clip[name])]
    lacking = [f"no {name} stream: set dataset.{name}.source" for name in ("depth", "au") if name not in clips.streams]
    return (", ".join([f"class {clips.class_names[clip['label']]}", *said]), *lacking)


def _coded(clips: Clips, row: int) -> list[str]:
    """Names of the annotated action units, by number."""
    if clips.au_targets is not None:
        return [name for name, there in zip(clips.au_names, clips.au_targets[row] > 0, strict=True) if there]
    cell = clips.manifest.iloc[row].get("action_units")
    numbers = {unit.number for unit in parse(cell if isinstance(cell, str) else None).units}
    return [f"AU{number}" for number in sorted(numbers)]


def _regions(disparity: Array, shown: list[int], coded: list[str], apex: int) -> tuple[Region, ...]:
    """The annotated units' regions, then those that move most at the apex."""
    size = disparity.shape[-1]
    boxes = {name: region_box(name, size) for name in REGIONS}
    moved = {name: float(np.abs(_cut(disparity[apex], box)).mean()) for name, box in boxes.items()}
    order = sorted(REGIONS, key=lambda name: (name not in coded, -moved[name]))[:MOST_REGIONS]
    most = max((float(np.abs(_cut(disparity[shown], boxes[name])).max()) for name in order), default=0.0) or 1.0
    return tuple(
        Region(
            name=f"{name}{' *' if name in coded else ''}",
            box=boxes[name],
            maps=_cut(disparity[shown], boxes[name]) / np.float32(most),
        )
        for name in order
    )


def region_box(name: str, size: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom around both sides of a unit's region, two widths out."""
    (x, y), width, _ = REGIONS[name]
    edges = (np.array([-x - 2 * width, y - 2 * width, x + 2 * width, y + 2 * width]) + 1) * size / 2
    left, top, right, bottom = np.clip(edges.round().astype(int), 0, size).tolist()
    return left, top, right, bottom


def _cut(maps: Array, box: tuple[int, int, int, int]) -> Array:
    left, top, right, bottom = box
    return maps[..., top:bottom, left:right]


def _units(clips: Clips, values: Array | None, coded: list[str]) -> tuple[Unit, ...]:
    """Annotated units first, then those that are estimated strongest."""
    names = list(clips.au_names)
    if values is None or len(values) != len(names):
        return tuple(Unit(name=name, coded=True, values=None) for name in coded[:MOST_UNITS])
    peak = {name: float(np.abs(row).max()) for name, row in zip(names, values, strict=True)}
    order = sorted(names, key=lambda name: (name not in coded, -peak[name]))[:MOST_UNITS]
    estimated = [Unit(name=name, coded=name in coded, values=values[names.index(name)]) for name in order]
    return (*(Unit(name=name, coded=True, values=None) for name in coded if name not in names), *estimated)[:MOST_UNITS]


def _scaled(values: Array) -> Array:
    """To 0..1 by the clip's darkest and brightest percent."""
    low, high = np.percentile(values, [1, 99])
    scaled: Array = np.clip((values - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    return scaled


def _signed(values: Array) -> Array:
    """To -1..1, where 0 stays."""
    return values / np.float32(max(float(np.abs(values).max()), 1e-6))
