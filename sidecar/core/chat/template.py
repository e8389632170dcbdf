"""Runs chat templates, which come out of files from anywhere.

They run in jinja2's immutable sandbox, on a thread of their own that is stopped when its time is up, with
limits on what they may multiply and put out.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final

from sidecar.core.jobs import Job
from sidecar.hardware.machine import process_memory
from sidecar.message_handler.errors import SidecarError

MAX_RENDER_S: Final = 2.0
"""How long a template may run. Those of real models take about a millisecond."""

MAX_OUTPUT_CHARS: Final = 64 * 1024 * 1024
"""How long a rendered prompt may be: as long as a line of input."""

MAX_PRODUCT: Final = 1_000_000
"""Largest text or list a template may make by multiplying, and largest power."""

MAX_BITS: Final = 1024
"""Largest number a template may multiply."""

MAX_MEMORY_BYTES: Final = 512 * 1024 * 1024
"""Memory a template may take. Joining texts to themselves doubles them in no time."""

STOP_CHECK_S: Final = 0.02
"""How often a running template's time and memory are looked at."""

STOP_TIMEOUT_S: Final = 0.3
"""How long it may take to stop when it is told to."""

STOP_TRIES: Final = 5
"""How often it is told. Python drops what is raised while a collection calls back (`Exception ignored in`)."""


class Given(list[Any]):
    """A list that came from outside, which a template may not change; those that it made itself it may."""


class Template:
    """A compiled template. `facts` keeps what was found out about it by rendering."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.facts: dict[str, bool] = {}
        self._compiled = _environment().from_string(source)

    def generate(self, variables: dict[str, Any]) -> Iterator[str]:
        """Render, a piece after the other."""
        pieces: Iterator[str] = self._compiled.generate(**_given(variables))
        return pieces


class Renderer:
    """A template, for what runs within the limits."""

    def __init__(self, template: Template) -> None:
        self.source = template.source
        self.facts = template.facts
        self._template = template

    def render(self, variables: dict[str, Any]) -> str:
        """The template's output. Raises whatever the template does."""
        output, size = [], 0
        for piece in self._template.generate(variables):
            size += len(piece)
            if size > MAX_OUTPUT_CHARS:
                raise OverflowError(f"it put out more than {MAX_OUTPUT_CHARS} characters")
            output.append(piece)
        return "".join(output)


def run(source: str, work: Callable[[Renderer], str], job: Job) -> str:
    """What `work` makes of a template, on a thread and within the limits.

    Raises SidecarError: `templateFailed`; `aborted` if the job is cancelled meanwhile; what `work` raises.
    """
    return _Run(source, work).run(job)


class _Run:
    """One run of a template on a thread of its own."""

    def __init__(self, source: str, work: Callable[[Renderer], str]) -> None:
        self._source = source
        self._work = work
        self._output = ""
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._leaving = threading.Lock()
        self._left = False
        """The template has ended: nothing is to be raised in its thread any more."""
        self._thread = threading.Thread(target=self._run, name="sidecar:template", daemon=True)

    def run(self, job: Job) -> str:
        preload()  # an import must not be stopped half-way
        memory = process_memory()
        limit = memory.resident + MAX_MEMORY_BYTES
        before = job.stop
        deadline = time.monotonic() + MAX_RENDER_S
        stopped = ""
        with _address_space_limited(memory.virtual + 2 * MAX_MEMORY_BYTES):
            self._thread.start()
            job.interruptible(self._stop.set)
            while self._thread.is_alive() and not self._stop.is_set() and not stopped:
                self._thread.join(STOP_CHECK_S)
                if time.monotonic() > deadline:
                    stopped = f"it was still running after {MAX_RENDER_S:.0f} s"
                elif process_memory().resident > limit:
                    stopped = f"it took more than {MAX_MEMORY_BYTES} bytes of memory"
            if self._thread.is_alive():
                self._end()
        job.interruptible(before)
        job.check()
        if stopped:
            raise _failed(stopped)
        if isinstance(self._error, SidecarError):
            raise self._error
        if self._error is not None:
            raise _failed(str(self._error) or type(self._error).__name__)
        return self._output

    def _run(self) -> None:
        try:
            with suppress(SystemExit):  # from _end
                self._render()
            with self._leaving:
                self._left = True
            for _ in range(2):  # a second one, from while the first unwound, comes here at the latest
                pass
        except SystemExit:
            pass

    def _render(self) -> None:
        try:
            self._output = self._work(Renderer(_compiled(self._source)))
        except Exception as error:  # whatever a template raises is the template's failure
            self._error = error

    def _end(self) -> None:
        """Raise SystemExit in the thread. It takes effect between two bytecodes, which is soon in any loop."""
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
    """Let the system refuse what a template asks for in one piece, where it can: on Linux."""
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


