"""The state that all parts of the router share: open requests, models, processes. How requests are aborted,
and how the program ends.

One lock guards ledger and pool. It is never held while something waits.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError, error_object
from sidecar.message_handler.notifier import notification
from sidecar.message_handler.writer import Writer
from sidecar.worker import one_file
from sidecar.worker.ledger import Ledger, Request
from sidecar.worker.lifecycle import watch_process
from sidecar.worker.pool import Pool, Settings
from sidecar.worker.process import OnEnd, OnMessage, WorkerProcess

LOAD_GRACE_S: Final = 0.02
"""How long an aborted load may take to stop by itself. Then its engine is ended, which holds nothing else.
The same holds for a transfer: whatever it has written so far is valid."""

WORK_GRACE_S: Final = 1.0
"""The same for work in an engine that holds a model and perhaps other requests."""

FLUSH_TIMEOUT_S: Final = 0.2
"""How long the last answers may take to leave when the program ends."""


class Supervisor:
    """`on_message` and `on_end` are called on the relay thread of the worker process that they are about."""

    def __init__(self, protocol_out: int, log_level: str, on_message: OnMessage, on_end: OnEnd) -> None:
        self.started = time.monotonic()
        self.log_level = log_level
        self.lock = threading.RLock()
        self.closing = False
        self._ending = threading.Lock()
        """The first thread that ends the program takes it, and never releases it."""
        self.writer = Writer(protocol_out, lambda: self.begin_close(1))
        self.ledger = Ledger(self.writer, self.lock)
        self.pool = Pool(Settings(log_level=log_level), on_message, on_end)
        self._background: queue.SimpleQueue[tuple[Request, Callable[[], None]]] = queue.SimpleQueue()
        threading.Thread(target=self._run_background, name="sidecar:background", daemon=True).start()

    def watch_parent(self, pid: int) -> None:
        """End the program when that process ends."""
        watch_process(pid, lambda: self.begin_close(0))

    # ---- work that the router must not wait for --------------------------------------------------

    def run_in_background(self, request: Request, work: Callable[[], None]) -> None:
        """Run `work` on the background thread; the request fails if it raises."""
        self._background.put((request, work))

    def _run_background(self) -> None:
        while True:
            request, work = self._background.get()
            try:
                work()
            except Exception as error:
                if not isinstance(error, SidecarError):
                    log.log_exception(f"{request.method} failed", error)
                self.ledger.fail(request, error_object(error))

    # ---- abort -----------------------------------------------------------------------------------

    def cancel(self, request: Request, grace_s: float | None = None) -> None:
        """Stop a request: ask its process, and end that process if the request is still open after `grace_s`."""
        process = request.process
        if request.cancelled or process is None:
            return  # asked already, or work of the background thread, which ends soon by itself
        request.cancelled = True
        process.ignore_backpressure = True
        self.writer.nudge()
        process.send(notification("$/cancelRequest", {"id": request.id}))
        alone = request.method in ("loadModel", "init") or process.role == "transfer"
        # It may have files to delete first. While it starts it has none: it reads this before it begins.
        deletes_files = request.params.get("keepPartial") is False and process.ready
        default_s = LOAD_GRACE_S if alone and not deletes_files else WORK_GRACE_S
        self._give_grace(request, process, grace_s or default_s)

    def _give_grace(self, request: Request, process: WorkerProcess, grace_s: float) -> None:
        timer = threading.Timer(grace_s, self._grace_is_over, (request, process, grace_s))
        timer.daemon = True
        timer.start()

    def _grace_is_over(self, request: Request, process: WorkerProcess, grace_s: float) -> None:
        with self.lock:
            if not self.ledger.is_open(request):
                return
            # An engine that is still starting cannot have read the cancel yet.
            may_wait = grace_s == LOAD_GRACE_S or not process.ready
            if may_wait and self._has_other_work(request, process):
                self._give_grace(request, process, WORK_GRACE_S)
                return
            log.log("info", "aborted work did not stop; ending its engine", engine=process.pid)
            process.killed_by_us = True
            self.pool.retire(process)
            process.kill()

    def _has_other_work(self, request: Request, process: WorkerProcess) -> bool:
        """Whether the process serves requests that do not depend on this one.

        Those for the model that this request loads depend on it; `init`, and loads of other models, do not.
        """
        others = [other for other in self.ledger.all() if other.process is process and other is not request]
        return any(request.model is None or other.model is not request.model for other in others)

    # ---- the end ---------------------------------------------------------------------------------

    def begin_close(self, status: int, shutdown: Request | None = None) -> None:
        """End the program, from any thread; returns at once. The first call decides the exit status."""
        if self._ending.acquire(blocking=False):
            threading.Thread(target=self._end, args=(status, shutdown), daemon=True).start()

    def close(self, status: int) -> None:
        """End the program, on the main thread. Does not return."""
        if self._ending.acquire(blocking=False):
            self._end(status)
        time.sleep(2)  # another thread is ending the process

    def _end(self, status: int, shutdown: Request | None = None) -> None:
        """Answer everything, end every child, flush, exit: about EXIT_TIMEOUT_S + FLUSH_TIMEOUT_S at most."""
        error = SidecarError("shuttingDown", "The program is ending").to_wire()
        with self.lock:
            self.closing = True
            processes = list(self.pool.processes)
            for request in self.ledger.all():
                if request is not shutdown:
                    self.ledger.fail(request, error)
        self.writer.nudge()
        threads = [threading.Thread(target=process.end, daemon=True) for process in processes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if shutdown is not None:
            self.ledger.answer(shutdown, None)
        self.writer.flush(FLUSH_TIMEOUT_S)
        log.flush(FLUSH_TIMEOUT_S)
        one_file.leave()
        # Not sys.exit: threads wait in reads that only the other side can end.
        os._exit(status)
