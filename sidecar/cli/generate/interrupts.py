"""Ctrl-C while a request runs: it stops the request, not the program."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Final

from sidecar.cli.client import Client
from sidecar.cli.command import INTERRUPTED

STUCK_S: Final = 5.0
"""So long after the first Ctrl-C, another one ends this process: the program does not answer."""


class Interrupts:
    """Makes Ctrl-C abort what `client` works on. Python's own handler would run only when the main thread reads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._first: float | None = None
        self._receiving, self._sending = os.pipe()
        if sys.platform != "win32":
            os.set_blocking(self._sending, False)  # set_wakeup_fd requires it, but not on Windows
        threading.Thread(target=self._run, name="chat:interrupts", daemon=True).start()

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Catch Ctrl-C within this block."""
        self._first = None
        handler = signal.signal(signal.SIGINT, lambda *_: None)
        descriptor = signal.set_wakeup_fd(self._sending, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            signal.signal(signal.SIGINT, handler)

    def _run(self) -> None:
        while received := os.read(self._receiving, 1):
            if received[0] == signal.SIGINT:
                now = time.monotonic()
                if self._first is not None and now - self._first > STUCK_S:
                    os._exit(INTERRUPTED)
                self._first = self._first or now
                # It waits for a request that is being sent; the next Ctrl-C must not wait for that.
                threading.Thread(target=self._client.stop, daemon=True).start()
