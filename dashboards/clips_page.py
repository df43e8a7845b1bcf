"""The page of single clips: what the network looked at, under the contact sheet of each.

What is drawn are the arrays of a `Look`; where they come from is not known here.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboards import html, tables
from dashboards.contact_sheet import WARM, Contact, Panel, Unit, bars, panels, strips
from madv.modes import public_folder
from madv.whole_file import write_whole

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """How one stream's attention at one level is shared out over a clip."""

    stream: str
    level: str
    over_frames: Array
    """(T',), sums to 1."""
    maps: Array | None
    """(K, h, w) at the frames that are shown; 1 is the even share; None: the stream has no picture."""
    regions: dict[str, float]
    """By region of the face or action unit: its share, divided by its share of the area; 1 is even."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A clip, what was said of it, and what was looked at."""

    sample_id: str
    contact: Contact
    class_names: tuple[str, ...]
    truth: int
    probabilities: tuple[float, ...]
    """(C,)"""
    attention: tuple[Attention, ...]
    weights: dict[tuple[str, str], float]
    """Of streams, by level and stream."""
    lacking: tuple[str, ...]
    """What cannot be shown, and why."""

    @property
    def predicted(self) -> int:
        """The class of the highest probability."""
        return int(np.argmax(self.probabilities))

    @property
    def said(self) -> str:
        """Right or wrong, in words."""
        truth, found = self.class_names[self.truth], self.class_names[self.predicted]
        sure = f"{max(self.probabilities):.0%}"
        return f"{truth}, recognised ({sure})" if truth == found else f"{truth}, taken for {found} ({sure})"


def write_clips(looks: list[Look], head: dict[str, str], folder: Path) -> Path:
    """Write clips.html, which opens from disk, and clips.csv beside it.

    Args:
        looks: at least one.
        head: title and question, variant, seed and what else is said above all clips.
        folder: of the report.
    """
    data = numbers(looks)
    public_folder(folder)
    drawn = [(look, [(panel, _picture(panel)) for panel in look_panels(look)], weight_rows(look)) for look in looks]
    page = html.render(
        "clips.html.j2", clips=drawn, head=head, style=html.asset("page.css"), download=html.download(data)
    )
    write_whole(folder / "clips.csv", tables.csv(data))
    write_whole(folder / "clips.html", page)
    return folder / "clips.html"


def numbers(looks: list[Look]) -> pd.DataFrame:
    """Everything that is drawn but the pictures: one row a number.

    Columns: sample_id; what (probability, stream weight, attention by frame, attention by region); stream, level and
    place (class, frame or region), empty where there is none; value.
    """
    rows: list[tuple[str, str, str, str, str, float]] = []
    for look in looks:
        name = look.sample_id
        rows += [
            (name, "probability", "", "", one, value)
            for one, value in zip(look.class_names, look.probabilities, strict=True)
        ]
        rows += [(name, "stream weight", stream, level, "", value) for (level, stream), value in look.weights.items()]
        for one in look.attention:
            where = (one.stream, one.level)
            frames = enumerate(one.over_frames.tolist(), start=1)
            rows += [(name, "attention by frame", *where, str(frame), value) for frame, value in frames]
            rows += [(name, "attention by region", *where, region, value) for region, value in one.regions.items()]
    return pd.DataFrame(rows, columns=["sample_id", "what", "stream", "level", "place", "value"])


def weight_rows(look: Look) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Streams, and by level their weights in words."""
    streams = list(dict.fromkeys(stream for _, stream in look.weights))
    levels = dict.fromkeys(level for level, _ in look.weights)
    return streams, [(level, [f"{look.weights[level, stream]:.2f}" for stream in streams]) for level in levels]


def look_panels(look: Look) -> list[Panel]:
    """Where the network looked, then the contact sheet."""
    contact, drawn = look.contact, []
    rows = [
        (f"{one.stream}, {one.level}", _laid_over(contact.texture, one.maps))
        for one in look.attention
        if one.maps is not None
    ]
    if rows:
        caption = "Attention of the class token: grey up to its even share, fully orange from twice of it on."
        drawn.append(Panel(title="Where it looks", caption=caption, image=strips(rows, contact.frames)))
    units = tuple(
        Unit(name=f"{one.stream}, {one.level}", coded=False, values=one.over_frames)
        for one in look.attention
        if len(one.over_frames) > 1
    )
    if units:
        caption = "Share of attention by frame, of one scale; levels may have fewer frames than the clip."
        drawn.append(Panel(title="When it looks", caption=caption, image=bars(units, len(contact.frames))))
    return drawn + panels(contact)


def _laid_over(texture: Array, maps: Array) -> Array:
    """(K, H, W, 3) the clip in grey, orange where the maps (K, h, w) are above 1."""
    height, width = texture.shape[1:3]
    rows = np.arange(height) * maps.shape[1] // height
    columns = np.arange(width) * maps.shape[2] // width
    amount = np.clip(maps - 1, 0, 1)[:, rows][:, :, columns][..., None] * 0.75
    grey = texture.mean(axis=-1, keepdims=True)
    laid: Array = (grey * (1 - amount) + amount * np.array(WARM, np.float32) / 255).astype(np.float32)
    return laid


def _picture(panel: Panel) -> str:
    """WebP: a sixth of PNG's bytes, and a page has dozens."""
    data = io.BytesIO()
    panel.image.save(data, "WEBP", quality=85)
    return base64.b64encode(data.getvalue()).decode()