def _failed(cause: str) -> SidecarError:
    return SidecarError("templateFailed", f"The chat template failed: {cause[:500]}", cause=cause[:2000])


@lru_cache(maxsize=8)
def _compiled(source: str) -> Template:
    return Template(source)


_making: Final = threading.Lock()


def _environment() -> Any:
    """Jinja2 set up as Hugging Face's transformers does, for which the templates are written."""
    with _making:  # the thread that imports ahead, and the desk
        return _made_environment()


@lru_cache(maxsize=1)
def _made_environment() -> Any:
    with _without_openssl():
        from jinja2.ext import Extension, loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

    class GenerationBlock(Extension):
        """`{% generation %}` marks what to train on; it writes what stands in it."""

        tags = {"generation"}  # noqa: RUF012 - jinja2's own declaration

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def is_safe_attribute(self, owner: Any, name: str, value: Any) -> bool:
            its_own = type(owner) is list and name in ("append", "pop")
            return its_own or super().is_safe_attribute(owner, name, value)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            sizes = [len(side) if hasattr(side, "__len__") else side for side in (left, right)]
            if operator == "**" and max(map(abs, sizes)) > 64:
                raise OverflowError("a power is too large")
            if any(hasattr(side, "__len__") for side in (left, right)) and sizes[0] * sizes[1] > MAX_PRODUCT:
                raise OverflowError("a product is too large")
            if any(isinstance(side, int) and side.bit_length() > MAX_BITS for side in (left, right)):
                raise OverflowError("a number is too large")  # squared again and again it would take for ever
            return super().call_binop(context, operator, left, right)

    environment = Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, GenerationBlock]
    )
    environment.filters["tojson"] = _to_json
    environment.filters["safe"] = str  # nothing is HTML here, so nothing is escaped beside what is
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = time.strftime
    return environment


def _given(value: Any) -> Any:
    """The same with all lists marked."""
    if isinstance(value, dict):
        return {key: _given(member) for key, member in value.items()}
    return Given(map(_given, value)) if isinstance(value, list) else value


def _raise_exception(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As transformers has it: not escaped for HTML, unlike jinja2's own."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=_listed,
    )


def _listed(value: Any) -> list[Any]:
    """What jinja2's filters give out, such as `map`. Raises TypeError if it is something else."""
    if not isinstance(value, Iterator):
        raise TypeError(f"{type(value).__name__} is no JSON")
    return list(value)


def preload() -> None:
    """Import jinja2 (60 ms) while something else is waited for."""
    _environment()


@contextmanager
def _without_openssl() -> Iterator[None]:
    """Keep 3.6 MB out of every engine: jinja2 wants hashlib for caches on a disk, which is not done here.

    hashlib does without OpenSSL if Python was built with hashes of its own, as it is almost everywhere.
    """
    if "hashlib" not in sys.modules and all(map(importlib.util.find_spec, ("_md5", "_sha1"))):
        sys.modules["_hashlib"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if sys.modules.get("_hashlib", ...) is None:
            del sys.modules["_hashlib"]
            sys.modules.pop("hashlib", None)  # whoever hashes imports it anew, with OpenSSL: 7 times as fast
