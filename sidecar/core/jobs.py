"""The engine's side of a request: who works on it, how it is stopped, and its single answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError, error_object
from sidecar.message_handler.framing import encode
from sidecar.message_handler.notifier import RequestId, error_response, response
from sidecar.message_handler.writer import Writer


class Job:
    """One request in this engine. `stop` is what interrupts the work of the moment, if anything can."""

    def __init__(self, jobs: Jobs, request_id: RequestId, method: str, params: dict[str, Any]) -> None:
        self._jobs = jobs
        self.id = request_id
        self.method = method
        self.params: Any = params  # the `…Params` of the method, which the router has validated
        self.arrived = time.monotonic()
        timeout_ms: float | None = params.get("timeoutMs")
        self._deadline = None if timeout_ms is None else self.arrived + timeout_ms / 1000
        self.cancelled = False
        self.started = False
        self.stop: Callable[[], None] | None = None

    def answer(self, result: Any, *, wake: bool = True) -> None:
        """Answer with a result, unless it was answered already."""
        self._jobs.close(self, response(self.id, result), wake)

    def fail(self, error: BaseException) -> None:
        """Answer with an error, unless it was answered already."""
        if not isinstance(error, SidecarError):
            log.log_exception(f"{self.method} failed", error)
        self._jobs.close(self, error_response(self.id, error_object(error)), True)

    def abort(self, partial: dict[str, Any] | None = None) -> None:
        """Answer with the error `aborted`."""
        self.fail(self._aborted(partial))

    @property
    def late(self) -> bool:
        """Whether it has taken longer than its `timeoutMs`, if it has one."""
        return self._deadline is not None and time.monotonic() > self._deadline

    def expire(self, partial: dict[str, Any]) -> None:
        """Answer with the error `timedOut`."""
        problem = f"{self.method} took longer than its {self.params['timeoutMs']} ms"
        self.fail(SidecarError("timedOut", problem, partial=partial))

    def interruptible(self, stop: Callable[[], None] | None) -> None:
        """Say how to interrupt what the job does now; called at once if it was cancelled meanwhile."""
        self._jobs.interruptible(self, stop)

    def check(self) -> None:
        """Raise SidecarError `aborted` if the job was cancelled."""
        if self.cancelled:
            raise self._aborted(None)

    def _aborted(self, partial: dict[str, Any] | None) -> SidecarError:
        if partial is None and self.method in ("complete", "chat", "infill"):
            partial = {"text": ""}  # it had not begun
        details = {} if partial is None else {"partial": partial}
        return SidecarError("aborted", f"{self.method} was aborted", **details)


class Jobs:
    """The open jobs by request id. Thread-safe."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._open: dict[tuple[type, RequestId], Job] = {}

    def open(self, request_id: RequestId, method: str, params: dict[str, Any]) -> Job:
        job = Job(self, request_id, method, params)
        with self._lock:
            self._open[(type(request_id), request_id)] = job
        return job

    def cancel(self, request_id: RequestId) -> None:
        """Stop a job: at once if nobody has begun it, else by its own `stop`."""
        with self._lock:
            job = self._open.get((type(request_id), request_id))
            if job is None:
                return
            job.cancelled = True
            waiting, stop = not job.started, job.stop
        if waiting:
            job.abort()
        elif stop is not None:
            stop()

    def begin(self, job: Job) -> bool:
        """Mark a job as being worked on. False if it was cancelled before."""
        with self._lock:
            job.started = True
            return not job.cancelled

    def interruptible(self, job: Job, stop: Callable[[], None] | None) -> None:
        """See Job.interruptible."""
        with self._lock:
            job.stop = stop
            cancelled = job.cancelled
        if cancelled and stop is not None:
            stop()

    def close(self, job: Job, message: dict[str, Any], wake: bool) -> None:
        line = encode(message)  # vectors take their time; a cancel must not wait for it
        with self._lock:
            if self._open.pop((type(job.id), job.id), None) is job:
                self._writer.send(line, wake=wake)
