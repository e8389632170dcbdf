"""Faults that a test can set: on which requests, how often, and what goes wrong."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from hub.records import Request

TRICKLE: Final = 500.0
"""Bytes per second: a megabyte takes 33 minutes, and no client takes the connection for a dead one."""


@dataclass
class Fault:
    """One fault. It hits the requests that match it; `times` None: always.

    Set one thing that goes wrong in each. Where several faults hit a request, all of them do.
    """

    target: str = "*"
    """Pattern over a request's target: owner/repo/file for resolve and CDN, the path for all else."""
    origin: str = "*"
    """"hub", "cdn" or "*"."""
    method: str = "*"
    times: int | None = 1
    skip: int = 0
    """This number of matching requests is served well first."""

    # Faults of the body. They hit only requests whose body is longer than that number of bytes.
    drop_after: int | None = None
    """Reset the connection after this number of bytes of the body."""
    stall_after: int | None = None
    """Send no more after this number of bytes of the body, and keep the connection open."""
    cut_after: int | None = None
    """Close the connection cleanly after this number of bytes, although Content-Length says more."""
    corrupt_at: int | None = None
    """Flip the bits of the byte at this offset of the file; hits only requests that get this byte."""
    bytes_per_second: float | None = None
    """Of each connection. A test may change it."""
    trickle_after: int | None = None
    """After this number of bytes, all connections together, send TRICKLE bytes per second and connection. So a test
    finds a download that still runs, however long the test takes. A test may change it."""

    # What the answer says.
    status: int | None = None
    """Answer with this and no file."""
    retry_after: float | str | None = None
    reset_after: int | None = None
    """Seconds until the rate limit is over, in the hub's own header `RateLimit`."""
    etag: str | None = None
    """The file's ETag from now on; quoted already."""
    total_off_by: int = 0
    """Added to the total in Content-Range."""
    start_off_by: int = 0
    """Added to the start in Content-Range."""
    length_off_by: int = 0
    """Added to Content-Length."""
    longer_by: int = 0
    """Send this number of bytes after the requested range, which the answer does not mention."""
    forget_ranges: bool = False
    """Answer 200 with all of the file, whatever was asked for."""
    latency_s: float = 0.0
    """Wait before answering."""

    hits: int = 0
    """How many requests it has hit."""
    passed: int = 0
    sent: int = 0
    """Bytes of all bodies that it has hit, about: connections count at the same time."""

    def matches(self, request: Request) -> bool:
        """Whether it is meant for this request."""
        return (
            (self.times is None or self.hits < self.times)
            and self.origin in ("*", request.origin)
            and self.method in ("*", request.method)
            and fnmatchcase(request.target, self.target)
        )

    def reaches(self, first: int, count: int) -> bool:
        """Whether a body of `count` bytes from offset `first` of the file reaches the fault."""
        befores = (self.drop_after, self.stall_after, self.cut_after)
        if any(before is not None and before >= count for before in befores):
            return False
        return self.corrupt_at is None or first <= self.corrupt_at < first + count

    @property
    def of_body(self) -> bool:
        """Whether it needs a body to show."""
        ends = (self.drop_after, self.stall_after, self.cut_after)
        numbers = (*ends, self.corrupt_at, self.bytes_per_second, self.trickle_after)
        return any(number is not None for number in numbers)

    @property
    def speed(self) -> float | None:
        """Bytes per second that a connection sends now; None: as fast as it can."""
        if self.trickle_after is not None and self.sent >= self.trickle_after:
            return TRICKLE
        return self.bytes_per_second


class Faults:
    """The faults that are set, for all origins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Set one more."""
        with self._lock:
            self._all.append(fault)
        return fault

    def clear(self) -> None:
        """Serve everything well from now on (what is running keeps its faults)."""
        with self._lock:
            self._all.clear()

    def of_answer(self, request: Request) -> list[Fault]:
        """The faults that change the answer to a request; each counts as a hit."""
        return self._take([f for f in self._all if not f.of_body], request)

    def of_body(self, request: Request, first: int, count: int) -> list[Fault]:
        """The faults that change a body of `count` bytes from offset `first`; each counts as a hit."""
        return self._take([f for f in self._all if f.of_body and f.reaches(first, count)], request)

    def _take(self, candidates: list[Fault], request: Request) -> list[Fault]:
        with self._lock:
            taken = []
            for fault in candidates:
                if not fault.matches(request):
                    continue
                if fault.passed < fault.skip:
                    fault.passed += 1
                    continue
                fault.hits += 1
                taken.append(fault)
            return taken
