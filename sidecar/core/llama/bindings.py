"""llama-cpp-python's low-level bindings, imported lean, and the few calls of ggml that they lack.

`import llama_cpp` runs its package's `__init__`, which pulls in numpy, jinja2 and diskcache (275 ms).
The module `llama_cpp.llama_cpp` needs ctypes only, so an empty package is put in front of it.
"""

from __future__ import annotations

import _ctypes
import ctypes
import importlib.util
import os
import sys
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sidecar.core.llama import c_api
    from sidecar.core.llama.c_api import ContextPointer


def _import_lean() -> Any:
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("llama-cpp-python is not installed")
    if getattr(sys, "frozen", False):  # what ships computes with what ships
        os.environ.pop("LLAMA_CPP_LIB_PATH", None)
    package = types.ModuleType("llama_cpp")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["llama_cpp"] = package
    # All that is wanted of typing_extensions is TypeAlias, which typing has; importing it takes 10 ms.
    # pathlib wants one function of urllib.parse, for addresses that nobody makes here; that takes 6 ms.
    address = types.ModuleType("urllib.parse")
    address.quote_from_bytes = _quote_from_bytes  # type: ignore[attr-defined]
    with _standing_in(typing_extensions=typing, **{"urllib.parse": address}):
        import llama_cpp.llama_cpp as module
    return module


@contextmanager
def _standing_in(**modules: types.ModuleType) -> Iterator[None]:
    """Let modules that are not imported yet be these for a while."""
    lent = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(lent)
    try:
        yield
    finally:
        for name in lent:
            del sys.modules[name]


def _quote_from_bytes(text: bytes, safe: str = "/") -> str:
    from urllib.parse import quote_from_bytes

    return quote_from_bytes(text, safe)


if TYPE_CHECKING:
    lib = c_api
else:
    lib = _import_lean()
    """The module llama_cpp.llama_cpp; its types are in c_api.pyi."""

KV_CACHE_TYPES: Final = {
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30,
}  # fmt: skip
"""Wire name → ggml_type (ggml.h)."""

KV_CACHE_BITS: Final = {
    "f32": 32, "f16": 16, "bf16": 16, "q8_0": 8.5, "q5_1": 6, "q5_0": 5.5, "q4_1": 5, "q4_0": 4.5, "iq4_nl": 4.5,
}  # fmt: skip
"""Bits a number takes, the blocks' scales included (ggml-common.h)."""

DEVICE_TYPES: Final = {0: "cpu", 1: "gpu", 2: "integratedGpu", 3: "accelerator"}
"""ggml_backend_dev_type (ggml-backend.h) → wire name."""


BEST_FIRST: Final = (
    "sapphirerapids", "zen4", "icelake", "skylakex", "alderlake", "haswell", "sandybridge", "sse42", "x64",
)  # fmt: skip
"""Variants for x86-64 by how they rate themselves where they run (ggml-cpu/arch/x86/cpu-feats.cpp: a bit a feature)."""


