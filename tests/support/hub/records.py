"""What was asked for and what was sent, for tests to count."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Request:
    """One request, as it came, and what became of it."""

    origin: str
    """"hub", "cdn" or "proxy"."""
    method: str
    path: str
    """Path and query as sent."""
    target: str
    """owner/repo/file for resolve and CDN links; files/name for plain files; else the path."""
    headers: dict[str, str]
    """Names in lower case. With the token: tests look for where it went."""
    started: float
    """time.monotonic()"""
    status: int | None = None
    first: int | None = None
    """Offset in the file of the body's first byte, where the body is a file."""
    promised: int = 0
    """Bytes of the body that the answer should have."""
    sent: int = 0
    """Bytes of the body that were given to the operating system."""
    ended: float | None = None

    @property
    def range(self) -> str | None:
        """The header, as sent."""
        return self.headers.get("range")

    @property
    def token(self) -> str | None:
        """What was sent as authorization."""
        header = self.headers.get("authorization")
        return None if header is None else header.removeprefix("Bearer ")


@dataclass
class Records:
    """All requests to all origins, in the order of their arrival."""

    all: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, request: Request) -> None:
        """Keep one."""
        with self._lock:
            self.all.append(request)

    def __iter__(self) -> Iterator[Request]:
        with self._lock:
            return iter(list(self.all))

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self.all.clear()
