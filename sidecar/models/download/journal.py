"""Which bytes of an unfinished file are on the disk: a text file beside it that is only ever appended to.

The first line says what the file is to become; each further one is a range that was written, or `sync`:
all before it has been given to the disk for good. After a crash of the program every whole line holds,
since the system keeps what was written. After a crash of the system only those before the last `sync` do.
Ranges are noted while others are given to the disk: so a `sync` is written with the journal as a whole,
behind what it speaks for and before everything else.
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import asdict, dataclass
from typing import Any, Final

from sidecar.models.store.durable_files import remove, replace_file

FORMAT: Final = 1
MAX_LINES: Final = 65536
"""Lines after which the journal is written anew, with neighbouring ranges joined."""

MAX_BYTES: Final = 64 * MAX_LINES
"""A longer journal is not ours, and is not read."""

BOOT_TOLERANCE_S: Final = 30
"""The system tells the moment of its start with some seconds of error."""

_RANGE: Final = re.compile(rb"(\d{1,19}) (\d{1,19})")

Range = tuple[int, int]
"""First byte, and the one behind the last."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a partial file belongs to. If any of it differs, the bytes are of another file."""

    url: str
    size: int | None
    sha256: str | None
    etag: str | None


class Journal:
    """Thread-safe. `source` is kept for whoever lists unfinished downloads.

    `held`: bytes of the partial file. The journal cannot speak of more.
    """

    def __init__(self, path: str, identity: Identity, source: dict[str, Any], held: int) -> None:
        self._path = path
        self._identity = identity
        self._source = source
        self._lock = threading.Lock()
        self._ranges, self._safe = (_up_to(held, ranges) for ranges in _usable(path, identity))
        self._file: Any = None
        self._removed = False
        self._lines = 0
        self._rewrite()

    @property
    def total(self) -> int:
        """Bytes that are there."""
        with self._lock:
            return _count(self._ranges)

    @property
    def front(self) -> int:
        """Bytes that are there from the beginning without a gap."""
        with self._lock:
            return self._ranges[0][1] if self._ranges and self._ranges[0][0] == 0 else 0

    @property
    def ranges(self) -> list[Range]:
        """What is there, in order; for `synced`."""
        with self._lock:
            return list(self._ranges)

    @property
    def unsynced(self) -> int:
        """Bytes that are there, but not after a crash of the system."""
        with self._lock:
            return _count(self._ranges) - _count(self._safe)

    def add(self, start: int, end: int) -> None:
        """Note that these bytes were written. Raises OSError."""
        with self._lock:
            self._ranges = joined([*self._ranges, (start, end)])
            self._append(f"{start} {end}\n")

    def synced(self, ranges: list[Range]) -> None:
        """Note that these have been given to the disk for good; what came meanwhile has not. Raises OSError."""
        with self._lock:
            self._safe = joined([*self._safe, *ranges])
            self._rewrite()

    def missing(self, size: int) -> list[Range]:
        """The gaps up to `size`, in order."""
        with self._lock:
            edges = [0, *(edge for pair in self._ranges for edge in pair), size]
        return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]

    def forget(self) -> None:
        """All bytes have to come again. Raises OSError."""
        with self._lock:
            self._ranges, self._safe = [], []
            self._rewrite()

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def remove(self) -> None:
        """Close and delete it; what is noted from now on is noted nowhere. Raises OSError."""
        with self._lock:
            self._removed = True
            self._file.close()
            remove(self._path)

    def _append(self, line: str) -> None:
        if self._removed:
            return
        self._file.write(line.encode("ascii"))
        self._lines += 1
        if self._lines > MAX_LINES:
            self._rewrite()

    def _rewrite(self) -> None:
        """Write it anew beside the old one; each range counts as before."""
        if self._removed:
            return
        header = {
            "format": FORMAT,
            "boot": _boot_time(),
            "source": self._source,
            **asdict(self._identity),
        }
        ranges = [] if self._ranges == self._safe else self._ranges
        lines = [json.dumps(header), *_told(self._safe), "sync", *_told(ranges), ""]
        if self._file is not None:
            self._file.close()
        replace_file(self._path, "\n".join(lines).encode("utf-8"))
        self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - closed by `close`
        self._lines = len(lines)


def read(path: str) -> tuple[dict[str, Any], list[Range]] | None:
    """(header, ranges) of a journal as it stands; None if there is none, or it is no journal."""
    known = _read(path)
    return known and known[:2]


def _read(path: str) -> tuple[dict[str, Any], list[Range], list[Range]] | None:
    """The same, and those of the ranges that a crash of the system leaves."""
    try:
        if os.path.getsize(path) > MAX_BYTES:
            return None
        with open(path, "rb") as file:
            first, *lines = file.read().split(b"\n")
        header = json.loads(first)
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            return None
        whole = lines[:-1]  # what follows the last newline is half a line
        safe = _ranges(whole[: max((i for i, line in enumerate(whole) if line == b"sync"), default=0)])
        crashed = abs(float(header["boot"]) - _boot_time()) > BOOT_TOLERANCE_S
        return header, safe if crashed else _ranges(whole), safe
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _ranges(lines: list[bytes]) -> list[Range]:
    found: list[Range] = []
    for line in lines:
        if line == b"sync":
            continue
        match = _RANGE.fullmatch(line)
        if match is None:
            break  # a crash of the system can leave anything; what came before it is good
        found.append((int(match[1]), int(match[2])))
    return joined(found)


def _usable(path: str, identity: Identity) -> tuple[list[Range], list[Range]]:
    """What is there of this very file, and what of it a crash of the system leaves."""
    known = _read(path)
    if known is None:
        return [], []
    header, ranges, safe = known
    if identity.sha256 is not None:
        same = header.get("sha256") == identity.sha256 and header.get("size") == identity.size
    else:  # without an ETag nobody can tell whether it is still the same file
        same = identity.etag is not None and all(header.get(k) == v for k, v in asdict(identity).items())
    return (ranges, safe) if same else ([], [])


def _up_to(held: int, ranges: list[Range]) -> list[Range]:
    return [(start, min(end, held)) for start, end in ranges if start < held]


def _told(ranges: list[Range]) -> list[str]:
    return [f"{start} {end}" for start, end in ranges]


def _count(ranges: list[Range]) -> int:
    return sum(end - start for start, end in ranges)


def joined(ranges: list[Range]) -> list[Range]:
    """Sorted, with those that touch made one."""
    result: list[Range] = []
    for start, end in sorted(ranges):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        elif start < end:
            result.append((start, end))
    return result


def _boot_time() -> float:
    import psutil

    moment: float = psutil.boot_time()
    return moment
