"""The engine process: reads requests from the router, works on them, and ends when its stdin does.

Threads: one reads (a cancel is seen at once); the desk takes requests in order and does what is no
token loop; the main one computes (scheduler.py); one writes. If the router dies, the reader sees the
end of stdin and ends the process, whatever the others do.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from sidecar.core.llama.log import LlamaLog
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.framing import decode
from sidecar.message_handler.notifier import notification, send
from sidecar.message_handler.reader import NO_LIMIT, read_lines
from sidecar.message_handler.writer import Writer

FAULT_FLUSH_S: Final = 0.2
"""How long the last words before an abort() may take to leave."""


class Engine:
    """See the module."""

    def __init__(self, protocol_in: int, protocol_out: int, *, log_level: str) -> None:
        log.configure(log_level, "engine")
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the router's to handle
        os.environ.setdefault("GGML_NO_BACKTRACE", "1")  # it would start a debugger on this process
        self._descriptor = protocol_in
        self.writer = Writer(protocol_out, lambda: os._exit(1))
        self.llama_log = LlamaLog()
        self._desk: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._rest_is_here = threading.Event()
        self.model: Any = None
        self.contexts: dict[str, Any] = {}
        self._restore_error: SidecarError | None = None
        self._unrestored: dict[str, Any] | None = None
        """What `restore` asked for and an RPC server that is gone prevented."""
        self._or_end(self._import_llama)

    def _or_end(self, begin: Callable[[], None]) -> None:
        """Do a part of the start; if it fails, tell the router and end."""
        try:
            begin()
        except Exception as error:
            log.log_exception("the engine cannot start", error)
            self._fault(f"{type(error).__name__}: {error}", starting=True)
            log.flush(FAULT_FLUSH_S)
            os._exit(1)

    def _import_llama(self) -> None:
        """Load llama.cpp, and what answers `init`."""
        from sidecar.core.jobs import Jobs
        from sidecar.core.llama import backends, bindings, time_slice
        from sidecar.core.methods import init

        self.cpu_variant = bindings.start(self.llama_log, self._fault)
        self.notes = backends.load()
        time_slice.shorten()  # before the threads that compute are started: they inherit it
        self.jobs = Jobs(self.writer)
        self._handlers: Mapping[str, Callable[[Any, Any], Any]] = {"init": init.init}
        self._leave_nothing: tuple[str, ...] = ()

    def _import_rest(self) -> None:
        """Load what works on all other requests: 30 ms that go by while the app reads the answer to `init`."""
        from sidecar.core.methods import handlers
        from sidecar.core.scheduling.scheduler import Scheduler

        self._handlers, self._leave_nothing = handlers.HANDLERS, handlers.INFERENCE
        self._load, self._make_context = handlers.load, handlers.make_context
        self.scheduler = Scheduler(self.writer)
        self._rest_is_here.set()

    def run(self) -> None:
        """Serve for ever; the process ends with its stdin."""
        threading.Thread(target=self._read, name="sidecar:reader", daemon=True).start()
        threading.Thread(target=self._work, name="sidecar:desk", daemon=True).start()
        send(self.writer, notification("ready", {}))
        self._rest_is_here.wait()  # for the first request, however late: the end of stdin ends the process
        self.scheduler.run()

    def the_model(self) -> Any:
        """The loaded model. Raises SidecarError `modelNotFound`, or why it could not be loaded again.

        One that waited for its RPC servers is tried again.
        """
        if self._unrestored is not None:
            self._restore(self._unrestored)
        if self._restore_error is not None:
            raise self._restore_error
        if self.model is None:
            raise SidecarError("modelNotFound", "No model is loaded in this engine")
        return self.model

    def context(self, context_id: str) -> Any:
        """A context. Raises SidecarError `contextNotFound`."""
        self.the_model()
        context = self.contexts.get(context_id)
        if context is None:
            problem = f"/contextId: there is no context {context_id!r}"
            raise SidecarError("contextNotFound", problem, pointer="/contextId", value=context_id)
        return context

    # ---- the reader thread -----------------------------------------------------------------------

    def _read(self) -> None:
        for line in read_lines(self._descriptor, NO_LIMIT):
            assert isinstance(line, bytes)
            message = decode(line)
            params = message.get("params") or {}
            if message["method"] == "$/cancelRequest":
                self.jobs.cancel(params["id"])
            elif message["method"] == "restore":
                self._desk.put(params)
            else:
                params = params[0] if isinstance(params, list) else params
                self._desk.put(self.jobs.open(message["id"], message["method"], params or {}))
        os._exit(0)

    # ---- the desk thread -------------------------------------------------------------------------

    def _work(self) -> None:
        first = self._desk.get()
        if not isinstance(first, dict) and first.method == "init":
            self._take(first)
            first = None
        self._or_end(self._import_rest)
        if first is not None:
            self._take(first)
        while True:
            self._take(self._desk.get())

    def _take(self, item: Any) -> None:
        if isinstance(item, dict):
            self._restore(item)
        elif self.jobs.begin(item):
            self._serve(item)

    def _serve(self, job: Any) -> None:
        if job.method in self._leave_nothing:
            job.interruptible(job.abort)
        try:
            result = self._handlers[job.method](self, job)
        except Exception as error:
            job.fail(error)
        else:
            if result is not None:
                job.answer(result)

    def _restore(self, params: dict[str, Any]) -> None:
        """Make the model and contexts of an engine that is gone anew, before the requests behind this line."""
        self._restore_error = self._unrestored = None
        try:
            self.model = self._load(self, params["load"], None, lambda: False)
            for context in params["contexts"]:
                self._make_context(self, context)
        except Exception as error:
            if isinstance(error, SidecarError) and error.kind == "rpcServerUnavailable":
                self._restore_error, self._unrestored = error, params
                return
            log.log_exception("the model could not be loaded again", error)
            problem = "The engine had died or was unloaded, and its model could not be loaded again"
            self._restore_error = SidecarError("engineCrashed", problem, cause=str(error))

    def _fault(self, message: str, starting: bool = False) -> None:
        """Last words; when this returns, the process ends. `starting`: it never was whole."""
        send(self.writer, notification("fault", {"message": message, "starting": starting}))
        self.writer.flush(FAULT_FLUSH_S)
