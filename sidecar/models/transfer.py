"""The transfer process: one request that needs the network or the models directory, then it ends.

Threads: one reads (a cancel is seen at once, whatever the others wait for); the main one works. What is
on the disk is right at every moment, so an abort just answers and ends the process.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import Any, Final

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError, error_object
from sidecar.message_handler.framing import decode
from sidecar.message_handler.notifier import RequestId, error_response, notification, response, send
from sidecar.message_handler.reader import NO_LIMIT, read_lines
from sidecar.message_handler.writer import Writer

FLUSH_TIMEOUT_S: Final = 1.0
"""How long the answer may take to leave before the process ends."""


class Job:
    """The one request."""

    def __init__(self, writer: Writer, message: dict[str, Any]) -> None:
        self.writer = writer
        self.id: RequestId = message["id"]
        self.method: str = message["method"]
        self.params: dict[str, Any] = message["params"]
        nothing = {"keptBytes": 0} if self.method == "downloadModel" else {}
        self._partial: Callable[[], dict[str, Any]] = lambda: nothing
        self._answered = threading.Lock()

    def on_abort(self, partial: Callable[[], dict[str, Any]]) -> None:
        """Say what an abort has to do from now on; it returns the partial result."""
        self._partial = partial

    def abort(self) -> None:
        """Answer with the error `aborted`, from any thread."""
        if self._answered.acquire(blocking=False):
            error = SidecarError("aborted", f"{self.method} was aborted", partial=self._partial())
            send(self.writer, error_response(self.id, error.to_wire()))

    def answer(self, message: dict[str, Any]) -> None:
        """Answer with a response. If an abort came first, wait for the end that it brings."""
        self._answered.acquire()
        send(self.writer, message)


class Transfer:
    """See the module."""

    def __init__(self, protocol_in: int, protocol_out: int, *, log_level: str) -> None:
        log.configure(log_level, "transfer")
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the router's to handle
        self._descriptor = protocol_in
        self._writer = Writer(protocol_out, lambda: os._exit(1))
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._job: Job | None = None

    def run(self) -> None:
        """Serve the request; the process ends with its answer, or with its stdin."""
        threading.Thread(target=self._read, name="sidecar:reader", daemon=True).start()
        send(self._writer, notification("ready", {}))
        job = self._jobs.get()
        try:
            from sidecar.models.methods import HANDLERS

            message = response(job.id, HANDLERS[job.method](job))
        except Exception as error:
            if not isinstance(error, SidecarError):
                log.log_exception(f"{job.method} failed", error)
            message = error_response(job.id, error_object(error))
        job.answer(message)
        self._end()

    def _read(self) -> None:
        for line in read_lines(self._descriptor, NO_LIMIT):
            assert isinstance(line, bytes)
            message = decode(line)
            if "id" in message:
                self._job = Job(self._writer, message)
                self._jobs.put(self._job)
            elif message["method"] == "$/cancelRequest" and self._job is not None:
                self._job.abort()
                self._end()
        os._exit(0)

    def _end(self) -> None:
        """Threads that wait for a server, or write bytes, may be ended at any moment."""
        self._writer.flush(FLUSH_TIMEOUT_S)
        log.flush(FLUSH_TIMEOUT_S)
        os._exit(0)
