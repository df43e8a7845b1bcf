"""What the paper publishes (Tables 2 to 5), as it prints it: shown beside our figures, never tested against them."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

PROTOCOL = "protocol unknown"
"""The paper does not say how its clips were split."""
LIKE = "_like"
"""Ends the name of a preset whose clips are made up with the classes and counts of a real data set."""
TABLES = {"smic": ("SMIC", 2), "casme2": ("CASME-II", 3), "casme_sq": ("CAS(ME)²", 4), "samm": ("SAMM", 5)}
"""By preset: the data set's name, and the table that has its figures."""
SUMMARIES = ("average", "macro_f1")
"""Quantities of published.csv that are no class: mean recall in per cent, and Eq. 30."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footnote:
    """A figure that the paper's text and table give differently."""

    method: str
    quantity: str
    said: str
    """Both figures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """One table of the paper."""

    title: str
    """The data set's name."""
    table: int
    made_up: bool
    """The study's clips are synthetic, with this data set's classes and counts."""
    classes: tuple[str, ...]
    """In the order of its columns."""
    figures: Mapping[str, Mapping[str, str]]
    """Method -> class or one of SUMMARIES -> as printed: recall in per cent, macro-F1 as a share."""
    footnotes: tuple[Footnote, ...]


FOOTNOTES: Mapping[str, tuple[Footnote, ...]] = {
    "casme2": (
        Footnote(method="MADV-Net", quantity="happiness", said="Section 4.5: 88.24. Table 3: 94.12."),
        Footnote(
            method="MAE-DFER",
            quantity="happiness",
            said="Section 4.3.2: 6.3 below MADV-Net. Table 3: 90.00 and 94.12.",
        ),
        Footnote(method="MADV-Net", quantity="repression", said="Section 4.5: 91.50. Table 3: 91.30."),
        Footnote(method="MADV-Net", quantity="average", said="Section 4.4.2: 89.50. Table 3: 89.94."),
    ),
    "casme_sq": (
        Footnote(
            method="MAE-DFER",
            quantity="happiness",
            said="Section 4.3.3: 8.7 below MADV-Net. Table 4: 91.85 and 92.90.",
        ),
        Footnote(method="MADV-Net", quantity="macro_f1", said="Section 4.3.3: 0.82. Table 4: 0.78."),
    ),
    "samm": (
        Footnote(method="VideoMAE", quantity="average", said="Section 4.4.4: 85. Table 5: 88.14."),
        Footnote(
            method="MAE-DFER",
            quantity="average",
            said="Section 4.4.4: 88; Section 4.3.4: 5.2 to 8.7 below MADV-Net. Table 5: 89.85 and 89.53.",
        ),
        Footnote(method="MADV-Net", quantity="average", said="Section 4.4.4: over 90. Table 5: 89.53."),
    ),
}


def published(dataset: str) -> Published | None:
    """The paper's table of a data set; None where it has none.

    Args:
        dataset: name of the preset, such as casme2, or casme2_like for its synthetic likeness.
    """
    name = dataset.removesuffix(LIKE)
    if name not in TABLES:
        return None
    title, table = TABLES[name]
    figures = _figures()[name]
    return Published(
        title=title,
        table=table,
        made_up=dataset.endswith(LIKE),
        classes=tuple(quantity for quantity in next(iter(figures.values())) if quantity not in SUMMARIES),
        figures=figures,
        footnotes=FOOTNOTES.get(name, ()),
    )


def methods() -> tuple[str, ...]:
    """Names in the order of the paper's tables, which is the same in all."""
    return tuple(next(iter(_figures().values())))


@functools.cache
def _figures() -> dict[str, dict[str, dict[str, str]]]:
    """Data set -> method -> quantity -> as printed, in the order of the paper."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for row in csv.DictReader((files("dashboards") / "published.csv").read_text(encoding="utf-8").splitlines()):
        found.setdefault(row["dataset"], {}).setdefault(row["method"], {})[row["quantity"]] = row["value"]
    return found
