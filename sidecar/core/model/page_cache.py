"""Frees the pages of a model's file from which llama.cpp has copied the weights."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Collection
from typing import Final

from sidecar.hardware.machine import process_memory

MADV_DONTNEED: Final = 4
COPIED: Final = 0.5
"""The weights count as copied if the load added this share of the file's size to our own memory."""


def own_bytes() -> int:
    """Bytes of memory that belong to no file; 0 on systems that do not count them."""
    if sys.platform != "linux":
        return 0
    memory = process_memory()
    return memory.resident - memory.shared


def release(paths: Collection[str], own_before: int) -> None:
    """Free the mapped pages of a model's files if llama.cpp has copied its weights.

    `own_before`: own_bytes() before the load. llama.cpp copies most weights into the order that its kernels for
    this processor prefer, and keeps the file mapped for the few others. The system reads those again when they
    are used. Only on Linux, where a freed page stays in the system's cache.
    """
    if sys.platform != "linux":
        return
    existing = [path for path in paths if os.path.exists(path)]  # the name of a whole model may promise parts
    if own_bytes() - own_before < COPIED * sum(map(os.path.getsize, existing)):
        return
    wanted = set(map(os.path.realpath, existing))
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            addresses, *_, path = line.rstrip("\n").split(None, 5)
            if path in wanted:
                start, end = (int(address, 16) for address in addresses.split("-"))
                madvise(start, end - start, MADV_DONTNEED)  # fails for a locked mapping, which is fine
