"""Addresses of servers, databases and storage, which may hold secrets."""

from __future__ import annotations

import re

LOGIN = re.compile(r"//(?:[^\s/:@]*:\S*|[^\s/]*)@")
SECRETS = re.compile(r"([?&](?:password|access_key|secret_key|session_token|token|sig|signature)=)[^\s&'\"]*", re.I)


def without_password(text: str) -> str:
    """An address, or what is said of one, without the user, the password and the keys that it may hold."""
    return SECRETS.sub(r"\1***", LOGIN.sub("//", text))