def _ggml(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function of libggml, found through libllama's own handle.

    Opening the library by its file name could load a second copy, with a backend registry of its own.
    Windows does not search the dependencies of a library, but gives the loaded ones by their names.
    """
    for file_name in (None, "ggml.dll", "ggml-base.dll"):
        try:
            library = lib._lib if file_name is None else ctypes.CDLL(file_name)
            function = getattr(library, name)
        except (AttributeError, OSError):
            continue
        function.restype, function.argtypes = result, list(arguments)
        return typing.cast("Callable[..., Any]", function)
    raise ImportError(f"libggml has no {name}")


_size_pointer = ctypes.POINTER(ctypes.c_size_t)
_dev_count = _ggml("ggml_backend_dev_count", ctypes.c_size_t)
_dev_get = _ggml("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
_dev_name = _ggml("ggml_backend_dev_name", ctypes.c_char_p, ctypes.c_void_p)
_dev_description = _ggml("ggml_backend_dev_description", ctypes.c_char_p, ctypes.c_void_p)
_dev_type = _ggml("ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)
_dev_memory = _ggml("ggml_backend_dev_memory", None, ctypes.c_void_p, _size_pointer, _size_pointer)
_dev_reg = _ggml("ggml_backend_dev_backend_reg", ctypes.c_void_p, ctypes.c_void_p)
_reg_dev_count = _ggml("ggml_backend_reg_dev_count", ctypes.c_size_t, ctypes.c_void_p)
_reg_dev_get = _ggml("ggml_backend_reg_dev_get", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_dev_init = _ggml("ggml_backend_dev_init", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_backend_free = _ggml("ggml_backend_free", None, ctypes.c_void_p)
_reg_count = _ggml("ggml_backend_reg_count", ctypes.c_size_t)
_reg_get = _ggml("ggml_backend_reg_get", ctypes.c_void_p, ctypes.c_size_t)
_reg_name = _ggml("ggml_backend_reg_name", ctypes.c_char_p, ctypes.c_void_p)

_reg_function = _ggml("ggml_backend_reg_get_proc_address", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_attach_threadpool = _ggml("llama_attach_threadpool", None, *(ctypes.c_void_p,) * 3)
_detach_threadpool = _ggml("llama_detach_threadpool", None, ctypes.c_void_p)
_threadpool_params_init = _ggml("ggml_threadpool_params_init", None, ctypes.c_void_p, ctypes.c_int)

_AbortMessage = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_set_abort_callback = _ggml("ggml_set_abort_callback", ctypes.c_void_p, _AbortMessage)

_register_backend = _ggml("ggml_backend_register", None, ctypes.c_void_p)

_kept: list[Any] = []
"""Callbacks that C holds on to; without a reference here Python would free them."""


def part(name: str, before: str, *after: str) -> str:
    """What stands between in a file's name; empty if it is another. Three regular expressions take 2 ms to compile."""
    end = next((end for end in after if name.endswith(end)), None)
    return name[len(before) : -len(end)] if end and name.startswith(before) else ""


def folder() -> str:
    """Where llama.cpp's libraries are."""
    return str(lib._base_path)


def open_backend(path: str) -> int:
    """Load a backend's library; returns the backend. Raises OSError, ImportError or AttributeError."""
    library = ctypes.CDLL(path)
    library.ggml_backend_init.restype = ctypes.c_void_p
    backend: int | None = library.ggml_backend_init()
    if not backend:
        raise ImportError(f"{os.path.basename(path)} found nothing to run on")
    return backend


def load_backend(path: str) -> int:
    """Load a backend's library, register it and open its devices; returns their number. Raises as `open_backend`."""
    backend = open_backend(path)
    _register_backend(backend)
    found = devices_of(backend)
    for device in found:
        _backend_free(_dev_init(device, None))
    return len(found)


def _load_cpu() -> str:
    """Load the CPU backend that was compiled for the most that this processor can; returns its variant's name.

    Each variant's library rates itself, 0 if it cannot run here; they are tried best first. ggml's own loader does
    not say which it took, and on Windows it takes no folder whose name is not ASCII. In a build of one's own the
    backend may be part of libggml.
    """
    if b"CPU" in (_reg_name(_reg_get(i)) for i in range(_reg_count())):
        return "builtIn"
    names = {
        part(name.removeprefix("lib"), "ggml-cpu-", ".so", ".dll"): name for name in os.listdir(folder())
    }
    variants = sorted(filter(None, names), key=lambda v: BEST_FIRST.index(v) if v in BEST_FIRST else -1)
    best: ctypes.CDLL | None = None
    chosen, most = "", 0
    for variant in variants:
        library = ctypes.CDLL(os.path.join(folder(), names[variant]))
        score = library.ggml_backend_score()
        if score <= most:
            _close(library)
            continue
        if best is not None:
            _close(best)
        best, chosen, most = library, variant, score
        if variant in BEST_FIRST:
            break
    if best is None:
        raise ImportError(
            f"no CPU backend in {folder()} can run on this processor; there are {sorted(variants)}"
        )
    best.ggml_backend_init.restype = ctypes.c_void_p
    _register_backend(best.ggml_backend_init())
    return chosen


def _close(library: ctypes.CDLL) -> None:
    """Give back what loading it took, 200 kB of memory; ctypes has no public way."""
    close: Any = getattr(_ctypes, "FreeLibrary" if sys.platform == "win32" else "dlclose")
    close(library._handle)


def start(on_log: Callable[[int, bytes], None], on_abort: Callable[[str], None]) -> str:
    """Initialise llama.cpp; returns the name of the CPU variant that computes. Raises ImportError if none can.

    Its log goes to `on_log(level, line)`, its last words before an abort() to `on_abort`.
    """

    def logged(level: int, text: bytes, _: Any) -> None:
        on_log(level, text)

    def aborting(message: bytes) -> None:
        on_abort(message.decode("utf-8", "replace"))

    _kept.extend((lib.llama_log_callback(logged), _AbortMessage(aborting)))
    lib.llama_log_set(_kept[0], None)
    _set_abort_callback(_kept[1])
    cpu_variant = _load_cpu()
    lib.llama_backend_init()
    return cpu_variant


def version() -> tuple[str, str]:
    """(llama.cpp's version, the bindings' version)."""
    # Not by importlib.metadata, which takes 10 ms to import.
    installed = os.listdir(os.path.dirname(os.path.dirname(lib.__file__)))
    found = (part(name, "llama_cpp_python-", ".dist-info") for name in installed)
    return lib.llama_version().decode(), next(filter(None, found), "unknown")


def backends() -> list[str]:
    """Names of the backends in this build, in lower case."""
    return [_reg_name(_reg_get(i)).decode().lower() for i in range(_reg_count())]


def devices() -> list[dict[str, Any]]:
    """The devices llama.cpp sees, as `Device` of the schema, plus their `handle`."""
    return [describe(_dev_get(i)) for i in range(_dev_count())]


def describe(handle: int) -> dict[str, Any]:
    """A device as `Device` of the schema, plus its `handle`."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    return {
        "handle": handle,
        "name": _dev_name(handle).decode(),
        "description": _dev_description(handle).decode("utf-8", "replace"),
        "backend": _reg_name(_dev_reg(handle)).decode().lower(),
        "type": DEVICE_TYPES.get(_dev_type(handle), "accelerator"),
        "memoryTotalBytes": total.value,
        "memoryFreeBytes": free.value,
    }


def devices_of(backend: int) -> list[int]:
    """The handles of a backend's devices."""
    return [_reg_dev_get(backend, i) for i in range(_reg_dev_count(backend))]


class _ThreadPoolParams(ctypes.Structure):
    """struct ggml_threadpool_params (ggml.h)."""

    _fields_ = (
        ("cpumask", ctypes.c_bool * 512),
        ("n_threads", ctypes.c_int),
        ("prio", ctypes.c_int),
        ("poll", ctypes.c_uint32),
        ("strict_cpu", ctypes.c_bool),
        ("paused", ctypes.c_bool),
    )


def function_of(backend: int, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function that a backend gives by its name."""
    function: Callable[..., Any] = ctypes.CFUNCTYPE(result, *arguments)(_reg_function(backend, name.encode()))
    return function


def _cpu_function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function of the CPU backend, which may be a library of its own."""
    cpu = next(_reg_get(i) for i in range(_reg_count()) if _reg_name(_reg_get(i)) == b"CPU")
    return function_of(cpu, name, result, *arguments)


class ThreadPool:
    """The compute threads of a context. Without one, ggml starts and ends its threads with every token."""

    def __init__(self, context: ContextPointer, threads: int) -> None:
        params = _ThreadPoolParams()
        _threadpool_params_init(ctypes.byref(params), threads)
        params.poll = 0  # between steps sleep, do not spin: the router and the app need the core then
        new = _cpu_function("ggml_threadpool_new", ctypes.c_void_p, ctypes.c_void_p)
        self._handle = new(ctypes.addressof(params))
        self._context = context
        _attach_threadpool(context, self._handle, self._handle)

    def free(self) -> None:
        """End the threads. The context must not compute any more."""
        _detach_threadpool(self._context)
        _cpu_function("ggml_threadpool_free", None, ctypes.c_void_p)(self._handle)


class AbortFlag:
    """A flag that llama_decode looks at between operations, without ever entering Python.

    llama.cpp calls `bool callback(void * data)` some five hundred times a token, and a Python callback
    would take the interpreter's lock each time. C's own `strlen` has the right shape: given two bytes
    of memory it returns 0 (go on) for an empty string and 1 (abort) once the first byte is set.
    """

    def __init__(self) -> None:
        self._bytes = ctypes.create_string_buffer(2)
        runtime = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
        self.callback = ctypes.cast(runtime.strlen, lib.ggml_abort_callback)
        self.data = ctypes.cast(self._bytes, ctypes.c_void_p)

    def set(self) -> None:
        """Make the running decode, and those to come, return 2."""
        self._bytes[0] = b"\x01"

    def clear(self) -> None:
        """Let decodes run again."""
        self._bytes[0] = b"\x00"
