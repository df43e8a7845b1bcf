"""The store of pre-trained encoders: one file a fold of a pre-training, for all variants that start from it."""

from __future__ import annotations

import os
from typing import Any

from madv.errors import MadvError, Problem
from orchestration.ids import digest
from orchestration.keyed_store import KeyedStore

FOLDER = "pretrained"


class WeightsError(MadvError):
    """Pre-trained weights that a fold needs are not there."""


def pretraining_key(encoder: dict[str, Any], data: str, source: str | None, seed: int, subject: str, code: str) -> str:
    """SHA-256 of everything that pre-trained weights depend on.

    Args:
        encoder: madv.encoder_key.encoder_meaning(config).
        data: fingerprint of the data set.
        source: fingerprint of pretrain.dataset; None where there is none.
        seed: of the repetition.
        subject: the held-out subject.
        code: fingerprint of the code that pre-trains.
    """
    return digest({"encoder": encoder, "data": data, "source": source, "seed": seed, "subject": subject, "code": code})


class WeightStore(KeyedStore):
    """Pre-trained encoders under a folder or a URI; a failed one holds its traceback."""

    done = ".safetensors"
    failed = ".failed.txt"
    noun = "pre-training"

    def __init__(self, root: str | os.PathLike[str], name: str = FOLDER) -> None:
        super().__init__(root, name)

    def fail(self, key: str, reason: str) -> None:
        """Record a training that failed for good."""
        self.folder.put(key + self.failed, reason.encode())

    def read(self, key: str) -> tuple[bytes, str]:
        """Content and place of a file.

        Raises:
            WeightsError: it failed, or is not there.
        """
        content = self.folder.get(key + self.done)
        if content is not None:
            return content, f"{self.folder}/{key}{self.done}"
        lines = (self.folder.get(key + self.failed) or b"").decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "it is not there"
        raise WeightsError([Problem(place=f"{self.noun} {key[:12]}", message=reason)])
