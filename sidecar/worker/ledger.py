"""The ledger of open requests. Every response leaves from here, so that each request gets exactly one.

Code that finishes a request calls `answer`, `fail` or `forward`. The first call closes the request; later calls
do nothing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.framing import encode
from sidecar.message_handler.notifier import RequestId, error_response, response
from sidecar.message_handler.writer import RpcMessage, Writer

if TYPE_CHECKING:
    from sidecar.worker.pool import ModelEntry, Settings
    from sidecar.worker.process import Params, WorkerProcess

MAX_OPEN_REQUESTS: Final = 1024
"""With this many open requests, new ones are refused as `overloaded`."""

ABORTED_CODE: Final = -32800


class Batch:
    """A JSON-RPC batch: its answers are collected and leave as one array with the last of them."""

    def __init__(self, size: int) -> None:
        self.missing = size
        self.lines: list[bytes] = []


class Request:
    """An open request. `params` are valid when a handler gets them; `line` is the request as bytes."""

    def __init__(
        self,
        id: RequestId,  # noqa: A002
        method: str,
        params: Any,  # JSON; `Params` once it is validated
        line: bytes,
        batch: Batch | None,
    ) -> None:
        self.id = id
        self.method = method
        self.params: Params = params
        self.line = line
        self.batch = batch
        self.received = time.monotonic()
        self.model: ModelEntry | None = None
        self.process: WorkerProcess | None = None
        self.cancelled = False
        self.aborts: list[tuple[Request, float]] = []
        """`abort` requests that wait for the end of this one, each with its arrival in monotonic seconds."""
        self.kept_bytes = 0
        """Bytes that a download has last reported, in case its process dies."""
        self.earlier_settings: Settings | None = None
        """The settings before this `init`, restored if it fails."""


class Ledger:
    """Thread-safe. `lock` is the supervisor's: a thread that holds it sees consistent requests and models."""

    def __init__(self, writer: Writer, lock: threading.RLock) -> None:
        self._writer = writer
        self._lock = lock
        self._open: dict[tuple[type, RequestId], Request] = {}
        self.closed = threading.Condition(lock)
        """Notified whenever a request is closed."""

    def open(self, request: Request) -> None:
        """Enter a request. Raises SidecarError: `invalidRequest` if its id is in use, `overloaded`."""
        with self._lock:
            key = (type(request.id), request.id)
            if key in self._open:
                problem = f"A request with the id {request.id!r:.100} is still running"
                raise SidecarError("invalidRequest", problem, pointer="/id", value=request.id)
            if len(self._open) >= MAX_OPEN_REQUESTS:
                raise SidecarError("overloaded", f"{MAX_OPEN_REQUESTS} requests are open already")
            self._open[key] = request

    def find(self, request_id: RequestId) -> Request | None:
        """The open request of this id; 1 and "1" are different ids."""
        return self._open.get((type(request_id), request_id))

    def is_open(self, request: Request) -> bool:
        """Whether this request still waits for its answer."""
        return self.find(request.id) is request

    def wait_closed(self, requests: list[Request] | None, timeout_s: float | None) -> bool:
        """Wait until these requests (None: all) are closed. False after `timeout_s`."""

        def done() -> bool:
            return not any(map(self.is_open, requests)) if requests is not None else not self._open

        with self.closed:
            return self.closed.wait_for(done, timeout_s)

    def all(self) -> list[Request]:
        """The open requests, oldest first."""
        with self._lock:
            return list(self._open.values())

    def answer(self, request: Request, result: object) -> None:
        """Close a request with a result."""
        self.forward(request, response(request.id, result))

    def fail(self, request: Request, error: RpcMessage) -> None:
        """Close a request with an error object."""
        self.forward(request, error_response(request.id, error))

    def forward(self, request: Request, message: RpcMessage, line: bytes | None = None) -> None:
        """Close a request with a whole response. `line`: the response as bytes, if it is encoded already."""
        line = line or encode(message)  # first: if this fails, the request must stay open
        with self._lock:
            if not self.is_open(request):
                return
            del self._open[(type(request.id), request.id)]
            self.send(line, request.batch)
            aborted = message.get("error", {}).get("code") == ABORTED_CODE
            for abort, since in request.aborts:
                took = round((time.monotonic() - since) * 1000, 3)
                self.answer(abort, {"outcome": "aborted" if aborted else "finished", "tookMs": took})
            self.closed.notify_all()

    def send(self, line: bytes, batch: Batch | None) -> None:
        """Send a response, or add it to its batch. Also for errors that answer no request."""
        if batch is None:
            self._writer.send(line)
            return
        with self._lock:
            batch.lines.append(line.rstrip())
            batch.missing -= 1
            if not batch.missing:
                self._writer.send(b"[" + b",".join(batch.lines) + b"]\n")
