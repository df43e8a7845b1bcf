"""Seeds from words: the same key and use give the same numbers on every machine."""

from __future__ import annotations

import hashlib


def seed_of(key: str, use: str) -> int:
    """63 bits from a key, such as "0/s1" for seed and held-out subject, and what they are for."""
    return int.from_bytes(hashlib.sha256(f"{key}/{use}".encode()).digest()[:8], "big") >> 1
