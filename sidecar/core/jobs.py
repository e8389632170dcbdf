"""The requests that an engine has not answered yet: who works on each, how it is stopped, its one answer."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from sidecar.core import crash
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError, error_object
from sidecar.message_handler.framing import encode
from sidecar.message_handler.notifier import error_response, response, send_info

if TYPE_CHECKING:
    from sidecar.message_handler.notifier import RequestId
    from sidecar.message_handler.writer import Writer


STACK_BYTES: Final = 16 * 1024 * 1024
"""Stack of a thread that tokenizes (model/tokenizer.py) or compiles a grammar. Only what is used of it takes memory."""

_stack_lock: Final = threading.Lock()
_current: Final = threading.local()
"""Its `job` is the job whose handler this thread runs."""


def start_thread(target: Callable[[], None], name: str) -> None:
    """Start a thread with STACK_BYTES. The system's own default may be as small as 128 KB."""
    with _stack_lock:  # the size is the process's
        before = threading.stack_size(STACK_BYTES)
        try:
            threading.Thread(target=target, name=name, daemon=True).start()
        finally:
            threading.stack_size(before)


def checkpoint() -> None:
    """Raise SidecarError `aborted` or `timedOut` if nobody waits for the answer of this thread's job any more."""
    job: Job | None = getattr(_current, "job", None)
    if job is not None:
        job.check()
        if job.late:
            raise job.timed_out(None)


class Job:
    """One request. It gets one answer; later ones are dropped."""

    def __init__(
        self,
        jobs: Jobs,
        request_id: RequestId,
        method: str,
        params: Any,  # the `…Params` of the method, which the router has validated
    ) -> None:
        self._jobs = jobs
        self.id = request_id
        self.method = method
        self.params = params
        self.arrived = time.monotonic()
        timeout_ms: float | None = params.get("timeoutMs")
        self._deadline = None if timeout_ms is None else self.arrived + timeout_ms / 1000
        self.cancelled = False
        self.started = False
        self.stop: Callable[[], None] | None = None
        """Interrupts the current work, if anything can."""

    def answer(self, result: object, *, wake: bool = True) -> None:
        """Answer with a result. `wake`: send it at once, not with the next line."""
        self._jobs.close(self, response(self.id, result), wake)

    def fail(self, error: BaseException) -> None:
        """Answer with an error. The crash of a library ends the process, which the router answers."""
        crash.end_if_caught(error)
        if not isinstance(error, SidecarError):
            log.log_exception(f"{self.method} failed", error)
        self._jobs.close(self, error_response(self.id, error_object(error)), True)

    def abort(self, partial: Mapping[str, object] | None = None) -> None:
        """Answer with the error `aborted`. `partial`: the result so far."""
        self.fail(self._aborted(partial))

    @property
    def remaining_s(self) -> float:
        """Seconds until the end of its `timeoutMs`; infinite if it has none."""
        return math.inf if self._deadline is None else self._deadline - time.monotonic()

    @property
    def late(self) -> bool:
        """Whether the request has taken longer than its `timeoutMs`."""
        return self.remaining_s < 0

    def expire(self, partial: Mapping[str, object] | None = None) -> None:
        """Answer with the error `timedOut`. `partial`: the result so far."""
        self.fail(self.timed_out(partial))

    def timed_out(self, partial: Mapping[str, object] | None) -> SidecarError:
        """The error `timedOut`."""
        problem = f"{self.method} took longer than its {self.params['timeoutMs']} ms"
        return SidecarError("timedOut", problem, **self._with_partial(partial))

    def warn(self, message: str) -> None:
        """Tell the app about something that does not stop the job."""
        self._jobs.warn(message)

    def interruptible(self, stop: Callable[[], None] | None) -> None:
        """Set what interrupts the current work. It is called at once if the job is cancelled already."""
        self._jobs.set_stop(self, stop)

    def check(self) -> None:
        """Raise SidecarError `aborted` if the job is cancelled."""
        if self.cancelled:
            raise self._aborted(None)

    def run(self, handler: Callable[[], Mapping[str, object] | None]) -> None:
        """Answer with what `handler` returns or raises; if it returns None, the answer comes later."""
        _current.job = self
        try:
            result = handler()
        except Exception as error:
            self.fail(error)
        else:
            if result is not None:
                self.answer(result)
        finally:
            _current.job = None

    def _aborted(self, partial: Mapping[str, object] | None) -> SidecarError:
        return SidecarError("aborted", f"{self.method} was aborted", **self._with_partial(partial))

    def _with_partial(self, partial: Mapping[str, object] | None) -> dict[str, object]:
        if partial is None and self.method in ("complete", "chat", "infill"):
            partial = {"text": ""}  # it had not begun
        return {} if partial is None else {"partial": partial}


class Jobs:
    """The jobs without an answer, by the id of their request. Thread-safe."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._open: dict[tuple[type, RequestId], Job] = {}
        """The key contains the type of the id: 1 and "1" are two ids."""

    def open(self, request_id: RequestId, method: str, params: Mapping[str, object]) -> Job:
        """Add a request that has arrived."""
        job = Job(self, request_id, method, params)
        with self._lock:
            self._open[(type(request_id), request_id)] = job
        return job

    def cancel(self, request_id: RequestId) -> None:
        """Stop a job: answer at once if it has not started, else call its `stop`."""
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
        """Mark a job as started. False if it is cancelled already."""
        with self._lock:
            job.started = True
            return not job.cancelled

    def set_stop(self, job: Job, stop: Callable[[], None] | None) -> None:
        """See Job.interruptible."""
        with self._lock:
            job.stop = stop
            cancelled = job.cancelled
        if cancelled and stop is not None:
            stop()

    def warn(self, message: str) -> None:
        """See Job.warn."""
        send_info(self._writer, "warning", message)

    def close(self, job: Job, message: Mapping[str, object], wake: bool) -> None:
        """Send a job's answer, unless it has one."""
        line = encode(message)  # outside the lock: vectors take long, and a cancel must not wait for them
        with self._lock:
            if self._open.pop((type(job.id), job.id), None) is job:
                self._writer.send(line, wake=wake)
