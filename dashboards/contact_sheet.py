"""The contact sheet of one clip: frames, their change, depth, action units over time and depth disparity by region.

What is drawn are the arrays of a `Contact`; where they come from is not known here. A panel is a picture, so that the
PNG file and the page show the same.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from dashboards import html
from madv.errors import MadvError
from madv.modes import public_folder, publish

Array = npt.NDArray[np.float32]

SUFFIXES = (".png", ".html")
CELL, GAP, MARGIN, LABEL = 132, 4, 20, 110
"""Pixels: side of a picture, between two, around the sheet, and width of the names on the left."""
BAR = 34
"""Height of a row of bars."""
PAPER, INK, MUTED, RULE = (253, 253, 251), (28, 32, 36), (93, 101, 109), (223, 226, 227)
WARM, COLD = (213, 94, 0), (0, 114, 178)
"""More and less than at the onset; told apart with any colour vision."""

_SIGNED = "More is orange, less is blue; saturation is the amount."
_NEARER = "Nearer is orange, farther is blue; saturation is the amount."


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One action unit over time."""

    name: str
    coded: bool
    """Annotated by a coder for this clip."""
    values: Array | None
    """(T,) intensities; None: not estimated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """The depth disparity around one action unit's place on the face (the paper's Figure 19)."""

    name: str
    box: tuple[int, int, int, int]
    """Left, top, right, bottom, pixels of the clip."""
    maps: Array
    """(K, h, w): depth less that of the onset, 0 at the onset; 1 is the largest of all regions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """What a contact sheet shows: K of a clip's T frames."""

    title: str
    facts: tuple[str, ...]
    frames: tuple[str, ...]
    """(K,) what each column is: "46 onset"."""
    places: tuple[int, ...]
    """(K,) which of the T frames it is, from 0."""
    texture: Array
    """(K, H, W, 3), 0 to 1."""
    difference: Array
    """(K, H, W) luminance less that of the onset, -1 to 1."""
    depth: Array | None
    """(K, H, W), 0 far to 1 near; None: the data set has none."""
    regions: tuple[Region, ...]
    units: tuple[Unit, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One part of the sheet."""

    title: str
    caption: str
    image: Image.Image


def write(contact: Contact, path: Path) -> None:
    """Draw the sheet into a .png or .html file.

    Raises:
        MadvError: another suffix, or the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise MadvError(f"{path}: a contact sheet is a .png or an .html file; name one")
    drawn = panels(contact)
    try:
        public_folder(path.parent)
        if path.suffix.lower() == ".png":
            sheet(contact, drawn).save(path)
        else:
            path.write_text(page(contact, drawn), encoding="utf-8")
        publish(path)
    except OSError as error:
        raise MadvError(f"{path}: cannot be written: {error.strerror or error}") from None


def panels(contact: Contact) -> list[Panel]:
    """The parts that the clip has."""
    rows_of = {
        "Frames": (contact.texture, "The clip as the network sees it."),
        "Frame difference": (signed(contact.difference), f"Luminance less that of the onset. {_SIGNED}"),
    }
    if contact.depth is not None:
        rows_of["Depth"] = (np.repeat(contact.depth[..., None], 3, axis=-1), "Near is bright.")
    drawn = [
        Panel(title=title, caption=caption, image=strips([("", pictures)], contact.frames))
        for title, (pictures, caption) in rows_of.items()
    ]
    if contact.regions:
        rows = [(region.name, signed(region.maps)) for region in contact.regions]
        caption = f"Depth less that of the onset, around each action unit's place. {_NEARER}"
        drawn.append(
            Panel(title="Depth disparity by region", caption=caption, image=strips(rows, contact.frames, CELL * 2 // 3))
        )
    if contact.units:
        caption = "Intensity over all frames, of one scale; * annotated."
        drawn.append(Panel(title="Action units", caption=caption, image=bars(contact.units, len(contact.frames))))
    return drawn


def signed(values: Array) -> Array:
    """(..., 3) colours of values from -1 to 1: white is 0, saturation grows with the amount."""
    amount = np.clip(np.abs(values), 0, 1)[..., None]
    hue = np.where(values[..., None] > 0, np.array(WARM), np.array(COLD)) / 255
    colours: Array = (1 - amount * (1 - hue)).astype(np.float32)
    return colours


def sheet(contact: Contact, drawn: list[Panel]) -> Image.Image:
    """All panels in one picture, with their words."""
    head = 34 + 18 * len(contact.facts)
    width = max(panel.image.width for panel in drawn) + 2 * MARGIN
    whole = Image.new("RGB", (width, head + 2 * MARGIN + sum(panel.image.height + 52 for panel in drawn)), PAPER)
    pen = ImageDraw.Draw(whole)
    pen.text((MARGIN, MARGIN), contact.title, INK, ImageFont.load_default(20))
    for line, fact in enumerate(contact.facts):
        pen.text((MARGIN, MARGIN + 28 + 18 * line), fact, MUTED, ImageFont.load_default(13))
    top = head + MARGIN
    for panel in drawn:
        pen.text((MARGIN, top), panel.title, INK, ImageFont.load_default(15))
        pen.text((MARGIN, top + 19), panel.caption, MUTED, ImageFont.load_default(12))
        whole.paste(panel.image, (MARGIN, top + 38))
        top += panel.image.height + 52
    return whole


def page(contact: Contact, drawn: list[Panel]) -> str:
    """A page that opens from disk: each panel under its heading."""
    pictures = [(panel, base64.b64encode(_png(panel.image)).decode()) for panel in drawn]
    return html.render("contact_sheet.html.j2", contact=contact, panels=pictures, style=html.asset("page.css"))


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def strips(rows: list[tuple[str, Array]], columns: tuple[str, ...], height: int = CELL) -> Image.Image:
    """Rows of pictures (K, h, w, 3) under the names of the columns, each as large as its cell allows."""
    top = 20
    size = (LABEL + len(columns) * (CELL + GAP), top + len(rows) * (height + GAP))
    whole = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(whole)
    for column, name in enumerate(columns):
        pen.text((LABEL + column * (CELL + GAP), 2), name, MUTED, ImageFont.load_default(12))
    for row, (name, pictures) in enumerate(rows):
        y = top + row * (height + GAP)
        pen.text((0, y + 4), name, INK, ImageFont.load_default(13))
        for column, picture in enumerate(pictures):
            scale = min(CELL / picture.shape[1], height / picture.shape[0])
            extent = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
            pixels = Image.fromarray((np.clip(picture, 0, 1) * 255).round().astype(np.uint8))
            whole.paste(pixels.resize(extent, Image.Resampling.BILINEAR), (LABEL + column * (CELL + GAP), y))
    return whole


def bars(units: tuple[Unit, ...], columns: int) -> Image.Image:
    """A row of bars a unit: one a frame, up from the zero line or down."""
    width = columns * (CELL + GAP) - GAP
    whole = Image.new("RGB", (LABEL + width + GAP, len(units) * (BAR + GAP)), PAPER)
    pen = ImageDraw.Draw(whole)
    there = [unit.values for unit in units if unit.values is not None]
    high = max((float(values.max(initial=0)) for values in there), default=1.0)
    low = min((float(values.min(initial=0)) for values in there), default=0.0)
    scale = BAR / max(high - low, 1e-6)
    for row, unit in enumerate(units):
        top = row * (BAR + GAP)
        zero = top + high * scale
        pen.text((0, top + BAR / 2 - 8), f"{unit.name}{' *' if unit.coded else ''}", INK, ImageFont.load_default(13))
        if unit.values is None:
            pen.text((LABEL, top + BAR / 2 - 8), "no estimate", MUTED, ImageFont.load_default(12))
            continue
        pen.line((LABEL, zero, LABEL + width, zero), RULE)
        step = width / len(unit.values)
        for frame, value in enumerate(unit.values.tolist()):
            left, end = LABEL + frame * step, zero - value * scale
            colour = WARM if unit.coded else COLD
            pen.rectangle((left + 1, min(zero, end), left + max(step - 2, 2), max(zero, end)), colour)
    return whole
