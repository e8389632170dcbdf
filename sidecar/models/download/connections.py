"""Fetches the bytes of one file over HTTP, in ranges. It adds connections as long as they make it faster.

Each connection fetches the first missing range, then the next. After a failure it pauses and continues where it
stopped, as long as any connection receives bytes.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import httpx2

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.models.download.partial_file import PartialFile, RangeWriter
from sidecar.models.http.address import MAX_ASKED_PAUSE_S, Address, NoRanges, Retry
from sidecar.models.http.url import Range
from sidecar.models.store.durable_files import disk_error

MAX_CONNECTIONS: Final = 8
MIN_PIECE_BYTES: Final = 1024 * 1024
MAX_PIECE_BYTES: Final = 32 * 1024 * 1024
"""Bytes of one request: small enough that all connections have work, large enough that the time between requests
does not matter."""

GROW_INTERVAL_S: Final = 0.2
GROW_GAIN: Final = 1.15
"""The number of connections doubles while the speed rises by this factor each time."""

MAX_FAILURES: Final = 8
"""Failures in a row of one connection, with no byte on any connection, after which the download fails."""

FIRST_PAUSE_S: Final = 0.25
MAX_PAUSE_S: Final = 20.0

TICK_S: Final = 0.05
NO_END: Final = 2**63


class Fetch:
    """Fetches what is missing of a file of `size` bytes; None: the server does not send the size."""

    def __init__(self, client: httpx2.Client, address: Address, part: PartialFile, size: int | None) -> None:
        self._client = client
        self._address = address
        self._part = part
        self.size = size
        """None until the end of the file, if the server does not send the size."""
        self._lock = threading.Lock()
        self._todo = part.journal.missing(size) if size is not None else []
        self._piece = min(max((size or 0) // (4 * MAX_CONNECTIONS), MIN_PIECE_BYTES), MAX_PIECE_BYTES)
        self._running = 0
        self._growth = _Growth()
        self._error: BaseException | None = None
        self._received_at = time.monotonic()
        self._ended = threading.Event()

    def run(self, on_tick: Callable[[], None]) -> None:
        """Fetch everything; calls `on_tick` every TICK_S.

        Raises Changed; SidecarError: `offline`, `downloadFailed`, `rateLimited`, `diskFull`,
        `directoryNotWritable`, and what `Address.open` raises.
        """
        try:
            if self.size is None:
                raise NoRanges
            while self._todo:
                self._drive(self._ranges, on_tick)
        except NoRanges:
            self._error = None
            self._drive(self._whole, on_tick)

    def _drive(self, work: Callable[[], None], on_tick: Callable[[], None]) -> None:
        self._ended.clear()
        self._connect(work)
        while not self._ended.wait(TICK_S):
            on_tick()
            if work == self._ranges:
                with self._lock:
                    self._growth.update(self._part.received, self._running)
                    more = self._growth.limit - self._running if self._todo else 0
                for _ in range(more):
                    self._connect(work)
        on_tick()
        if self._error is not None:
            raise self._error

    def _connect(self, work: Callable[[], None]) -> None:
        with self._lock:
            self._running += 1
        threading.Thread(target=self._connection, args=(work,), name="sidecar:bytes", daemon=True).start()

    def _connection(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self._fail(disk_error(error, self._part.path))
        except BaseException as error:
            self._fail(error)
        with self._lock:
            self._running -= 1
            if not self._running:
                self._ended.set()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error

    # ---- by ranges -------------------------------------------------------------------------------

    def _ranges(self) -> None:
        while self._error is None and (piece := self._next_range()) is not None:
            writer = self._part.writer(piece[0])
            try:
                self._with_retries(partial(self._fetch_range, writer, piece[1]))
            finally:
                writer.close()

    def _next_range(self) -> Range | None:
        """The first missing range, so that the hash can follow. None: no work for this connection."""
        with self._lock:
            if not self._todo or self._running > self._growth.limit:
                return None
            start, end = self._todo.pop(0)
            middle = min(end, start + self._piece)
            if middle < end:
                self._todo.insert(0, (middle, end))
            return (start, middle)

    def _fetch_range(self, writer: RangeWriter, end: int) -> None:
        with self._address.open(self._client, (writer.position, end)) as answer:
            # Reading an answer to its end frees the connection for the next range. A longer answer is abandoned.
            exact = answer.headers.get("Content-Length") == str(end - writer.position)
            for chunk in answer.iter_raw():
                self._received_at = time.monotonic()
                writer.write(chunk[: end - writer.position])
                if self._error is not None or (writer.position >= end and not exact):
                    return
        if writer.position < end:
            raise Retry(f"the answer ended {end - writer.position} bytes early")

    # ---- whole, if the server supports no ranges -------------------------------------------------

    def _whole(self) -> None:
        self._with_retries(self._fetch_whole)

    def _fetch_whole(self) -> None:
        """Read the whole file, and write what is missing of it."""
        gaps = self._part.journal.missing(self.size if self.size is not None else NO_END)
        position = 0
        writer = self._part.writer(0)
        try:
            with self._address.open(self._client, None) as answer:
                for chunk in answer.iter_raw():
                    self._received_at = time.monotonic()
                    after = position + len(chunk)
                    for start, end in gaps:
                        low, high = max(start, position), min(end, after)
                        if low < high:
                            writer.move(low)
                            writer.write(chunk[low - position : high - position])
                    position = after
        finally:
            writer.close()
        if self.size is not None and position < self.size:
            raise Retry(f"the answer ended {self.size - position} bytes early")
        self.size = position if self.size is None else self.size

    # ---- retries ---------------------------------------------------------------------------------

    def _with_retries(self, work: Callable[[], None]) -> None:
        """Repeat `work` until it succeeds, or fails MAX_FAILURES times in a row without a new byte."""
        failures, received_at = 0, self._received_at
        while self._error is None:
            try:
                work()
                return
            except (httpx2.TransportError, Retry) as error:
                if self._received_at != received_at:
                    failures, received_at = 0, self._received_at
                failures += 1
                cause = str(error) or type(error).__name__
                log.log("info", "a download was interrupted", cause=cause, failures=failures)
                if failures >= MAX_FAILURES:
                    raise _given_up(error, cause) from error
                self._sleep(self._pause(error, failures))

    def _pause(self, error: Exception, failures: int) -> float:
        """Seconds to wait before the next try. Raises SidecarError `rateLimited` if the server asks for more."""
        pause: float = min(FIRST_PAUSE_S * 2 ** (failures - 1), MAX_PAUSE_S) * random.uniform(0.75, 1.25)
        if not isinstance(error, Retry):
            return pause
        if error.too_many:
            self._growth.stop()
        asked = error.after_s or 0.0
        if asked > MAX_ASKED_PAUSE_S:
            problem = f"The server asks for a pause of {asked:.0f} s"
            raise SidecarError("rateLimited", problem, value=asked)
        return max(pause, asked)

    def _sleep(self, duration_s: float) -> None:
        deadline = time.monotonic() + duration_s
        while self._error is None and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, TICK_S))


class _Growth:
    """How many connections there may be: the number doubles as long as that makes the download faster."""

    def __init__(self) -> None:
        self.limit = 1
        self._done = False
        self._speed = 0.0
        self._bytes = 0
        self._at = 0.0

    def update(self, received: int, running: int) -> None:
        """Call it about every TICK_S. `received`: bytes over all connections."""
        now = time.monotonic()
        if not self._at or running < self.limit:  # not all are connected yet: start the measurement again
            self._bytes, self._at = received, now
        elif not self._done and now - self._at >= GROW_INTERVAL_S:
            speed = (received - self._bytes) / (now - self._at)
            self._bytes, self._at = received, now
            if speed < self._speed * GROW_GAIN:
                self._done = True
                self.limit = max(self.limit // 2, 1)
            elif speed:
                self._speed = speed
                self.limit = min(2 * self.limit, MAX_CONNECTIONS)
                self._done = self.limit == MAX_CONNECTIONS

    def stop(self) -> None:
        """Use only one connection from now on."""
        self.limit, self._done = 1, True


def _given_up(error: Exception, cause: str) -> SidecarError:
    if isinstance(error, httpx2.ConnectError):
        return SidecarError("offline", "The server cannot be reached", cause=cause)
    if isinstance(error, Retry) and error.too_many:
        return SidecarError("rateLimited", "The server limits the number of requests", cause=cause)
    return SidecarError("downloadFailed", "The download failed repeatedly", cause=cause)
