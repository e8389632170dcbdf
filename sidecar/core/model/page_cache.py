"""The pages of a model's file that are in memory beside a copy of the weights that is used instead of them."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Collection
from typing import Final

from sidecar.hardware.machine import process_memory

MADV_DONTNEED: Final = 4
COPIED: Final = 0.5
"""Share of the file that must have come as memory of our own for the weights to count as copied."""


def own_bytes() -> int:
    """Memory of this process that belongs to no file; 0 where the system does not tell it apart."""
    if sys.platform != "linux":
        return 0
    memory = process_memory()
    return memory.resident - memory.shared


def release(paths: Collection[str], own_before: int) -> None:
    """Give back the pages of a model that was loaded since `own_before` was read, if llama.cpp keeps a copy.

    It copies most weights into the order that the processor's matrix units like, and leaves the file mapped
    and read for the few that it did not copy. Those are read again when they are used; the others never.
    Only on Linux, where a page that is given back stays in the system's cache.
    """
    if sys.platform != "linux":
        return
    if own_bytes() - own_before < COPIED * sum(os.path.getsize(path) for path in paths):
        return
    wanted = {os.path.realpath(path) for path in paths}
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            addresses, *_, path = line.rstrip("\n").split(None, 5)
            if path in wanted:
                start, end = (int(address, 16) for address in addresses.split("-"))
                madvise(start, end - start, MADV_DONTNEED)  # a mapping that is locked refuses, and may
