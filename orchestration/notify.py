"""A webhook that hears how a sweep ended (metadata.sweep.notify.url); it stops no sweep, and its URL stays secret."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from orchestration.sections import Section

VARIABLE = "MADV_NOTIFY_URL"
"""Environment variable that names the webhook where the file does not."""
TIMEOUT = 5.0
"""Seconds that a webhook may take."""
ENDED = {0: "finished", 1: "cells failed", 3: "moved", 4: "broke", 130: "stopped"}
"""What an exit code means; all others, and errors, have failed."""


def read_notify(sweep: Section) -> str | None:
    """The webhook of a sweep file; what is not one is a problem that does not repeat it."""
    section = sweep.section("notify")
    section.allow(("url",))
    if "url" not in section:
        return None
    url = section.values["url"]
    if not isinstance(url, str) or not _is_webhook(url):
        section.problem("must be the address of a webhook, http://... or https://...", "url")
        return None
    return url


def webhook(url: str | None) -> str | None:
    """The file's webhook, or the environment's."""
    return url or os.environ.get(VARIABLE) or None


def notify(url: str, summary: Mapping[str, Any]) -> str | None:
    """Post a summary as JSON.

    Args:
        url: http or https; it may hold a secret.
        summary: plain values.

    Returns:
        What went wrong, in a line that names the host alone; None if the webhook took it.
    """
    if not _is_webhook(url):
        return f"{VARIABLE} is not the address of a webhook, http://... or https://..."
    host = urlsplit(url).hostname
    body = json.dumps(dict(summary), ensure_ascii=False).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            return None
    except urllib.error.HTTPError as error:
        return f"the webhook at {host} answers {error.code}"
    except (OSError, ValueError) as error:
        # An error's own words may quote the address.
        reason = getattr(error, "reason", error)
        said = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
        return f"the webhook at {host} cannot be reached: {said}"


def _is_webhook(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
