"""Ids from content: SHA-256 of canonical JSON."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON that equal values share: sorted keys, no spaces, no negative zero.

    Raises:
        ValueError: for NaN and infinity, which JSON does not have.
    """
    return json.dumps(
        _without_negative_zero(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits. Print twelve of them, compare all."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _without_negative_zero(value: Any) -> Any:
    if isinstance(value, float):
        return value + 0.0  # -0.0 + 0.0 is 0.0
    if isinstance(value, dict):
        return {key: _without_negative_zero(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_negative_zero(entry) for entry in value]
    return value
