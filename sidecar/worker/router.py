"""The router: reads lines from the client, passes requests to the worker processes, relays what those send.

Threads: the main thread reads and never waits for work; one writes (writer.py); one relays for each worker
process (process.py); one does slow work of the router's own, in the background (supervisor.py).
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from sidecar.message_handler import log
from sidecar.message_handler._wire import NOTIFICATIONS, REQUESTS
from sidecar.message_handler.errors import SidecarError, error_object
from sidecar.message_handler.framing import LineTooLong, encode
from sidecar.message_handler.notifier import error_response, progress_key
from sidecar.message_handler.reader import read_lines
from sidecar.message_handler.writer import RpcMessage
from sidecar.worker import idle, methods, one_file, outcome
from sidecar.worker.intake import Call, Item, Refusal, is_request_id, read_line
from sidecar.worker.ledger import Batch, Request
from sidecar.worker.lifecycle import on_end_signals
from sidecar.worker.process import Params, WorkerProcess
from sidecar.worker.supervisor import Supervisor

MAX_UNREAD_BYTES: Final = 16 * 1024 * 1024
"""Bytes of answers that may wait for a client that sends without reading. With more, the client's next line waits."""


class Router:
    """Reads and routes. `run` does not return: the supervisor ends the process."""

    def __init__(self, protocol_in: int, protocol_out: int, options: Any) -> None:  # a namespace of options
        log.configure(options.log_level)
        self._descriptor = protocol_in
        self._max_line_bytes: int = options.max_line_bytes
        self._finish: bool = options.finish
        self._supervisor = Supervisor(
            protocol_out, options.log_level, self._on_worker_message, self._on_worker_end
        )
        self._ledger, self._writer = self._supervisor.ledger, self._supervisor.writer
        one_file.attend(lambda: self._supervisor.begin_close(0))
        if options.parent_pid is not None:
            self._supervisor.watch_parent(options.parent_pid)

    def run(self) -> None:
        """Serve until stdin ends, `shutdown`, `exit`, a signal, or the parent's end."""
        on_end_signals(lambda: self._supervisor.begin_close(0))
        for line in read_lines(self._descriptor, self._max_line_bytes):
            if isinstance(line, LineTooLong):
                problem = f"The line is longer than {self._max_line_bytes} bytes"
                self._refuse(Refusal(SidecarError("invalidRequest", problem), None), None)
            else:
                self._handle_line(line)
            if self._writer.waiting_bytes > MAX_UNREAD_BYTES:
                self._writer.wait_for_room(lambda: self._supervisor.closing)
        if self._finish:
            self._ledger.wait_closed(None, None)
            self._writer.flush(threading.TIMEOUT_MAX)  # as slowly as the client reads
        self._supervisor.close(0)

    # ---- from the client -------------------------------------------------------------------------

    def _handle_line(self, line: bytes) -> None:
        try:
            self._handle_items(line)
        except Exception as error:  # a defect here must cost one line, not the program
            log.log_exception("a line could not be handled", error)
            self._refuse(Refusal(SidecarError("internalError", "The line could not be handled"), None), None)

    def _handle_items(self, line: bytes) -> None:
        items = read_line(line)
        if not isinstance(items, list):
            self._handle_item(items, None, line + b"\n")
            return
        answered = sum(1 for item in items if isinstance(item, Refusal) or item.is_request)
        batch = Batch(answered)
        for item in items:
            self._handle_item(item, batch, None)

    def _handle_item(self, item: Item, batch: Batch | None, line: bytes | None) -> None:
        if isinstance(item, Refusal):
            self._refuse(item, batch)
        elif item.is_request:
            self._handle_request(item, batch, line)
        else:
            self._handle_notification(item)

    def _refuse(self, refusal: Refusal, batch: Batch | None) -> None:
        self._ledger.send(encode(error_response(refusal.request_id, refusal.error.to_wire())), batch)

    def _handle_request(self, call: Call, batch: Batch | None, line: bytes | None) -> None:
        assert call.request_id is not None
        request = Request(call.request_id, call.method, call.params, line or encode(call.message), batch)
        try:
            with (
                self._supervisor.lock
            ):  # the end of the program answers every request that is opened before it
                if self._supervisor.closing:
                    raise SidecarError("shuttingDown", "The program is ending")
                self._ledger.open(request)
        except SidecarError as error:
            self._refuse(Refusal(error, call.request_id), batch)
            return
        try:
            if call.method not in REQUESTS:
                raise _unknown_method(call.method)
            if call.method == "init":
                with self._supervisor.lock:
                    self._supervisor.pool.spare()  # it starts while the params are checked
            self._validate(call)
            with self._supervisor.lock:
                self._dispatch(request)
        except Exception as error:
            if not isinstance(error, SidecarError):
                log.log_exception(f"{call.method} failed", error)
            self._ledger.fail(request, error_object(error))

    def _handle_notification(self, call: Call) -> None:
        if call.method not in NOTIFICATIONS:
            log.log("debug", "notification ignored", method=call.method[:200])
        elif call.method == "exit":
            self._supervisor.close(0)
        elif call.method == "$/cancelRequest":
            request_id: object = call.params.get("id") if isinstance(call.params, dict) else None
            with self._supervisor.lock:
                target = self._ledger.find(request_id) if is_request_id(request_id) else None
                if target is not None:
                    self._supervisor.cancel(target)

    def _validate(self, call: Call) -> None:
        from sidecar.message_handler import validation

        validation.validate_params(call.method, call.params)

    def _dispatch(self, request: Request) -> None:
        """Serve a request, or pass its line to the engine of its model."""
        handler = methods.HANDLERS.get(request.method)
        if handler is not None:
            handler(self._supervisor, request)
            return
        pool, params, line = self._supervisor.pool, request.params, request.line
        if request.method == "loadModel":
            load = pool.settings.with_absolute_paths(params)
            request.model = model = pool.add_model(load, idle.make_room(self._supervisor))
            request.process = pool.engine(model)
            line = _inner_line(request, model.load)
        else:
            by_context = "contextId" in params
            model = (
                pool.model_of_context(params["contextId"]) if by_context else pool.model(params["modelId"])
            )
            request.model, leaving = model, []
            model.crashes.check(params)
            if model.process is None:
                model.crashes.check_restart(model.model_id)  # before another engine ends for it
                leaving = idle.make_room(self._supervisor)
            request.process = pool.engine(model, leaving)
        # After the engine: a new one creates all contexts that are known.
        if request.method == "createContext":
            request.params = pool.add_context(model, params)
            request.process.saves |= "cacheDirectory" in params
            line = _inner_line(request, request.params)
        request.process.writer.send(line)

    # ---- from the worker processes ---------------------------------------------------------------

    def _on_worker_message(self, process: WorkerProcess, message: RpcMessage, line: bytes) -> None:
        """Relay one message; on the relay thread of that process."""
        if "id" in message:
            with self._supervisor.lock:
                request = self._ledger.find(message["id"])
                if request is not None and request.process is process:
                    outcome.settle(self._supervisor, request, message, line)
                    others = (other for other in self._ledger.all() if other.process is process)
                    process.ignore_backpressure = any(other.cancelled for other in others)
            return
        method, params = message["method"], message["params"]
        if method == "progress":
            request = self._ledger.find(params["requestId"])
            if request is not None:
                request.kept_bytes = params.get("downloadedBytes", request.kept_bytes)
                self._writer.progress(progress_key(params), message, line)
                if not self._writer.has_room():
                    self._writer.wait_for_room(
                        lambda: process.ignore_backpressure or self._supervisor.closing
                    )
        elif method == "info":
            self._writer.info(message)
        elif method == "cache":
            process.caches[params["contextId"]] = params["cache"]
        elif method == "ready":
            process.ready = True
            ms = round(1000 * (time.monotonic() - process.started), 1)
            log.log("debug", f"{process.role} {process.pid} is ready", ms=ms)
        elif method == "fault":
            process.fault = params["message"]
            process.ready = process.ready and not params["starting"]

    def _on_worker_end(self, process: WorkerProcess) -> None:
        """Answer for a process that has ended; the last call on its relay thread."""
        with self._supervisor.lock:
            orphans = [request for request in self._ledger.all() if request.process is process]
            model = self._supervisor.pool.died(process, [request.params for request in orphans])
        if self._supervisor.closing:
            return
        outcome.after_death(self._supervisor, process, model, orphans)


def _unknown_method(name: str) -> SidecarError:
    return SidecarError(
        "methodNotFound",
        f"There is no method {name!r:.100}",
        value=name[:200],
        allowed=sorted(REQUESTS),
    )


def _inner_line(request: Request, params: Params) -> bytes:
    return encode({"jsonrpc": "2.0", "id": request.id, "method": request.method, "params": params})
