"""The functions of libggml that the bindings lack: backends, devices, and the callback before an abort.

A backend or device is a number here: the address of ggml's object.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sidecar.core.llama.bindings import lib

if TYPE_CHECKING:
    from sidecar.message_handler._types import Device

    DeviceType: TypeAlias = Literal["cpu", "gpu", "integratedGpu", "accelerator"]

    class LocalDevice(Device):
        """A device of the schema with its address."""

        handle: int


DEVICE_TYPES: Final[dict[int, DeviceType]] = {0: "cpu", 1: "gpu", 2: "integratedGpu", 3: "accelerator"}
"""ggml_backend_dev_type (ggml-backend.h) → wire name."""

CType = Any  # a ctypes type, or None for void: typeshed has no public name for these


def function(name: str, result: CType, *arguments: CType) -> Callable[..., Any]:  # Any: what `result` becomes
    """A function of libggml, found through the handle of libllama.

    Opening the library by its file name could load a second copy with its own registry of backends. Only Windows
    does not search the dependencies of a library; it finds loaded libraries by their names.
    """
    for file_name in (None, "ggml.dll", "ggml-base.dll"):
        try:
            library = lib._lib if file_name is None else ctypes.CDLL(file_name)
            found = getattr(library, name)
        except (AttributeError, OSError):
            continue
        found.restype, found.argtypes = result, list(arguments)
        return found  # type: ignore[no-any-return]  # an attribute of a CDLL
    raise ImportError(f"libggml has no {name}")


_pointer, _size = ctypes.c_void_p, ctypes.c_size_t
_size_pointer = ctypes.POINTER(ctypes.c_size_t)
_dev_count = function("ggml_backend_dev_count", _size)
_dev_get = function("ggml_backend_dev_get", _pointer, _size)
_dev_name = function("ggml_backend_dev_name", ctypes.c_char_p, _pointer)
_dev_description = function("ggml_backend_dev_description", ctypes.c_char_p, _pointer)
_dev_type = function("ggml_backend_dev_type", ctypes.c_int, _pointer)
_dev_memory = function("ggml_backend_dev_memory", None, _pointer, _size_pointer, _size_pointer)
_dev_reg = function("ggml_backend_dev_backend_reg", _pointer, _pointer)
_reg_dev_count = function("ggml_backend_reg_dev_count", _size, _pointer)
_reg_dev_get = function("ggml_backend_reg_dev_get", _pointer, _pointer, _size)
_dev_init = function("ggml_backend_dev_init", _pointer, _pointer, ctypes.c_char_p)
_backend_free = function("ggml_backend_free", None, _pointer)
_reg_count = function("ggml_backend_reg_count", _size)
_reg_get = function("ggml_backend_reg_get", _pointer, _size)
_reg_name = function("ggml_backend_reg_name", ctypes.c_char_p, _pointer)
_reg_function = function("ggml_backend_reg_get_proc_address", _pointer, _pointer, ctypes.c_char_p)
_cpu_buffer_type = function("ggml_backend_cpu_buffer_type", _pointer)
_register_backend = function("ggml_backend_register", None, _pointer)

AbortMessage = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
"""A callback that gets the message of an abort()."""

set_abort_callback = function("ggml_set_abort_callback", _pointer, AbortMessage)


# ---- backends ----------------------------------------------------------------------------------------


def backends() -> list[str]:
    """Names of the registered backends, in lower case."""
    return [_reg_name(_reg_get(i)).decode().lower() for i in range(_reg_count())]


def function_of_backend(
    backend: int, name: str, result: CType, *arguments: CType
) -> Callable[..., Any]:  # Any: what `result` becomes
    """A function that only this backend has."""
    return ctypes.CFUNCTYPE(result, *arguments)(_reg_function(backend, name.encode()))


def cpu_backend() -> int:
    """The CPU backend, which may be in a library of its own."""
    registered: list[int] = [_reg_get(i) for i in range(_reg_count())]
    return next(backend for backend in registered if _reg_name(backend) == b"CPU")


def open_backend(path: str) -> int:
    """Load the library of a backend; returns the backend. Raises OSError, ImportError or AttributeError."""
    return init_backend(ctypes.CDLL(path), path)


def init_backend(library: ctypes.CDLL, path: str) -> int:
    """The backend of a loaded library. Raises ImportError if it finds nothing to compute on, AttributeError."""
    library.ggml_backend_init.restype = _pointer
    backend: int | None = library.ggml_backend_init()
    if not backend:
        raise ImportError(f"{os.path.basename(path)} found nothing to run on")
    return backend


def register_backend(backend: int) -> None:
    """Let llama.cpp use a backend and its devices."""
    _register_backend(backend)


# ---- devices -----------------------------------------------------------------------------------------


def devices() -> list[LocalDevice]:
    """The devices of all registered backends."""
    return [describe(_dev_get(i)) for i in range(_dev_count())]


def devices_of(backend: int) -> list[int]:
    """The devices of one backend."""
    return [_reg_dev_get(backend, i) for i in range(_reg_dev_count(backend))]


def describe(device: int) -> LocalDevice:
    """A device as the schema has it, with its address."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _dev_memory(device, ctypes.byref(free), ctypes.byref(total))
    return {
        "handle": device,
        "name": _dev_name(device).decode(),
        "description": _dev_description(device).decode("utf-8", "replace"),
        "backend": _reg_name(_dev_reg(device)).decode().lower(),
        "type": DEVICE_TYPES.get(_dev_type(device), "accelerator"),
        "memoryTotalBytes": total.value,
        "memoryFreeBytes": free.value,
    }


def splits_rows(device: int) -> bool:
    """Whether the device's backend can give each device some rows of a tensor."""
    return bool(_reg_function(_dev_reg(device), b"ggml_backend_split_buffer_type"))


def cpu_buffer_type() -> int:
    """The kind of memory of the CPU."""
    found: int = _cpu_buffer_type()
    return found


def try_device(device: int) -> None:
    """Open a device and close it again: a driver that crashes does so here."""
    _backend_free(_dev_init(device, None))
