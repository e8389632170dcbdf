"""Hashes and flushes a partial file in the background while its bytes arrive."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sidecar.models.download.partial_file import PartialFile

HASH_NICENESS: Final = 10
"""The hash gets the processor time that receiving leaves. It catches up while the disk writes the last bytes."""

PROGRESS_INTERVAL_S: Final = 0.1


class Hasher:
    """Two threads for one partial file of `size` bytes: one hashes, one flushes to the disk."""

    def __init__(self, part: PartialFile, size: int) -> None:
        self._part = part
        self._size = size
        self._stopped = threading.Event()
        self._complete = threading.Event()
        self._result: str | None = None
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._hash, name="sidecar:hash", daemon=True)
        self._thread.start()
        self._disk = threading.Thread(target=self._flush, name="sidecar:disk", daemon=True)
        self._disk.start()

    def _hash(self) -> None:
        if sys.platform == "linux":  # the only system where a thread has a priority of its own
            with suppress(OSError):  # a sandbox may forbid it, which costs speed only
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), HASH_NICENESS)
        try:
            self._result = self._part.sha256(self._size, self._stopped)
        except OSError as error:
            self._error = error

    def _flush(self) -> None:
        try:
            self._part.flush_until(self._complete)
        except OSError as error:
            self._error = error

    def finish(self, on_progress: Callable[[int], None]) -> str:
        """Wait for the hash, calling `on_progress` with the bytes hashed so far. Raises OSError."""
        self._complete.set()
        while self._thread.is_alive() or self._disk.is_alive():
            on_progress(self._part.hashed)
            (self._thread if self._thread.is_alive() else self._disk).join(PROGRESS_INTERVAL_S)
        if self._error is not None:
            raise self._error
        assert self._result is not None
        on_progress(self._size)
        return self._result

    def stop(self) -> None:
        """End both threads without a result."""
        self._stopped.set()
        self._complete.set()
        with self._part.changed:
            self._part.changed.notify_all()
        self._thread.join()  # after HASH_BYTES at most; the other thread ends with its flush
