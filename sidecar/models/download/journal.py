"""Records which bytes of an unfinished file are on the disk, in a text file next to it.

The first line identifies the file. Each further line is a range that was written, or `sync`: the ranges before it
survive a crash of the system. After a crash of the program all complete lines are valid, because the system keeps
what was written. After a crash of the system only those before the last `sync` are.
Ranges are appended. Since some arrive during a sync, each sync rewrites the journal: the synced ranges, `sync`,
then the others.
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import asdict, dataclass
from io import FileIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sidecar.models.http.url import Range
from sidecar.models.store.durable_files import HELD_S, remove, replace_file

if TYPE_CHECKING:
    from sidecar.message_handler._types import ModelSource

FORMAT: Final = 1
MAX_LINES: Final = 65536
"""Lines after which the journal is rewritten, with neighbouring ranges joined."""

MAX_BYTES: Final = 64 * MAX_LINES
"""A longer file is not a journal of ours and is not read."""

BOOT_TOLERANCE_S: Final = 30
"""The boot time that the system reports varies by some seconds."""

_RANGE: Final = re.compile(rb"(\d{1,19}) (\d{1,19})")


@dataclass(frozen=True, slots=True)
class Identity:
    """Identifies the whole file. If any member differs, the bytes belong to another file."""

    url: str
    size: int | None
    sha256: str | None
    etag: str | None


class JournalContent(NamedTuple):
    """A journal as it is on the disk."""

    header: dict[str, Any]  # JSON, checked for its format only
    ranges: list[Range]
    """The bytes that are there."""
    safe: list[Range]
    """Those of them that survive a crash of the system."""

    @property
    def downloaded(self) -> int:
        """Bytes that are there."""
        return _count(self.ranges)


class Journal:
    """Thread-safe. `source` is for `listModels`; `held` is the size of the partial file in bytes.

    Ranges beyond `held` are ignored.
    """

    def __init__(self, path: str, identity: Identity, source: ModelSource, held: int) -> None:
        self._path = path
        self._identity = identity
        self._source = source
        self._lock = threading.Lock()
        self._ranges, self._safe = (_up_to(held, ranges) for ranges in _usable(path, identity))
        self._file: FileIO | None = None
        self._removed = False
        self._lines = 0
        self._rewrite()

    @property
    def total(self) -> int:
        """Bytes that are there."""
        with self._lock:
            return _count(self._ranges)

    @property
    def contiguous(self) -> int:
        """Bytes from the beginning up to the first gap."""
        with self._lock:
            return self._ranges[0][1] if self._ranges and self._ranges[0][0] == 0 else 0

    @property
    def ranges(self) -> list[Range]:
        """The ranges that are there, in order."""
        with self._lock:
            return list(self._ranges)

    @property
    def unsynced(self) -> int:
        """Bytes that a crash of the system would lose."""
        with self._lock:
            return _count(self._ranges) - _count(self._safe)

    def add(self, start: int, end: int) -> None:
        """Record that these bytes were written. Raises OSError."""
        with self._lock:
            self._ranges = joined([*self._ranges, (start, end)])
            self._append(f"{start} {end}\n")

    def synced(self, ranges: list[Range]) -> None:
        """Record that these ranges are synced; those added meanwhile are not. Raises OSError."""
        with self._lock:
            self._safe = joined([*self._safe, *ranges])
            self._rewrite()

    def missing(self, size: int) -> list[Range]:
        """The gaps up to `size`, in order."""
        with self._lock:
            edges = [0, *(edge for pair in self._ranges for edge in pair), size]
        return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]

    def forget(self) -> None:
        """Remove all ranges. Raises OSError."""
        with self._lock:
            self._ranges, self._safe = [], []
            self._rewrite()

    def close(self) -> None:
        with self._lock:
            self._close()

    def remove(self, held_s: float = HELD_S) -> None:
        """Close and delete the journal; later ranges are ignored. Raises OSError; for `held_s` see durable_files."""
        with self._lock:
            self._removed = True
            self._close()
            remove(self._path, held_s)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _append(self, line: str) -> None:
        if self._removed:
            return
        assert self._file is not None
        self._file.write(line.encode("ascii"))
        self._lines += 1
        if self._lines > MAX_LINES:
            self._rewrite()

    def _rewrite(self) -> None:
        """Replace the file by one with the same content in fewer lines."""
        if self._removed:
            return
        header = {
            "format": FORMAT,
            "boot": _boot_time(),
            "source": self._source,
            **asdict(self._identity),
        }
        ranges = [] if self._ranges == self._safe else self._ranges
        lines = [json.dumps(header), *_lines(self._safe), "sync", *_lines(ranges), ""]
        self._close()
        replace_file(self._path, "\n".join(lines).encode("utf-8"))
        self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - closed by `close`
        self._lines = len(lines)


def downloaded_bytes(path: str) -> int:
    """Bytes that an unfinished download has on the disk, by its journal."""
    content = read(path)
    return content.downloaded if content else 0


def read(path: str) -> JournalContent | None:
    """What a journal says; None if there is none, or the file is not a journal."""
    try:
        if os.path.getsize(path) > MAX_BYTES:
            return None
        with open(path, "rb") as file:
            first, *lines = file.read().split(b"\n")
        header = json.loads(first)
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            return None
        whole = lines[:-1]  # after the last newline there may be half a line
        safe = _ranges(whole[: max((i for i, line in enumerate(whole) if line == b"sync"), default=0)])
        crashed = abs(float(header["boot"]) - _boot_time()) > BOOT_TOLERANCE_S
        return JournalContent(header, safe if crashed else _ranges(whole), safe)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _ranges(lines: list[bytes]) -> list[Range]:
    found: list[Range] = []
    for line in lines:
        if line == b"sync":
            continue
        match = _RANGE.fullmatch(line)
        if match is None:
            break  # a crash of the system can leave anything here; what is before is valid
        found.append((int(match[1]), int(match[2])))
    return joined(found)


def _usable(path: str, identity: Identity) -> tuple[list[Range], list[Range]]:
    """The ranges of this file in its journal, and those that survive a crash of the system."""
    known = read(path)
    if known is None:
        return [], []
    header, ranges, safe = known
    if identity.sha256 is not None:
        same = header.get("sha256") == identity.sha256 and header.get("size") == identity.size
    else:  # without an ETag it may be another file
        same = identity.etag is not None and all(header.get(k) == v for k, v in asdict(identity).items())
    return (ranges, safe) if same else ([], [])


def _up_to(held: int, ranges: list[Range]) -> list[Range]:
    return [(start, min(end, held)) for start, end in ranges if start < held]


def _lines(ranges: list[Range]) -> list[str]:
    return [f"{start} {end}" for start, end in ranges]


def _count(ranges: list[Range]) -> int:
    return sum(end - start for start, end in ranges)


def joined(ranges: list[Range]) -> list[Range]:
    """Sorted, with touching ranges joined."""
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
