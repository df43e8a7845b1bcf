"""Addresses of servers, databases, storage and webhooks, which may hold secrets."""

from __future__ import annotations

import re
from typing import Any

LOGIN = re.compile(r"//(?:[^\s/:@]*:\S*|[^\s/]*)@")
SECRETS = re.compile(
    r"([?&;](?:[\w.-]*(?:passw|pwd|secret|token|signature|credential|access_?key|api_?key|authorization)[\w.-]*|sig|key)=)"
    r"[^\s&;'\"]*",
    re.I,
)
WEBHOOK = re.compile(
    r"(https?://[^\s/'\"]+/)(?=[^\s'\"]*hook)[^\s'\"]*|(https?://[^\s/'\"]*hook[^\s/'\"]*/)[^\s'\"]*", re.I
)
"""Whose path is the secret."""


def without_password(text: str) -> str:
    """An address, or what is said of one, without the user, the password and the keys that it may hold."""
    hidden = SECRETS.sub(r"\1***", LOGIN.sub("//", text))
    return WEBHOOK.sub(lambda found: f"{found[1] or found[2]}***", hidden)


def without_passwords(value: Any) -> Any:
    """The same of every text in plain values."""
    match value:
        case str():
            return without_password(value)
        case dict():
            return {name: without_passwords(one) for name, one in value.items()}
        case list() | tuple():
            return [without_passwords(one) for one in value]
    return value
