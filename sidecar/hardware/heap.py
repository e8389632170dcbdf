"""The C library's heap: how much freed memory a process keeps."""

from __future__ import annotations

import sys
from typing import Final

LARGE_BYTES: Final = 1024 * 1024

M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""malloc.h of glibc."""


def give_large_blocks_back() -> None:
    """From now on, freed blocks of a megabyte and more go back to the system at once.

    glibc raises its own limit, up to 32 MB, with each large block that is freed. Caches of conversations, which all
    have another size, then lie between each other, and what is freed between two of them stays with the process.
    Other C libraries have no such limit, or keep to it.
    """
    _set(M_MMAP_THRESHOLD, LARGE_BYTES)


def share_heaps() -> None:
    """From now on, new threads share the heaps that the process has.

    glibc gives each thread a heap of its own, up to eight per processor, and keeps what each of them once took. A
    router starts some threads per child, and has one thing to do at a time: one after another, its children would
    make it grow by 8 MB. Has no effect in a process that has more than eight heaps.
    """
    _set(M_ARENA_MAX, 1)


def _set(parameter: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(parameter, value)
