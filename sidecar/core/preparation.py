"""What a request needs before it computes: its prompt, its tokens, its grammar.

An app can make that take long. So it runs on a thread of its own. If it is not done soon, the next requests no longer
wait for it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from sidecar.core.jobs import Job, start_thread

if TYPE_CHECKING:
    Handler: TypeAlias = Callable[[], Mapping[str, object] | None]

PATIENCE_S: Final = 0.25
"""How long the next request waits for the preparation of this one, so that most requests keep their order."""

MAX_THREADS: Final = 8
"""Preparations at once. With more, the next request waits until one is done."""


class Preparation:
    """The threads. Only the request thread calls `run`."""

    def __init__(self) -> None:
        self._room = threading.BoundedSemaphore(MAX_THREADS)
        self._thread: _Thread | None = None

    def run(self, job: Job, handler: Handler) -> None:
        """Run a job's handler; return when it is done, or after PATIENCE_S."""
        if self._thread is None:
            self._room.acquire()
            self._thread = _Thread(self._room.release)
        if not self._thread.run(job, handler):
            self._thread = None


class _Thread:
    """A thread that runs handlers one after the other, until one takes too long: with that one it ends."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._queue: queue.SimpleQueue[tuple[Job, Handler] | None] = queue.SimpleQueue()
        self._done = threading.Event()
        self._on_end = on_end
        start_thread(self._serve, "sidecar:preparation")

    def run(self, job: Job, handler: Handler) -> bool:
        """Run a handler. Returns whether it is done; if not, it goes on, and the thread takes no other one."""
        self._done.clear()
        self._queue.put((job, handler))
        if self._done.wait(PATIENCE_S):
            return True
        self._queue.put(None)
        if job.remaining_s < threading.TIMEOUT_MAX:
            timer = threading.Timer(max(job.remaining_s, 0), self._expire, (job,))
            timer.daemon = True
            timer.start()
        return False

    def _expire(self, job: Job) -> None:
        if not self._done.is_set():
            job.expire()

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None:
            job, handler = item
            job.run(handler)
            self._done.set()
        self._on_end()
