"""Progress over all files of a download: `download` and `verify`, at most ten notifications per second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from sidecar.message_handler.notifier import Progress, RequestId, send_info
from sidecar.message_handler.writer import Writer

INTERVAL_S: Final = 0.1
SPEED_WINDOW_S: Final = 5.0
"""The speed is the average over this time."""


def progress_of(writer: Writer, request_id: RequestId) -> dict[str, Progress]:
    """Progress that all `Report`s of a request share: a file that changes on its server gets a second report."""
    return {
        "download": Progress(writer, request_id, "download", INTERVAL_S),
        "verify": Progress(writer, request_id, "verify", INTERVAL_S),
    }


class Report:
    """For one thread. `sizes`: name and bytes of each file, None if the server did not send the size."""

    def __init__(
        self, writer: Writer, progress: dict[str, Progress], sizes: Sequence[tuple[str, int | None]]
    ) -> None:
        self._writer = writer
        self._progress = progress
        self._sizes = sizes
        known = [size for _, size in sizes if size is not None]
        self._total = sum(known) if len(known) == len(sizes) else None
        self._index = 0
        self._before = 0
        """Bytes of the files that are complete."""
        self._highest = {"download": 0, "verify": 0}
        self._seen: deque[tuple[float, int]] = deque()
        self.waited = False
        """Set when another process has downloaded the current file in the meantime, or still does."""

    def begin(self, index: int, before: int) -> None:
        """Begin the file at `index`; the files before it have `before` bytes together."""
        self._index, self._before = index, before
        self._seen.clear()
        self.waited = False

    def downloaded(self, count: int) -> None:
        """`count` bytes of the current file are on the disk."""
        done = self._highest_of("download", count)
        speed = self._speed(done)
        left = None if self._total is None else max(self._total - done, 0)
        self._send_progress(
            "download",
            done,
            downloadedBytes=done,
            bytesPerSecond=None if speed is None else round(speed),
            etaMs=round(1000 * left / speed) if left is not None and speed else None,
        )

    def verified(self, count: int) -> None:
        """`count` bytes of the current file are hashed."""
        done = self._highest_of("verify", count)
        self._send_progress("verify", done, verifiedBytes=done)

    def info(self, message: str) -> None:
        """Send a warning to the client."""
        send_info(self._writer, "warning", message)

    def _highest_of(self, name: str, count: int) -> int:
        """Bytes over all files. They never decrease, though a restarted file begins at 0."""
        done = max(self._highest[name], self._before + count)
        self._highest[name] = done
        return done

    def _speed(self, done: int) -> float | None:
        """Bytes per second over the window; None until there is one."""
        now = time.monotonic()
        self._seen.append((now, done))
        while now - self._seen[0][0] > SPEED_WINDOW_S and len(self._seen) > 2:
            self._seen.popleft()
        at, before = self._seen[0]
        return (done - before) / (now - at) if now - at >= INTERVAL_S else None

    def _send_progress(self, name: str, done: int, **fields: object) -> None:
        self._progress[name].report(
            None if self._total is None else done / self._total if self._total else 1.0,
            totalBytes=self._total,
            file=self._sizes[self._index][0],
            fileIndex=self._index + 1,
            fileCount=len(self._sizes),
            **fields,
        )
