"""libmtmd: llama.cpp's library for pictures and sound. It is loaded with the first projector.

`mtmd` is the module llama_cpp.mtmd_cpp; its types are in mtmd_api.pyi.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidecar.core.llama.bindings import lib

if TYPE_CHECKING:
    from sidecar.core.llama import mtmd_api as mtmd
else:
    import llama_cpp.mtmd_cpp as mtmd

__all__ = ["IMAGE", "TEXT", "log_to", "mtmd"]

TEXT: Final = 0
IMAGE: Final = 1
"""mtmd_input_chunk_type (mtmd.h); 2 is sound."""

_callbacks: list[object] = []
"""The callback that C calls: without a reference Python would free it."""


def log_to(on_log: Callable[[int, bytes], None]) -> None:
    """Give libmtmd's log to `on_log(level, line)`; without it, libmtmd writes to stderr."""

    def logged(level: int, text: bytes, _: object) -> None:
        on_log(level, text)

    callback = lib.llama_log_callback(logged)
    mtmd.mtmd_helper_log_set(callback, None)
    _callbacks[:] = [callback]
