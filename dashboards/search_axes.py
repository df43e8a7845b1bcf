"""The settings of a search as axes: which vary, between what, and where on its axis a value lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

LOGARITHMIC = 20
"""From this ratio of the greatest to the least on, an axis may be logarithmic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One setting that varies."""

    setting: str
    choices: tuple[str, ...] = ()
    """In the order in which they came; empty of numbers."""
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    def place(self, value: str | None) -> float | None:
        """Where a value lies, from 0 to 1; None of a setting that does not exist there."""
        if value is None:
            return None
        if self.choices:
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        low, high, own = (np.log(one) if self.log else one for one in (self.low, self.high, float(value)))
        return float((own - low) / (high - low))

    def value(self, place: float) -> float:
        """The number at a place."""
        if self.log:
            return float(self.low * (self.high / self.low) ** place)
        return self.low + place * (self.high - self.low)

    @property
    def ends(self) -> tuple[str, str]:
        """What is written at 0 and at 1."""
        if self.choices:
            return self.choices[0], self.choices[-1]
        return f"{self.low:.3g}", f"{self.high:.3g}"


def find_axes(trials: pd.DataFrame, importance: Mapping[str, float]) -> list[Axis]:
    """The settings with more than one value, the most important first.

    Args:
        trials: of search_figures.finished: settings as text follow the column top.
        importance: share of a parameter; settings without one, the parts of a simplex, share what no setting has.
    """
    settings = list(trials.columns[list(trials.columns).index("top") + 1 :])
    parts = [name for name in settings if name not in importance]
    left = sum(share for name, share in importance.items() if name not in settings)
    shares = dict.fromkeys(parts, left / max(1, len(parts))) | dict(importance)
    found = [_axis(name, trials[name].dropna().unique().tolist()) for name in settings]
    return sorted((axis for axis in found if axis), key=lambda axis: -shares[axis.setting])


def _axis(setting: str, values: list[str]) -> Axis | None:
    if len(values) < 2:
        return None
    try:
        numbers = np.array(values, float)
    except ValueError:
        return Axis(setting=setting, choices=tuple(values))
    low, high = float(numbers.min()), float(numbers.max())
    if low == high:
        return None
    even, logarithmic = (Axis(setting=setting, low=low, high=high, log=log) for log in (False, True))
    if low <= 0 or high / low < LOGARITHMIC:
        return even
    # Whichever has the values spread to both sides of its middle.
    middle = str(np.median(numbers))
    return min((even, logarithmic), key=lambda axis: abs((axis.place(middle) or 0.0) - 0.5))
