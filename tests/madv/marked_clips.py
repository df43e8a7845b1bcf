"""Clips that a small network learns in a few steps."""

from __future__ import annotations

import numpy as np
import pandas as pd

from madv.data.clips import Clips


def make_clips(subjects: int = 6, per_subject: int = 4) -> Clips:
    """Noise with the label written into every stream's later frames."""
    rng = np.random.default_rng(0)
    number = subjects * per_subject
    label = np.arange(number) % 2
    streams = {
        "texture": rng.normal(size=(number, 3, 4, 16, 16)).astype(np.float32) * 0.1,
        "depth": rng.normal(size=(number, 1, 4, 16, 16)).astype(np.float32) * 0.1,
        "au": rng.normal(size=(number, 3, 4)).astype(np.float32) * 0.1,
    }
    for name in ("texture", "depth"):
        streams[name][label == 1, :, 1:, 4:12, 4:12] += 1.5
    streams["au"][label == 1, 1, 1:] += 1.5
    manifest = pd.DataFrame(
        {
            "sample_id": [f"clip{i}" for i in range(number)],
            "subject": np.repeat([f"s{i}" for i in range(subjects)], per_subject),
            "label": label,
        }
    )
    targets = np.zeros((number, 3), np.float32)
    targets[label == 1, 1] = 1
    return Clips(manifest=manifest, class_names=("no", "yes"), streams=streams, au_targets=targets, fingerprint="test")
