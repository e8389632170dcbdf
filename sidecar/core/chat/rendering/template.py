"""Runs chat templates within limits, because they come from files that nobody has checked.

A template runs in a sandbox, on its own thread, which is stopped when it exceeds its time or its memory.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any, Final

from sidecar.core.chat.rendering.sandbox import environment, fixed, in_words
from sidecar.core.jobs import Job
from sidecar.hardware.machine import process_memory
from sidecar.message_handler.errors import SidecarError

MAX_RENDER_S: Final = 2.0
"""Longest time that a template may run. Those of real models take about 1 ms."""

MAX_OUTPUT_CHARS: Final = 64 * 1024 * 1024
"""Longest prompt that a template may write: as long as a line of input."""

MAX_MEMORY_BYTES: Final = 512 * 1024 * 1024
"""Memory that a template may take. A string that is joined to itself in a loop grows fast."""

STOP_CHECK_S: Final = 0.02
"""Interval at which the time and memory of a running template are checked."""

STOP_TIMEOUT_S: Final = 0.3
"""How long to wait for the thread to stop before the next try."""

STOP_TRIES: Final = 5
"""How many times to try to stop it. Python drops an exception that is raised in a callback (`Exception ignored in`)."""


class Template:
    """A compiled template, and what was found out by rendering it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.features: dict[str, bool] = {}
        """Feature → whether it is supported (support.py)."""
        self.plans: dict[object, Any] = {}  # a Plan of lost_messages.py, which imports this module
        """Shape of a conversation → how to write it (lost_messages.py)."""
        self.efforts: dict[str, Any] = {}  # an Effort of effort.py
        """Level → what the template knows of it (effort.py)."""
        self._compiled = environment().from_string(source)

    @cached_property
    def reads(self) -> frozenset[str]:
        """The names of the variables that it reads."""
        from jinja2.meta import find_undeclared_variables  # only for requests that say how much to think

        return frozenset(find_undeclared_variables(environment().parse(self.source)))

    def render(self, variables: dict[str, object]) -> str:
        """The template's output. Raises whatever the template raises. Only the work in `run` may call this."""
        output, size = [], 0
        for piece in self._compiled.generate({name: fixed(value) for name, value in variables.items()}):
            size += len(piece)
            if size > MAX_OUTPUT_CHARS:
                raise OverflowError(f"it wrote more than {MAX_OUTPUT_CHARS} characters")
            output.append(piece)
        return "".join(output)


def run(source: str, work: Callable[[Template], str], job: Job) -> str:
    """Return what `work` returns. It gets the template and runs on another thread, within the limits.

    Raises SidecarError: `templateFailed`; `aborted` if the job is cancelled meanwhile; what `work` raises.
    """
    return _Run(source, work).run(job)


class _Run:
    """One run of a template on its own thread."""

    def __init__(self, source: str, work: Callable[[Template], str]) -> None:
        self._source = source
        self._work = work
        self._output = ""
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._leaving = threading.Lock()
        self._left = False
        """The template has ended, so nothing may be raised in its thread any more."""
        self._thread = threading.Thread(target=self._run, name="sidecar:template", daemon=True)

    def run(self, job: Job) -> str:
        preload()  # an import must not be interrupted
        memory = process_memory()
        limit = memory.resident + MAX_MEMORY_BYTES
        before = job.stop
        deadline, used = time.monotonic() + MAX_RENDER_S, time.process_time() + MAX_RENDER_S
        stopped = ""
        with _address_space_limited(memory.virtual + 2 * MAX_MEMORY_BYTES):
            self._thread.start()
            job.interruptible(self._stop.set)
            while self._thread.is_alive() and not self._stop.is_set() and not stopped:
                self._thread.join(STOP_CHECK_S)
                # While the machine sleeps, or gives all its time to others, a template does not run.
                if time.monotonic() > deadline and time.process_time() > used:
                    stopped = f"it was still running after {MAX_RENDER_S:.0f} s"
                elif process_memory().resident > limit:
                    stopped = f"it took more than {MAX_MEMORY_BYTES} bytes of memory"
            if self._thread.is_alive():
                self._stop_thread()
        job.interruptible(before)
        job.check()
        if stopped:
            raise failed(stopped)
        if isinstance(self._error, SidecarError):
            raise self._error
        if self._error is not None:
            raise failed(in_words(self._error))
        return self._output

    def _run(self) -> None:
        work = [self._render]
        while (
            not self._left
        ):  # _stop_thread may raise SystemExit anywhere, also while an earlier one ends the work
            try:
                try:
                    while work:
                        work.pop()()
                    with self._leaving:
                        self._left = True
                except SystemExit:
                    pass
                for _ in range(2):  # raises one that came meanwhile
                    pass
            except SystemExit:
                pass

    def _render(self) -> None:
        try:
            self._output = self._work(_compiled(self._source))
        except Exception as error:  # whatever a template raises is its failure
            self._error = error

    def _stop_thread(self) -> None:
        """Raise SystemExit in the thread. It takes effect at the next bytecode, which comes soon in any loop."""
        ident = ctypes.c_ulong(self._thread.ident or 0)
        for _ in range(STOP_TRIES):
            with self._leaving:
                if not self._left:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))
            self._thread.join(STOP_TIMEOUT_S)
            if not self._thread.is_alive():
                return


@contextmanager
def _address_space_limited(limit: int) -> Iterator[None]:
    """On Linux, let the system refuse a single large allocation of a template."""
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or limit < soft:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def failed(cause: str) -> SidecarError:
    """The error `templateFailed`."""
    return SidecarError("templateFailed", f"The chat template failed: {cause[:500]}", cause=cause[:2000])


@lru_cache(maxsize=8)
def _compiled(source: str) -> Template:
    return Template(source)


def preload() -> None:
    """Import Jinja2 (60 ms), so that the first chat need not wait for it."""
    environment()
