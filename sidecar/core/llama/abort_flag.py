"""A flag that ends llama_decode from another thread."""

from __future__ import annotations

import ctypes
import sys

from sidecar.core.llama.bindings import lib


class AbortFlag:
    """llama_decode reads the flag between operations, without calling Python.

    It calls `bool callback(void * data)` some five hundred times per token, and a Python callback would take the
    interpreter's lock each time. The C library's `strlen` has the right shape: for two bytes of memory it returns
    0 (go on) while the first byte is 0, and 1 (abort) when it is set.
    """

    def __init__(self) -> None:
        self._bytes = ctypes.create_string_buffer(2)
        c_library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
        self.callback = ctypes.cast(c_library.strlen, lib.ggml_abort_callback)
        self.data = ctypes.cast(self._bytes, ctypes.c_void_p)

    def set(self) -> None:
        """Make the running llama_decode, and all later ones, return 2."""
        self._bytes[0] = b"\x01"

    def clear(self) -> None:
        """Let llama_decode run again."""
        self._bytes[0] = b"\x00"
