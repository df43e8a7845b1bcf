"""The MEGC2019 composite as optical flow: 442 real micro-expressions of 68 subjects, one 28 x 28 image each.

The images are u, v (horizontal and vertical flow) and optical strain between onset and apex, each min-max scaled to
0..255 per image: amplitude is lost, and no flow is not 128 but about the image's median.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from madv.config_data import Megc2019Config
from madv.data.content import fingerprint
from madv.data.megc2019_files import CLASS_NAMES, LAYOUTS, Raw, read_folder, read_npz, source_files
from madv.errors import DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

    from madv.data.clips import Clips

UNIT = 64
"""Stored texture = (pixel - centre) / unit; the centre is the image's median for u and v, and 0 for strain."""
SIGNED_CHANNELS = (0,)
"""Mirroring a face negates u: 255 - u in pixels."""
_FORMAT = 1
"""Raised when the same files would give other clips."""


def cache_key(config: Megc2019Config) -> str:
    """SHA-256 of the contents of the files that are read; their place does not count."""
    content = hashlib.sha256(f"{_FORMAT}".encode())
    for file in source_files(_path(config)):
        try:
            data = file.read_bytes()
        except OSError as error:
            raise DataError([Problem(place=str(file), message=f"cannot be read: {error.strerror}")]) from None
        content.update(f"{file.name} {len(data)}\0".encode())
        content.update(data)
    return content.hexdigest()


def read(config: Megc2019Config) -> Clips:
    """All clips, sorted by data set, subject and clip whatever the layout.

    Raises:
        DataError: with every problem of the path.
    """
    from madv.data.clips import Clips

    path = _path(config)
    raw = read_folder(path) if path.is_dir() else read_npz(path)
    names = raw.names()
    order = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    manifest = _manifest(raw).iloc[order].reset_index(drop=True)
    streams: dict[str, npt.NDArray[Any]] = {"texture": _texture(raw.images[order])}
    return Clips(
        manifest=manifest,
        class_names=CLASS_NAMES,
        streams=streams,
        signed_channels=SIGNED_CHANNELS,
        fingerprint=fingerprint(manifest, CLASS_NAMES, streams, None, SIGNED_CHANNELS),
        facts={"clips_per_dataset": {name: raw.dataset.count(name) for name in sorted(set(raw.dataset))}},
    )


def _texture(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, 28, 28, 3) pixels -> (N, 3, 1, 28, 28), centred and of order 1."""
    pixels = images.astype(np.float32)
    centre = np.median(pixels, axis=(1, 2), keepdims=True)  # (N, 1, 1, 3)
    centre[..., 2] = 0  # strain has no sign: 0 is none
    centred = (pixels - centre) / np.float32(UNIT)
    return np.ascontiguousarray(centred.transpose(0, 3, 1, 2)[:, :, None])


def _manifest(raw: Raw) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "sample_id": raw.names(),
            "subject": [f"{dataset}/{subject}" for dataset, subject in zip(raw.dataset, raw.subject, strict=True)],
            "dataset": raw.dataset,
            "emotion": [CLASS_NAMES[label] for label in raw.labels],
            "label": raw.labels,
            "onset": None,  # the flow is all that is published
            "apex": None,
            "offset": None,
        }
    )


def _path(config: Megc2019Config) -> Path:
    if not config.path:
        message = f"is not set; set dataset.path=... or the environment variable MADV_MEGC2019 to {LAYOUTS}"
        raise DataError([Problem(place="dataset.path", message=message)])
    path = Path(config.path).expanduser()
    if not path.exists():
        raise DataError([Problem(place=str(path), message=f"does not exist; dataset.path must be {LAYOUTS}")])
    return path
