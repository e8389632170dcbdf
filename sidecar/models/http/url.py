"""URLs and byte ranges, without a client."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

Range = tuple[int, int]
"""First byte, and the one after the last."""


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    return host in ("localhost", "::1") or (host or "").startswith("127.")


def without_secrets(url: str) -> str:
    """A URL without user, password, query and fragment."""
    return re.sub(r"^(\w+://)[^/]*@", r"\1", re.split(r"[?#]", url)[0])


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
