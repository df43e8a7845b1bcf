"""Annotated action units as if they had been estimated: an oracle input, near the label, that is asked for by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from madv.errors import DataError

if TYPE_CHECKING:
    from madv.data.clips import Clips


def annotated_intensities(clips: Clips, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Each annotated unit rises from the onset to the apex and falls to the offset, in straight lines.

    A clip's frames are spread evenly over the numbers first_frame to last_frame of the manifest, in which onset, apex
    and offset count too; without these columns they are the numbers 0 to T - 1. A missing onset or offset is the
    clip's end; an apex that is missing, or not after the onset and by the offset, is the middle of the two.

    Args:
        clips: with annotated units.
        rows: of the clips that are asked for.

    Returns:
        (n, n_au, T): 0 at onset and offset, 1 at the apex for the units of the clip, 0 throughout for all others.

    Raises:
        DataError: the data set has no annotated units.
    """
    if clips.au_targets is None:
        raise DataError("the data set has no annotated action units: set model.au.source=estimated")
    frames = next(iter(clips.streams.values())).shape[2]
    first = _numbers(clips, "first_frame", rows, 0)
    last = _numbers(clips, "last_frame", rows, frames - 1)
    shape = np.stack(
        [
            _triangle(np.linspace(start, end, frames), *times)
            for start, end, *times in zip(
                first,
                last,
                _numbers(clips, "onset", rows, first),
                _numbers(clips, "apex", rows, np.nan),
                _numbers(clips, "offset", rows, last),
                strict=True,
            )
        ]
    )
    intensities: npt.NDArray[np.float32] = np.asarray(clips.au_targets[rows])[:, :, None] * shape[:, None].astype(
        np.float32
    )
    return intensities


def _triangle(times: npt.NDArray[np.float64], onset: float, apex: float, offset: float) -> npt.NDArray[np.float64]:
    """0 at the onset and before, 1 at the apex, 0 at the offset and after; an apex at the offset stays."""
    if not onset < apex <= offset:
        apex = (onset + offset) / 2
    if not onset < apex:  # no time passes
        return np.zeros_like(times)
    rise = (times - onset) / (apex - onset)
    fall = (offset - times) / (offset - apex) if apex < offset else np.ones_like(times)
    return np.clip(np.minimum(rise, fall), 0, 1)


def _numbers(clips: Clips, column: str, rows: npt.NDArray[np.int64], missing: Any) -> npt.NDArray[np.float64]:
    """(n,) frame numbers, with those that are missing filled in."""
    if column not in clips.manifest:
        return np.broadcast_to(np.asarray(missing, dtype=np.float64), rows.shape)
    values = clips.manifest[column].iloc[rows].astype("Float64").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isnan(values), missing, values)
