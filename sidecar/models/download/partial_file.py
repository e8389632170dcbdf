"""The partial file of a download. Bytes arrive in any order; each range is written in its place, then journaled."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from sidecar.models.download.journal import Identity, Journal, joined
from sidecar.models.http.url import Range
from sidecar.models.store.durable_files import open_deletable

if TYPE_CHECKING:
    from sidecar.message_handler._types import ModelSource

NOTE_BYTES: Final = 128 * 1024
"""Bytes after which a connection journals what it wrote. A kill loses no more than this per connection."""

NOTE_INTERVAL_S: Final = 0.25
"""The same for slow connections."""

SYNC_BYTES: Final = 256 * 1024 * 1024
"""Bytes after which the file is synced. A power cut loses no more than this."""

HASH_BYTES: Final = 2 * 1024 * 1024
"""Bytes hashed at a time. With fewer, waking the hash thread would cost more processor time than hashing."""

FLUSH_BYTES: Final = 32 * 1024 * 1024
"""New bytes after which the disk starts to write, so that it works while others arrive."""

FLUSH_INTERVAL_S: Final = 0.05

MAX_REPORTED: Final = 16
"""Wrong ranges that are reported one by one."""


class PartialFile:
    """Thread-safe. `changed` is notified when bytes are there that the hash waits for."""

    def __init__(self, path: str, journal_path: str, identity: Identity, source: ModelSource) -> None:
        self.path = path
        self._size = identity.size
        open(path, "ab").close()
        held = os.path.getsize(path)
        if identity.size is not None:
            held = min(held, identity.size)
        self.journal = Journal(journal_path, identity, source, held)
        self.resumed = self.journal.total
        # The rest of another version must not become the end of this one.
        os.truncate(path, held if self.resumed else 0)
        self.received = self.resumed
        """Bytes in the file, journaled or about to be."""
        self.changed = threading.Condition()
        self.differing: list[Range] | None = None
        """During a second fetch: the ranges that differ from the first one."""
        self.hashed = 0
        self._awaited = 0
        """The hash waits until this many bytes are there without a gap."""
        self._since_sync = self.journal.unsynced

    def writer(self, start: int) -> RangeWriter:
        """A writer for the bytes from `start` on."""
        return RangeWriter(self, start)

    def add_received(self, count: int) -> None:
        """Count bytes that were written."""
        with self.changed:
            self.received += count

    def after_journal(self, count: int) -> None:
        """Wake the hash for bytes that were journaled, and sync the file every SYNC_BYTES. Raises OSError."""
        with self.changed:
            self._since_sync += count
            # Also at the end: the disk writes while the hash still works.
            due = self._since_sync >= SYNC_BYTES or self.journal.total == self._size
            if due:
                self._since_sync = 0
            if self.journal.contiguous >= self._awaited:
                self.changed.notify_all()
        if due:
            self._sync()

    def _sync(self) -> None:
        ranges = self.journal.ranges  # before the sync, which may miss what is journaled meanwhile
        with open_deletable(self.path, "r+b") as file:
            os.fsync(file.fileno())
        self.journal.synced(ranges)

    def start_again(self) -> None:
        """Forget all bytes and begin a second fetch, which collects `differing`. Raises OSError."""
        self.journal.forget()
        with self.changed:
            self.received = self.resumed = self.hashed = 0
            self.differing = []

    def add_differing(self, start: int, end: int) -> None:
        """Add a range in which the second fetch differs from the first."""
        with self.changed:
            if self.differing is not None:
                self.differing = joined([*self.differing, (start, end)])

    def flush_until(self, complete: threading.Event) -> None:
        """Flush new bytes to the disk until `complete` is set. Raises OSError.

        Only on Linux: elsewhere only a descriptor that writes can flush.
        """
        written = self.received
        if sys.platform == "linux":
            with open(self.path, "rb", buffering=0) as file:
                while not complete.wait(FLUSH_INTERVAL_S):
                    if self.received - written >= FLUSH_BYTES:
                        written = self.received
                        os.fdatasync(file.fileno())

    def sha256(self, size: int, cancelled: threading.Event) -> str | None:
        """The hash of the first `size` bytes, as they arrive. None if `cancelled` is set first. Raises OSError."""
        digest = hashlib.sha256()
        buffer = bytearray(HASH_BYTES)
        view = memoryview(buffer)
        with open_deletable(self.path, "rb") as file:
            position = 0
            while position < size:
                with self.changed:
                    self._awaited = min(position + HASH_BYTES, size)
                    while (there := self.journal.contiguous) < self._awaited and not cancelled.is_set():
                        self.changed.wait()
                if cancelled.is_set():
                    return None
                while position < there:
                    count = file.readinto(view[: min(HASH_BYTES, there - position)])
                    if not count:
                        raise OSError(f"{self.path} ends after {position} bytes")
                    digest.update(view[:count])
                    position += count
                    with self.changed:
                        self.hashed = position
        return digest.hexdigest()


class RangeWriter:
    """Writes the bytes of one connection, in order."""

    def __init__(self, part: PartialFile, start: int) -> None:
        self._part = part
        self._file = open_deletable(part.path, "r+b")  # closed by `close`
        self._file.seek(start)
        self.position = start
        self._journaled = start
        self._journaled_at = time.monotonic()

    def move(self, position: int) -> None:
        """Continue at another position. Raises OSError."""
        if position != self.position:
            self._journal(time.monotonic())
            self._file.seek(position)
            self.position = self._journaled = position

    def write(self, data: bytes) -> None:
        """Write the next bytes. Raises OSError."""
        if self._part.differing is not None:
            self._compare(data)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self.position += len(data)
        self._part.add_received(len(data))
        now = time.monotonic()
        if self.position - self._journaled >= NOTE_BYTES or now - self._journaled_at >= NOTE_INTERVAL_S:
            self._journal(now)

    def _journal(self, now: float) -> None:
        if self.position > self._journaled:
            self._part.journal.add(self._journaled, self.position)
            self._part.after_journal(self.position - self._journaled)
        self._journaled, self._journaled_at = self.position, now

    def _compare(self, data: bytes) -> None:
        before = self._file.read(len(data)) or b""
        self._file.seek(self.position)
        if before == data:
            return
        differing = [i for i, (old, new) in enumerate(zip(before, data, strict=False)) if old != new]
        first = differing[0] if differing else len(before)
        last = len(data) - 1 if len(before) < len(data) else differing[-1]
        self._part.add_differing(self.position + first, self.position + last + 1)

    def close(self) -> None:
        """Journal the rest, and close the file. Raises OSError."""
        try:
            self._journal(time.monotonic())
        finally:
            self._file.close()
