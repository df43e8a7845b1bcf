"""What training reads of a data set, as one digest; paths, dates and hosts are not in it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd


def fingerprint(
    manifest: pd.DataFrame,
    class_names: tuple[str, ...],
    streams: dict[str, npt.NDArray[Any]],
    au_targets: npt.NDArray[np.float32] | None,
    signed_channels: tuple[int, ...] = (),
    mirrored_aus: tuple[int, ...] = (),
) -> str:
    """SHA-256 of samples, subjects, labels, streams and targets: 64 hexadecimal digits."""
    content = hashlib.sha256()
    rows = manifest[["sample_id", "subject", "label"]].itertuples(index=False, name=None)
    head = [list(class_names), list(signed_channels), list(mirrored_aus), [list(map(str, row)) for row in rows]]
    content.update(repr(head).encode())
    arrays = {**streams, "au_targets": au_targets}
    for name, array in sorted(arrays.items()):
        if array is not None:
            # The byte order is part of the type's text, so that two machines agree or differ for a reason.
            content.update(f"{name} {array.dtype.newbyteorder('<').str} {array.shape}".encode())
            content.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return content.hexdigest()
