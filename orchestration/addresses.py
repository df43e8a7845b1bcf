"""Addresses of servers, databases, storage and webhooks, which may hold secrets."""

from __future__ import annotations

import re
from typing import Any

USER = re.compile(r"//[^/]*@")
PASSWORD = re.compile(r"//[^/:@]*:")
"""What begins a login that has one, which may itself hold / and @."""
SECRETS = re.compile(
    r"([?&;#](?:[\w.-]{,60}(?:passw|pwd|secret|token|signature|credential|authorization)[\w.-]{,60}"
    r"|[\w.-]{,60}key|sig|auth|code|pass)=)[^\s&;'\"]*",
    re.I,
)
WEBHOOK = re.compile(
    r"(https?://[^\s/'\"]{1,255}/)(?=[^\s'\"]{,500}hook)[^\s'\"]*"
    r"|(https?://[^\s/'\"]{,255}hook[^\s/'\"]{,255}/)[^\s'\"]*",
    re.I,
)
"""Whose path is the secret. All lengths have a bound: a text without end takes time that grows as it does."""


def has_secret(address: str) -> bool:
    """Whether a password, a key, or a webhook's path is in it; a user's name alone is none."""
    login = re.search(r"//[^/@:]*:[^@]+@", address)
    return any(found is not None for found in (login, SECRETS.search(address), WEBHOOK.search(address)))


def without_password(text: str) -> str:
    """An address, or what is said of one, without the user, the password and the keys that it may hold."""
    hidden = SECRETS.sub(r"\1***", re.sub(r"\S+", _without_login, text))
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


def _without_login(word: re.Match[str]) -> str:
    """Up to the last @; in time that grows as the word does."""
    before, _, host = word[0].rpartition("@")
    login = PASSWORD.search(before)
    return USER.sub("//", word[0]) if login is None else USER.sub("//", before[: login.start()]) + f"//{host}"
