"""URLs and byte ranges, without a client."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

Range = tuple[int, int]
"""First byte, and the one after the last."""


_HOST: Final = re.compile(r"[^\s/\\@:?#\[\]%<>^`{|}]+|[0-9a-f:.]+(%25[\w.-]+)?", re.IGNORECASE)
"""A name, which may have letters of any script, or an address."""


def urlsplit_checked(url: str) -> SplitResult | None:
    """The parts of a URL; None if no server can have it: characters, host or port are not valid."""
    if any(ord(letter) < 32 or letter == "\x7f" for letter in url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme in ("http", "https"):
        labels = host.removesuffix(".").split(".")
        if not _HOST.fullmatch(host) or not all(0 < len(label) < 64 for label in labels):
            return None
    return parts


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host or "") is not None


def without_secrets(url: str) -> str:
    """A URL without user, password, query and fragment."""
    return re.sub(r"^(\w+://)[^/]*@", r"\1", re.split(r"[?#]", url)[0])


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
