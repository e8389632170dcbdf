"""The router: takes lines from the reader, passes work to the engines, relays what they say.

Threads: the main one reads and never waits for work; one writes (writer.py); one relay for each child
(process.py); one desk for the few slow things that are the router's own. One lock over ledger and pool,
held for moments.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from sidecar.message_handler import log
from sidecar.message_handler._wire import NOTIFICATIONS, REQUESTS
from sidecar.message_handler.errors import SidecarError, error_object
from sidecar.message_handler.framing import LineTooLong, encode
from sidecar.message_handler.notifier import error_response, notification, progress_key
from sidecar.message_handler.reader import read_lines
from sidecar.message_handler.writer import Writer
from sidecar.worker import methods, one_file, outcome
from sidecar.worker.intake import Call, Item, Refusal, is_request_id, read_line
from sidecar.worker.ledger import Batch, Ledger, Request
from sidecar.worker.lifecycle import on_end_signals, watch_process
from sidecar.worker.pool import Pool, Settings
from sidecar.worker.process import WorkerProcess

LOAD_GRACE_S: Final = 0.02
"""How long an aborted load may take to stop by itself. Its engine holds nothing else: it is ended then. The
same for a transfer: what it wrote is right at every moment."""

WORK_GRACE_S: Final = 1.0
"""The same for work in an engine that holds a model and perhaps other requests."""

MAX_UNREAD_BYTES: Final = 16 * 1024 * 1024
"""Answers that may wait for a client which sends and does not read; then its next line waits, too."""

FLUSH_TIMEOUT_S: Final = 0.2
"""How long the last answers may take to leave when the program ends."""


class Router:
    """See the module. `run` returns never: the process ends in `_end`."""

    def __init__(self, protocol_in: int, protocol_out: int, options: Any) -> None:
        """`options`: those of options.py."""
        self.started = time.monotonic()
        self.log_level: str = options.log_level
        log.configure(self.log_level)
        self._descriptor = protocol_in
        self._max_line_bytes: int = options.max_line_bytes
        self._finish: bool = options.finish
        self.lock = threading.RLock()
        self._closing = False
        self._closed = threading.Lock()
        self.writer = Writer(protocol_out, lambda: self.begin_close(1))
        self.ledger = Ledger(self.writer, self.lock)
        self.pool = Pool(Settings(log_level=self.log_level), self._from_engine, self._engine_ended)
        self.desk: queue.SimpleQueue[tuple[Request, Callable[[], None]]] = queue.SimpleQueue()
        threading.Thread(target=methods.run_desk, args=(self,), name="sidecar:desk", daemon=True).start()
        one_file.attend(lambda: self.begin_close(0))
        if options.parent_pid is not None:
            self.watch_parent(options.parent_pid)

    def run(self) -> None:
        """Serve until stdin ends, `shutdown`, `exit`, a signal, or the parent's end."""
        on_end_signals(lambda: self.begin_close(0))
        for line in read_lines(self._descriptor, self._max_line_bytes):
            if isinstance(line, LineTooLong):
                problem = f"The line is longer than {self._max_line_bytes} bytes"
                self._refuse(Refusal(SidecarError("invalidRequest", problem), None), None)
            else:
                self._take_safely(line)
            if self.writer.waiting_bytes > MAX_UNREAD_BYTES:
                self.writer.wait_for_room(lambda: self._closing)
        if self._finish:
            self.ledger.wait_closed(None, None)
            self.writer.flush(threading.TIMEOUT_MAX)  # at the pace of who reads
        self._close(0)

    def watch_parent(self, pid: int) -> None:
        """End when that process ends."""
        watch_process(pid, lambda: self.begin_close(0))

    def resolve_path(self, path: str) -> str:
        """An absolute path; a relative one starts at modelsDirectory, or at the working directory."""
        return os.path.abspath(os.path.join(self.pool.settings.models_directory or "", path))

    def _resolve_paths(self, params: dict[str, Any]) -> dict[str, Any]:
        """loadModel's params with absolute paths."""
        resolved = {**params, "path": self.resolve_path(params["path"])}
        if "draftPath" in params:
            resolved["draftPath"] = self.resolve_path(params["draftPath"])
        if "adapters" in params:
            resolved["adapters"] = [{**a, "path": self.resolve_path(a["path"])} for a in params["adapters"]]
        return resolved

    # ---- from the client -------------------------------------------------------------------------

    def _take_safely(self, line: bytes) -> None:
        try:
            self._take(line)
        except Exception as error:  # a defect here must cost one line, not the program
            log.log_exception("a line could not be taken", error)
            self._refuse(Refusal(SidecarError("internalError", "The line could not be taken"), None), None)

    def _take(self, line: bytes) -> None:
        items = read_line(line)
        if not isinstance(items, list):
            self._take_item(items, None, line + b"\n")
            return
        answered = sum(1 for item in items if isinstance(item, Refusal) or item.is_request)
        batch = Batch(answered)
        for item in items:
            self._take_item(item, batch, None)

    def _take_item(self, item: Item, batch: Batch | None, line: bytes | None) -> None:
        if isinstance(item, Refusal):
            self._refuse(item, batch)
        elif item.is_request:
            self._take_request(item, batch, line)
        else:
            self._take_notification(item)

    def _refuse(self, refusal: Refusal, batch: Batch | None) -> None:
        self.ledger.send(encode(error_response(refusal.request_id, refusal.error.to_wire())), batch)

    def _take_request(self, call: Call, batch: Batch | None, line: bytes | None) -> None:
        assert call.request_id is not None
        request = Request(call.request_id, call.method, call.params, line or encode(call.message), batch)
        try:
            with self.lock:  # either _end sees it, or it sees the end
                if self._closing:
                    raise SidecarError("shuttingDown", "The program is ending")
                self.ledger.open(request)
        except SidecarError as error:
            self._refuse(Refusal(error, call.request_id), batch)
            return
        try:
            if call.method not in REQUESTS:
                raise _unknown_method(call.method)
            if call.method == "init":
                with self.lock:
                    self.pool.spare()  # starts while its params are checked
            self._validate(call)
            with self.lock:
                self._dispatch(request)
        except Exception as error:
            if not isinstance(error, SidecarError):
                log.log_exception(f"{call.method} failed", error)
            self.ledger.fail(request, error_object(error))

    def _take_notification(self, call: Call) -> None:
        if call.method not in NOTIFICATIONS:
            log.log("debug", "notification ignored", method=call.method[:200])
        elif call.method == "exit":
            self._close(0)
        else:
            request_id: Any = call.params.get("id") if isinstance(call.params, dict) else None
            with self.lock:
                target = self.ledger.find(request_id) if is_request_id(request_id) else None
                if target is not None:
                    self.cancel(target)

    def _validate(self, call: Call) -> None:
        from sidecar.message_handler import validation

        validation.validate_params(call.method, call.params)

    def _dispatch(self, request: Request) -> None:
        """Serve a request, or pass its line to the engine that it is for."""
        handler = methods.HANDLERS.get(request.method)
        if handler is not None:
            handler(self, request)
            return
        pool, params, line = self.pool, request.params, request.line
        if request.method == "loadModel":
            request.model = pool.add_model(self._resolve_paths(params))
            line = _inner_line(request, request.model.load)
        elif request.method == "createContext":
            request.model = pool.model(params["modelId"])
            pool.engine(request.model)  # first: an engine that starts anew makes all contexts that are known
            request.params = pool.add_context(request.model, params)
            line = _inner_line(request, request.params)
        elif "contextId" in params:
            request.model = pool.model_of_context(params["contextId"])
        else:
            request.model = pool.model(params["modelId"])
        request.process = pool.engine(request.model)
        request.process.writer.send(line)

    # ---- abort -----------------------------------------------------------------------------------

    def cancel(self, request: Request, grace_s: float | None = None) -> None:
        """Stop a request: ask its engine, and end the engine if it does not within its grace period."""
        process = request.process
        if request.cancelled or process is None:
            return  # asked already, or the desk's: it ends by itself in a moment
        request.cancelled = True
        process.hurry = True
        self.writer.nudge()
        process.send(notification("$/cancelRequest", {"id": request.id}))
        alone = request.method in ("loadModel", "init") or process.role == "transfer"
        # It may have files to delete first; not while it starts, as it reads this before it begins.
        tidies = request.params.get("keepPartial") is False and process.ready
        soon = alone and not tidies
        self._give_grace(request, process, grace_s or (LOAD_GRACE_S if soon else WORK_GRACE_S))

    def _give_grace(self, request: Request, process: WorkerProcess, grace_s: float) -> None:
        timer = threading.Timer(grace_s, self._grace_is_over, (request, process, grace_s))
        timer.daemon = True
        timer.start()

    def _grace_is_over(self, request: Request, process: WorkerProcess, grace_s: float) -> None:
        with self.lock:
            if not self.ledger.is_open(request):
                return
            # An engine that still starts cannot have seen it.
            may_wait = grace_s == LOAD_GRACE_S or not process.ready
            if may_wait and self._has_bystanders(request, process):
                self._give_grace(request, process, WORK_GRACE_S)
                return
            log.log("info", "aborted work did not stop; ending its engine", engine=process.pid)
            process.condemned = True
            self.pool.retire(process)
            process.kill()

    def _has_bystanders(self, request: Request, process: WorkerProcess) -> bool:
        """Whether the engine works on more than a load and what counts on it: `init`, or a load behind that."""
        others = [other for other in self.ledger.all() if other.process is process and other is not request]
        return any(request.model is None or other.model is not request.model for other in others)

    # ---- from the engines ------------------------------------------------------------------------

    def _from_engine(self, process: WorkerProcess, message: dict[str, Any], line: bytes) -> None:
        """Relay one message; on the relay thread of that engine."""
        if "id" in message:
            with self.lock:
                request = self.ledger.find(message["id"])
                if request is not None and request.process is process:
                    outcome.settle(self, request, message, line)
                    process.hurry = any(r.cancelled for r in self.ledger.all() if r.process is process)
            return
        method, params = message["method"], message["params"]
        if method == "progress":
            request = self.ledger.find(params["requestId"])
            if request is not None:
                request.kept_bytes = params.get("downloadedBytes", request.kept_bytes)
                self.writer.progress(progress_key(params), message, line)
                if not self.writer.has_room():
                    self.writer.wait_for_room(lambda: process.hurry or self._closing)
        elif method == "info":
            self.writer.info(message)
        elif method == "ready":
            process.ready = True
            ms = round(1000 * (time.monotonic() - process.started), 1)
            log.log("debug", f"{process.role} {process.pid} is ready", ms=ms)
        elif method == "fault":
            process.fault = params["message"]
            process.ready = process.ready and not params["starting"]

    def _engine_ended(self, process: WorkerProcess) -> None:
        """An engine is gone: answer for it. On its relay thread, the last thing that thread does."""
        with self.lock:
            model = self.pool.died(process)
            orphans = [request for request in self.ledger.all() if request.process is process]
        if self._closing:
            return
        outcome.after_death(self, process, model, orphans)

    # ---- the end ---------------------------------------------------------------------------------

    def begin_close(self, status: int, shutdown: Request | None = None) -> None:
        """End the program, from any thread; returns at once. The first who says so decides how."""
        if self._closed.acquire(blocking=False):
            threading.Thread(target=self._end, args=(status, shutdown), daemon=True).start()

    def _close(self, status: int) -> None:
        """End the program, on the main thread."""
        if self._closed.acquire(blocking=False):
            self._end(status)
        time.sleep(2)  # another thread is ending the process

    def _end(self, status: int, shutdown: Request | None = None) -> None:
        """Answer everything, end every child, flush, exit: about EXIT_TIMEOUT_S + FLUSH_TIMEOUT_S at most."""
        ending = SidecarError("shuttingDown", "The program is ending").to_wire()
        with self.lock:
            self._closing = True
            processes = list(self.pool.processes)
            for request in self.ledger.all():
                if request is not shutdown:
                    self.ledger.fail(request, ending)
        self.writer.nudge()
        enders = [threading.Thread(target=process.end, daemon=True) for process in processes]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        if shutdown is not None:
            self.ledger.answer(shutdown, None)
        self.writer.flush(FLUSH_TIMEOUT_S)
        log.flush(FLUSH_TIMEOUT_S)
        one_file.leave()
        # Not sys.exit: threads are parked in reads that only the other side could end.
        os._exit(status)


def _unknown_method(name: str) -> SidecarError:
    return SidecarError(
        "methodNotFound",
        f"There is no method {name!r:.100}",
        value=name[:200],
        allowed=sorted(REQUESTS),
    )


def _inner_line(request: Request, params: dict[str, Any]) -> bytes:
    return encode({"jsonrpc": "2.0", "id": request.id, "method": request.method, "params": params})
