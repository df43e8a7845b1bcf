"""The record that training reads: one row a clip, its streams as memory-mapped arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

MANIFEST_COLUMNS = (
    "sample_id",  # unique in the data set
    "subject",  # the unit of leaving out and of inference; data set + subject in a composite
    "dataset",  # where the clip comes from, in a composite
    "emotion",  # as annotated
    "label",  # index into class_names
    "onset",  # frame numbers; missing is None
    "apex",
    "offset",
)

SIGNAL_ZERO, SIGNAL_UNIT = 128, 128
"""A stream that is stored as uint8 stands for (value - zero) / unit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clips:
    """All clips of a data set; row i of every array is row i of the manifest."""

    manifest: pd.DataFrame
    """Columns MANIFEST_COLUMNS, index 0..N-1."""
    class_names: tuple[str, ...]
    streams: dict[str, npt.NDArray[Any]]
    """By stream name: texture (N, 3, T, H, W), depth (N, 1, T, H, W), au (N, n_au, T); float32 or float16,
    centred so that 0 is no signal, or uint8: `signal` reads either. A stream that the data set lacks is not there."""
    au_targets: npt.NDArray[np.float32] | None = None
    """(N, n_au) in {0, 1}: annotated action units, targets of Eq. 11, never an input."""
    au_names: tuple[str, ...] = ()
    signed_channels: tuple[int, ...] = ()
    """Texture channels that change sign when a clip is mirrored left to right (horizontal flow)."""
    mirrored_aus: tuple[int, ...] = ()
    """For each action unit the index of the one on the other side of the face; empty if none has sides."""
    fingerprint: str
    """SHA-256 of what training reads: labels, subjects and streams."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the reader has to say: known ceilings of a synthetic set, corrections made, counts."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) class indices."""
        return self.manifest["label"].to_numpy(np.int64)

    @property
    def subjects(self) -> npt.NDArray[np.str_]:
        """(N,) subject names."""
        return self.manifest["subject"].to_numpy(np.str_)

    def signal(self, name: str, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The rows of a stream, 0 is no signal."""
        stored = self.streams[name][rows]
        values: npt.NDArray[np.float32] = stored.astype(np.float32)
        if stored.dtype == np.uint8:
            values -= SIGNAL_ZERO
            values /= SIGNAL_UNIT
        return values
