"""The compute threads of a context, kept between its steps."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from sidecar.core.llama import ggml

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import ContextPointer


class _Params(ctypes.Structure):
    """struct ggml_threadpool_params (ggml.h)."""

    _fields_ = (
        ("cpumask", ctypes.c_bool * 512),
        ("n_threads", ctypes.c_int),
        ("prio", ctypes.c_int),
        ("poll", ctypes.c_uint32),
        ("strict_cpu", ctypes.c_bool),
        ("paused", ctypes.c_bool),
    )


_init_params = ggml.function("ggml_threadpool_params_init", None, ctypes.c_void_p, ctypes.c_int)
_attach = ggml.function("llama_attach_threadpool", None, *(ctypes.c_void_p,) * 3)
_detach = ggml.function("llama_detach_threadpool", None, ctypes.c_void_p)


class ThreadPool:
    """Without one, ggml starts and ends its threads with every step."""

    def __init__(self, context: ContextPointer, threads: int) -> None:
        params = _Params()
        _init_params(ctypes.byref(params), threads)
        params.poll = 0  # sleep between steps, do not spin: the router and the app need the processor then
        cpu = ggml.cpu_backend()
        new = ggml.function_of_backend(cpu, "ggml_threadpool_new", ctypes.c_void_p, ctypes.c_void_p)
        self._free = ggml.function_of_backend(cpu, "ggml_threadpool_free", None, ctypes.c_void_p)
        self._handle = new(ctypes.addressof(params))
        self._context = context
        _attach(context, self._handle, self._handle)

    def free(self) -> None:
        """End the threads. The context must not compute afterwards."""
        _detach(self._context)
        self._free(self._handle)
