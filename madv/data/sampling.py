"""Which frames a clip is made of: T evenly spaced times, and the recorded frames on both sides of each."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from madv.config_data import ClipConfig


class Times(NamedTuple):
    """Frame numbers as annotated; missing is None."""

    onset: int | None
    apex: int | None
    offset: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """T times and what they are blended from."""

    positions: npt.NDArray[np.float64]
    """(T,) frame numbers, fractional."""
    numbers: tuple[int, ...]
    """The K frames that are needed, rising."""
    lower: npt.NDArray[np.int64]
    """(T,) index into numbers of the frame before."""
    upper: npt.NDArray[np.int64]
    """(T,) of the frame after."""
    weight: npt.NDArray[np.float32]
    """(T,) of the frame after."""
    notes: tuple[str, ...]
    """What was filled in."""

    def blended(self, frames: npt.NDArray[Any]) -> Iterator[npt.NDArray[np.float32]]:
        """(K, ...) frames -> T times (...), linear in time between neighbours; each in the same memory as the last."""
        frame = np.empty(frames.shape[1:], dtype=np.float32)
        for lower, upper, weight in zip(self.lower, self.upper, self.weight, strict=True):
            if weight:
                np.subtract(frames[upper], frames[lower], out=frame, dtype=np.float32)
                frame *= weight
                frame += frames[lower]
            else:
                frame[...] = frames[lower]
            yield frame

    def blend(self, frames: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """(K, ...) frames -> (T, ...)."""
        return np.stack([frame.copy() for frame in self.blended(frames)])


def sample(times: Times, recorded: Sequence[int], config: ClipConfig) -> Sampling:
    """Place the times and find their frames.

    Args:
        times: of the annotation.
        recorded: numbers of the frames that are there, rising, at least one.
        config: number of frames, sampling, and whether missing frames are blended.

    Raises:
        ValueError: the annotation and the frames do not fit; the message says how.
    """
    first, last, notes = _span(times, recorded, config.sampling)
    first, last, more = _checked(first, last, recorded, config)
    positions = np.linspace(first, last, config.frames)
    after = np.searchsorted(recorded, positions, side="left")  # the first frame at or after each
    exact = np.asarray(recorded)[after] == positions
    before = np.where(exact, after, after - 1)
    numbers, places = np.unique(np.stack([before, after]), return_inverse=True)
    lower, upper = places.reshape(2, -1)
    start, end = (np.asarray(recorded)[place] for place in (before, after))
    weight = (positions - start) / np.maximum(end - start, 1)
    return Sampling(
        positions=positions,
        numbers=tuple(recorded[place] for place in numbers),
        lower=lower,
        upper=upper,
        weight=weight.astype(np.float32),
        notes=(*notes, *more),
    )


def _span(times: Times, recorded: Sequence[int], sampling: str) -> tuple[int, int, list[str]]:
    """First and last frame number."""
    notes: list[str] = []
    onset, offset = times.onset, times.offset
    if sampling == "uniform":
        return recorded[0], recorded[-1], notes
    if onset is None:
        onset = recorded[0]
        notes.append(f"no onset: the first frame {onset} is taken")
    if offset is None:
        offset = recorded[-1]
        notes.append(f"no offset: the last frame {offset} is taken")
    if sampling == "onset_offset":
        return onset, offset, notes
    if times.apex is None:
        apex = (onset + offset) // 2
        notes.append(f"no apex: the middle frame {apex} is taken")
        return onset, apex, notes
    return onset, times.apex, notes


def _checked(first: int, last: int, recorded: Sequence[int], config: ClipConfig) -> tuple[int, int, list[str]]:
    """The span, within the frames that are there."""
    start, end = ("onset", "apex" if config.sampling == "onset_apex" else "offset")
    if last < first:
        raise ValueError(f"{start} {first} is after {end} {last}; mend the annotation")
    has = f"the frames there are {recorded[0]} to {recorded[-1]}"
    if first > recorded[-1] or last < recorded[0]:
        raise ValueError(f"{start} {first} and {end} {last} are frames of another clip; {has}; mend the annotation")
    inside = recorded[bisect.bisect_left(recorded, first) : bisect.bisect_right(recorded, last)]
    lack = last - first + 1 - len(inside)
    notes = ["a single frame: a still clip"] if first == last else []
    if not lack:
        return first, last, notes
    missing = _gaps([first - 1, *inside, last + 1])
    if config.missing == "refuse":
        way = "restore them, mend the annotation, or set dataset.clip.missing=blend"
        raise ValueError(f"frames {missing} of {start} {first} to {end} {last} are missing ({has}); {way}")
    return max(first, recorded[0]), min(last, recorded[-1]), [*notes, f"frames {missing} are missing"]


def _gaps(numbers: Sequence[int]) -> str:
    """What lies between numbers that do not follow each other: [2, 3, 7, 9] -> "4-6, 8"; long lists are cut short."""
    gaps = [(one + 1, other - 1) for one, other in itertools.pairwise(numbers) if other > one + 1]
    texts = [str(start) if start == end else f"{start}-{end}" for start, end in gaps]
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")
