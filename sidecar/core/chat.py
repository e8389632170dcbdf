"""Chat templates: from messages to a prompt, with the template that the model brings.

Templates come out of files from anywhere. They run in jinja2's immutable sandbox, on a thread of their
own that is stopped when its time is up, with limits on what they may multiply and put out.
"""

from __future__ import annotations

import ctypes
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.bindings import lib
from sidecar.core.jobs import Job
from sidecar.core.model import Model
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from jinja2 import Template

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


def render(model: Model, messages: list[dict[str, Any]], add_generation_prompt: bool, job: Job) -> str:
    """The prompt for these messages.

    Raises SidecarError: `noChatTemplate`, `templateFailed`; `aborted` if the job is cancelled meanwhile.
    """
    if model.chat_template is None:
        raise SidecarError("noChatTemplate", f"{model.model_id} has no chat template")
    variables = {
        "messages": messages,
        "add_generation_prompt": add_generation_prompt,
        "bos_token": model.token_text(lib.llama_vocab_bos(model.vocab)),
        "eos_token": model.token_text(lib.llama_vocab_eos(model.vocab)),
    }
    return _Rendering(model.chat_template, variables).run(job)


def tokenize_prompt(model: Model, prompt: str) -> list[int]:
    """Tokens of a rendered prompt, with one BOS token also where the template writes it itself."""
    bos = model.token_text(lib.llama_vocab_bos(model.vocab))
    has_bos = bool(bos) and prompt.startswith(bos)
    return model.tokenize(prompt, add_special=not has_bos, parse_special=True)


class _Rendering:
    """One run of a template on a thread of its own."""

    def __init__(self, source: str, variables: dict[str, Any]) -> None:
        self._source = source
        self._variables = variables
        self._output: list[str] = []
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sidecar:template", daemon=True)

    def run(self, job: Job) -> str:
        import psutil

        preload()  # an import must not be stopped half-way
        memory = psutil.Process().memory_info
        limit = memory().rss + MAX_MEMORY_BYTES
        deadline = time.monotonic() + MAX_RENDER_S
        stopped = ""
        with _address_space_limited(memory().vms + 2 * MAX_MEMORY_BYTES):
            self._thread.start()
            job.interruptible(self._stop.set)
            while self._thread.is_alive() and not self._stop.is_set() and not stopped:
                self._thread.join(STOP_CHECK_S)
                if time.monotonic() > deadline:
                    stopped = f"it was still running after {MAX_RENDER_S:.0f} s"
                elif memory().rss > limit:
                    stopped = f"it took more than {MAX_MEMORY_BYTES} bytes of memory"
            if self._thread.is_alive():
                self._end()
        job.interruptible(None)
        job.check()
        if stopped:
            raise _failed(stopped)
        if self._error is not None:
            raise _failed(str(self._error) or type(self._error).__name__)
        return "".join(self._output)

    def _run(self) -> None:
        with suppress(SystemExit):  # from _end
            self._render()

    def _render(self) -> None:
        try:
            size = 0
            for piece in _compiled(self._source).generate(**self._variables):
                size += len(piece)
                if size > MAX_OUTPUT_CHARS:
                    raise OverflowError(f"it put out more than {MAX_OUTPUT_CHARS} characters")
                self._output.append(piece)
        except Exception as error:  # whatever a template raises is the template's failure
            self._error = error

    def _end(self) -> None:
        """Raise SystemExit in the thread. It takes effect between two bytecodes, which is soon in any loop."""
        for _ in range(2):
            ident = ctypes.c_ulong(self._thread.ident or 0)
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
    template: Template = _environment().from_string(source)
    return template


@lru_cache(maxsize=1)
def _environment() -> Any:
    """Jinja2 set up as Hugging Face's transformers does, for which the templates are written."""
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            sizes = [len(side) if hasattr(side, "__len__") else side for side in (left, right)]
            if operator == "**" and max(map(abs, sizes)) > 64:
                raise OverflowError("a power is too large")
            if any(hasattr(side, "__len__") for side in (left, right)) and sizes[0] * sizes[1] > MAX_PRODUCT:
                raise OverflowError("a product is too large")
            if any(isinstance(side, int) and side.bit_length() > MAX_BITS for side in (left, right)):
                raise OverflowError("a number is too large")  # squared again and again it would take for ever
            return super().call_binop(context, operator, left, right)

    environment = Environment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = time.strftime
    return environment


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
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def preload() -> None:
    """Import jinja2 (60 ms) while something else is waited for."""
    _environment()
