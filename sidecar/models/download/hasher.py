"""What goes on behind the bytes of a download that come: their hash, and their way to the disk."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sidecar.models.download.partial_file import Part

HASH_NICENESS: Final = 10
"""The hash takes what processor time the bytes leave, and catches up while the disk writes the last of them."""

TELL_INTERVAL_S: Final = 0.1


class Behind:
    """The hash of a part, and its way to the disk: each on a thread of its own, behind the bytes that come."""

    def __init__(self, part: Part, size: int) -> None:
        self._part = part
        self._size = size
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._result: str | None = None
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="sidecar:hash", daemon=True)
        self._thread.start()
        self._disk = threading.Thread(target=self._write_behind, name="sidecar:disk", daemon=True)
        self._disk.start()

    def _run(self) -> None:
        if sys.platform == "linux":  # where a thread has a priority of its own: the bytes that come go first
            with suppress(OSError):  # a sandbox may forbid it, which costs speed only
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), HASH_NICENESS)
        try:
            self._result = self._part.sha256(self._size, self._stopped)
        except OSError as error:
            self._error = error

    def _write_behind(self) -> None:
        try:
            self._part.write_behind(self._ended)
        except OSError as error:
            self._error = error

    def finish(self, tell: Callable[[int], None]) -> str:
        """Wait for its end, telling how far it is. Raises OSError."""
        self._ended.set()
        while self._thread.is_alive() or self._disk.is_alive():
            tell(self._part.hashed)
            (self._thread if self._thread.is_alive() else self._disk).join(TELL_INTERVAL_S)
        if self._error is not None:
            raise self._error
        assert self._result is not None
        tell(self._size)
        return self._result

    def stop(self) -> None:
        self._stopped.set()
        self._ended.set()
        with self._part.changed:
            self._part.changed.notify_all()
        self._thread.join()  # a piece of HASH_BYTES at most; the disk's thread ends when the disk has answered
