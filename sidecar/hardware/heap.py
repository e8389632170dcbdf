"""The C library's heap: how much freed memory a process keeps. What this sets is glibc's; other libraries lack it."""

from __future__ import annotations

import ctypes
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
    """
    _call("mallopt", M_MMAP_THRESHOLD, LARGE_BYTES)


def share_heaps() -> None:
    """From now on, new threads share the heaps that the process has.

    glibc gives each thread a heap of its own, up to eight per processor, and keeps what each of them once took. A
    router starts some threads per child, so its heaps would grow for hours. Once a process has more than eight heaps,
    glibc no longer asks for this limit.
    """
    _call("mallopt", M_ARENA_MAX, 1)


def give_free_pages_back() -> None:
    """Give the free pages of all heaps back to the system, now."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    if sys.platform == "linux":
        function = getattr(ctypes.CDLL(None), name, None)
        if function is not None:
            function(*arguments)
