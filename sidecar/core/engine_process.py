"""The engine process: it reads requests from the router, answers them, and ends when its stdin ends.

Four threads do the work:
* the reader puts requests into a queue, and passes on a cancel at once;
* the request thread takes them in their order: it answers them, or gives those that compute to the scheduler
  (preparation.py has further threads for requests that take long until then);
* the main thread computes (scheduling/scheduler.py);
* the writer writes answers.

If the router dies, the reader sees the end of stdin and ends the process, whatever the other threads do.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.engine import Engine
from sidecar.core.jobs import start_thread
from sidecar.core.llama.log import LlamaLog
from sidecar.core.preparation import Preparation
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.framing import decode
from sidecar.message_handler.notifier import notification, send
from sidecar.message_handler.reader import NO_LIMIT, read_lines
from sidecar.message_handler.writer import Writer

if TYPE_CHECKING:
    from typing import TypedDict

    from sidecar.core.context.context_options import ContextParams
    from sidecar.core.jobs import Job
    from sidecar.core.methods.handlers import Handler
    from sidecar.core.model.placement import LoadParams

    class Restore(TypedDict):
        """Params of `restore`: what the engine before this one had loaded."""

        load: LoadParams
        contexts: list[ContextParams]


FAULT_FLUSH_S: Final = 0.2
"""Seconds that `fault` and the log may take to leave before the process ends."""


class EngineProcess:
    """The threads of an engine process, and the queue between them."""

    def __init__(self, protocol_in: int, protocol_out: int, *, log_level: str) -> None:
        log.configure(log_level, "engine")
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the router
        os.environ.setdefault("GGML_NO_BACKTRACE", "1")  # it would start a debugger on this process
        self._descriptor = protocol_in
        self._writer = Writer(protocol_out, lambda: os._exit(1))
        self._queue: queue.SimpleQueue[Job | Restore] = queue.SimpleQueue()
        self._handlers: Mapping[str, Handler] = {}
        self._abort_at_once: Collection[str] = ()
        self._prepared: Collection[str] = ()
        self._preparation = Preparation()
        self._can_compute = threading.Event()
        self._or_end(self._start_llama)

    def _or_end(self, begin: Callable[[], None]) -> None:
        """Do a part of the start. If it fails, send `fault` and end the process."""
        try:
            begin()
        except Exception as error:
            log.log_exception("the engine cannot start", error)
            self._send_fault(f"{type(error).__name__}: {error}", starting=True)
            log.flush(FAULT_FLUSH_S)
            os._exit(1)

    def _start_llama(self) -> None:
        """Load llama.cpp and what answers `init`."""
        from sidecar.core.llama import backends, time_slice
        from sidecar.core.methods import init

        llama_log = LlamaLog()
        cpu_variant = backends.start(llama_log, self._send_fault)
        notes = backends.load()
        time_slice.shorten()  # before the compute threads start: they inherit it
        self.engine = Engine(self._writer, llama_log, cpu_variant, notes)
        self._handlers = {"init": init.init}

    def _import_rest(self) -> None:
        """Import what answers all other requests: 30 ms, in which the app reads the answer to `init`."""
        from sidecar.core.methods import handlers
        from sidecar.core.scheduling.scheduler import Scheduler

        self._handlers = handlers.HANDLERS
        self._abort_at_once, self._prepared = handlers.INFERENCE, handlers.PREPARED
        self.engine.scheduler = Scheduler(self._writer)
        self._can_compute.set()

    def run(self) -> None:
        """Serve until the process ends with its stdin."""
        threading.Thread(target=self._read, name="sidecar:reader", daemon=True).start()
        start_thread(self._serve_queue, "sidecar:requests")
        send(self._writer, notification("ready", {}))
        self._can_compute.wait()
        self.engine.scheduler.run()

    def _send_fault(self, message: str, starting: bool = False) -> None:
        """Send why the process is about to end. `starting`: the process was never ready."""
        send(self._writer, notification("fault", {"message": message, "starting": starting}))
        self._writer.flush(FAULT_FLUSH_S)

    # ---- the reader's thread ---------------------------------------------------------------------

    def _read(self) -> None:
        jobs = self.engine.jobs
        for line in read_lines(self._descriptor, NO_LIMIT):
            assert isinstance(line, bytes)
            message = decode(line)
            params: Any = message.get("params") or {}  # those of the method
            if message["method"] == "$/cancelRequest":
                jobs.cancel(params["id"])
            elif message["method"] == "leave":
                self.engine.leave(params["seconds"])
                break
            elif message["method"] == "restore":
                self._queue.put(params)
            else:
                params = params[0] if isinstance(params, list) else params
                self._queue.put(jobs.open(message["id"], message["method"], params or {}))
        log.flush(FAULT_FLUSH_S)
        os._exit(0)

    # ---- the request thread ----------------------------------------------------------------------

    def _serve_queue(self) -> None:
        first = self._queue.get()
        init_comes_first = not isinstance(first, dict) and first.method == "init"
        if init_comes_first:
            self._serve(first)
        self._or_end(self._import_rest)
        if not init_comes_first:
            self._serve(first)
        while True:
            self._serve(self._queue.get())

    def _serve(self, item: Job | Restore) -> None:
        if isinstance(item, dict):
            self._restore(item)
        elif self.engine.jobs.begin(item):
            self._answer(item)

    def _answer(self, job: Job) -> None:
        handler = partial(self._handlers[job.method], self.engine, job)
        if job.method in self._abort_at_once:
            job.interruptible(job.abort)
        if job.method in self._prepared:
            self._preparation.run(job, handler)
        else:
            job.run(handler)

    def _restore(self, params: Restore) -> None:
        """Load the model and make the contexts that the engine before had, before the next requests.

        If it fails, those requests get the error (Engine.the_model). A missing RPC server may come back: then the
        next request tries again.
        """
        from sidecar.core.methods import contexts, models

        engine = self.engine
        engine.restore_error = engine.restore_again = None
        try:
            engine.model = models.load(engine, params["load"], None, lambda: False)
            for context in params["contexts"]:
                contexts.make(engine, context)
        except Exception as error:
            if isinstance(error, SidecarError) and error.kind == "rpcServerUnavailable":
                engine.restore_error, engine.restore_again = error, partial(self._restore, params)
                return
            log.log_exception("the model could not be loaded again", error)
            problem = "The engine had died or was unloaded, and its model could not be loaded again"
            engine.restore_error = SidecarError("engineCrashed", problem, cause=str(error))
