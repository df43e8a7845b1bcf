"""Which action units an emotion shows (the paper's Table 1), and which emotions a class of a data set holds."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Display(NamedTuple):
    """One action unit as it is shown."""

    action_unit: str
    strength: float = 1.0
    """1 is intensity B, as in the table's 5B; A is weaker."""
    side: Literal["both", "right"] = "both"
    """Of the person's face: the right is on the left of the picture."""


TRACE = 0.6
"""Strength of intensity A."""


def _both(*numbers: int) -> tuple[Display, ...]:
    return tuple(Display(f"AU{number}") for number in numbers)


EMOTIONS: dict[str, tuple[Display, ...]] = {
    "happiness": _both(6, 12),
    "sadness": _both(1, 4, 15),
    "surprise": _both(1, 2, 5, 26),
    "fear": _both(1, 2, 4, 5, 7, 20, 26),
    "anger": _both(4, 5, 7, 23),
    "disgust": _both(9, 15, 16),
    "contempt": (Display("AU12", TRACE, "right"), Display("AU14", TRACE, "right")),
    # Not in Table 1, but classes of CASME-II and SAMM: the commonest coding of each in CASME-II that Table 1's action
    # units can show (AU4 in 59 of 99 "others", AU14 and AU15 in "repression", whose AU17 the table lacks).
    "others": _both(4),
    "repression": _both(14, 15),
}

CLASSES: dict[str, tuple[str, ...]] = {
    **{emotion: (emotion,) for emotion in EMOTIONS},
    "negative": ("anger", "contempt", "disgust", "fear", "sadness"),
    "positive": ("happiness",),
}
"""Emotions of each class; the clips of a class show its emotions in turn."""

AU_NAMES: tuple[str, ...] = tuple(
    sorted(
        {display.action_unit for emotion in EMOTIONS.values() for display in emotion}, key=lambda name: int(name[2:])
    )
)
"""All action units of Table 1. Like most coders of intensity, they do not tell the sides of the face apart."""
