"""The transfer process: it serves one request that needs the network or the models directory, then it ends.

Threads: one reads, so that it sees a cancel at once; the main thread works. The files on the disk are valid at
every moment, so an abort only answers and ends the process.
"""

from __future__ import annotations

import gc
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from typing import Final

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError, error_object
from sidecar.message_handler.framing import decode
from sidecar.message_handler.notifier import error_response, notification, response, send
from sidecar.message_handler.reader import NO_LIMIT, read_lines
from sidecar.message_handler.writer import Writer
from sidecar.models.transfer_job import TransferJob

FLUSH_TIMEOUT_S: Final = 1.0
"""How long the answer may take to leave before the process ends."""

GARBAGE_OBJECTS: Final = 50_000
"""New objects after which Python looks for garbage. Importing the HTTP client makes many, and none of them is garbage:
with Python's own limit, looking for some takes a tenth of the time of a short request."""


def forbid_dumps() -> None:
    """No core dump of this process: it knows the user's token. Windows has no such setting for a process."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # a system that pipes core dumps to a program ignores that limit
        with suppress(OSError), open("/proc/self/coredump_filter", "w", encoding="ascii") as kinds:
            kinds.write("0")  # of no kind of memory


class Transfer:
    """The transfer role."""

    def __init__(self, protocol_in: int, protocol_out: int, *, log_level: str) -> None:
        log.configure(log_level, "transfer")
        gc.set_threshold(GARBAGE_OBJECTS)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the router handles a terminal's Ctrl-C
        self._descriptor = protocol_in
        self._writer = Writer(protocol_out, lambda: os._exit(1))
        self._jobs: queue.SimpleQueue[TransferJob] = queue.SimpleQueue()
        self._job: TransferJob | None = None

    def run(self) -> None:
        """Serve the request. The process ends after its answer, or with its stdin."""
        threading.Thread(target=self._read, name="sidecar:reader", daemon=True).start()
        send(self._writer, notification("ready", {}))
        job = self._jobs.get()
        forbid_dumps()
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
                self._job = TransferJob(self._writer, message)
                self._jobs.put(self._job)
            elif message["method"] == "$/cancelRequest" and self._job is not None:
                self._job.abort()
                self._end()
        os._exit(0)

    def _end(self) -> None:
        """End the process, also while other threads wait for a server or write to the disk."""
        self._writer.flush(FLUSH_TIMEOUT_S)
        log.flush(FLUSH_TIMEOUT_S)
        os._exit(0)
