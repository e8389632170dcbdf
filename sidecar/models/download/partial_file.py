"""The partial file of a download: bytes arrive in any order, are written where they belong and noted."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from typing import Any, Final

from sidecar.models.download.journal import Identity, Journal, Range, joined

NOTE_BYTES: Final = 128 * 1024
"""A connection notes what it wrote at least this often, so that a kill costs no more of it."""

NOTE_INTERVAL_S: Final = 0.25
"""The same for slow connections."""

SYNC_BYTES: Final = 256 * 1024 * 1024
"""Bytes after which the data is given to the disk for good: what a power cut may cost."""

HASH_BYTES: Final = 2 * 1024 * 1024
"""Bytes hashed at a time: to wake the thread that hashes costs those that receive more than the hash does."""

WRITE_BEHIND_BYTES: Final = 32 * 1024 * 1024
"""Bytes that may come before the disk is set to work on them: it is to write while others come, not after."""

WRITE_BEHIND_INTERVAL_S: Final = 0.05

MAX_NAMED: Final = 16
"""Wrong ranges that are named one by one."""


class Part:
    """Thread-safe. `changed` is notified when bytes came, and when the hash went on."""

    def __init__(self, path: str, journal_path: str, identity: Identity, source: dict[str, Any]) -> None:
        self.path = path
        self._size = identity.size
        open(path, "ab").close()
        held = os.path.getsize(path)
        if identity.size is not None:
            held = min(held, identity.size)
        self.journal = Journal(journal_path, identity, source, held)
        self.resumed = self.journal.total
        # What is left of another version must not become the end of this one.
        os.truncate(path, held if self.resumed else 0)
        self.received = self.resumed
        """Bytes that are there, noted or about to be."""
        self.changed = threading.Condition()
        self.wrong: list[Range] | None = None
        """Set while bytes come a second time: the ranges in which the first ones differed."""
        self.hashed = 0
        self._awaited = 0
        """How far the bytes from the beginning must reach for the hash to go on."""
        self._since_sync = self.journal.unsynced

    def writer(self, start: int) -> Writer:
        """A writer for the bytes from `start` on."""
        return Writer(self, start)

    def came(self, count: int) -> None:
        """Count bytes that were written."""
        with self.changed:
            self.received += count

    def noted(self, count: int) -> None:
        """Let the hash follow bytes that the journal has; now and then give them to the disk for good."""
        with self.changed:
            self._since_sync += count
            # At the end, too: the disk is given its time while the hash is still at work.
            due = self._since_sync >= SYNC_BYTES or self.journal.total == self._size
            if due:
                self._since_sync = 0
            if self.journal.front >= self._awaited:
                self.changed.notify_all()
        if due:
            self._sync()

    def _sync(self) -> None:
        ranges = self.journal.ranges  # not what other connections note meanwhile: it may come too late
        with open(self.path, "r+b", buffering=0) as file:
            os.fsync(file.fileno())
        self.journal.synced(ranges)

    def start_again(self) -> None:
        """All bytes have to come a second time; where they differ from the first is noted in `wrong`."""
        self.journal.forget()
        with self.changed:
            self.received = self.resumed = self.hashed = 0
            self.wrong = []

    def differs(self, start: int, end: int) -> None:
        """Note that these bytes were wrong the first time."""
        with self.changed:
            if self.wrong is not None:
                self.wrong = joined([*self.wrong, (start, end)])

    def write_behind(self, ended: threading.Event) -> None:
        """Have the disk write what has come, until `ended`. Only on Linux, where not only a writer may ask for that."""
        written = self.received
        if sys.platform == "linux":
            with open(self.path, "rb", buffering=0) as file:
                while not ended.wait(WRITE_BEHIND_INTERVAL_S):
                    if self.received - written >= WRITE_BEHIND_BYTES:
                        written = self.received
                        os.fdatasync(file.fileno())

    def sha256(self, size: int, cancelled: threading.Event) -> str | None:
        """The hash of the first `size` bytes, in step with their coming. None if `cancelled` meanwhile."""
        digest = hashlib.sha256()
        buffer = bytearray(HASH_BYTES)
        view = memoryview(buffer)
        with open(self.path, "rb", buffering=0) as file:
            position = 0
            while position < size:
                with self.changed:
                    self._awaited = min(position + HASH_BYTES, size)
                    while (front := self.journal.front) < self._awaited and not cancelled.is_set():
                        self.changed.wait()
                if cancelled.is_set():
                    return None
                while position < front:
                    count = file.readinto(view[: min(HASH_BYTES, front - position)])
                    if not count:
                        raise OSError(f"{self.path} ends after {position} bytes")
                    digest.update(view[:count])
                    position += count
                    with self.changed:
                        self.hashed = position
        return digest.hexdigest()


class Writer:
    """Writes one connection's bytes, in their order."""

    def __init__(self, part: Part, start: int) -> None:
        self._part = part
        self._file = open(part.path, "r+b", buffering=0)  # noqa: SIM115 - closed by `close`
        self._file.seek(start)
        self.position = start
        self._noted = start
        self._noted_at = time.monotonic()

    def move(self, position: int) -> None:
        """Go on at another place."""
        if position != self.position:
            self._note(time.monotonic())
            self._file.seek(position)
            self.position = self._noted = position

    def write(self, data: bytes) -> None:
        """Write the next bytes. Raises OSError."""
        if self._part.wrong is not None:
            self._compare(data)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self.position += len(data)
        self._part.came(len(data))
        now = time.monotonic()
        if self.position - self._noted >= NOTE_BYTES or now - self._noted_at >= NOTE_INTERVAL_S:
            self._note(now)

    def _note(self, now: float) -> None:
        if self.position > self._noted:
            self._part.journal.add(self._noted, self.position)
            self._part.noted(self.position - self._noted)
        self._noted, self._noted_at = self.position, now

    def _compare(self, data: bytes) -> None:
        before = self._file.read(len(data)) or b""
        self._file.seek(self.position)
        if before == data:
            return
        differing = [i for i, (old, new) in enumerate(zip(before, data, strict=False)) if old != new]
        first = differing[0] if differing else len(before)
        last = len(data) - 1 if len(before) < len(data) else differing[-1]
        self._part.differs(self.position + first, self.position + last + 1)

    def close(self) -> None:
        """Note what is not noted yet."""
        try:
            self._note(time.monotonic())
        finally:
            self._file.close()
