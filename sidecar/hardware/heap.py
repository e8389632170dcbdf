"""The C library's heap: freed blocks of a megabyte and more go back to the system at once."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

LARGE_BYTES: Final = 1024 * 1024

M_MMAP_THRESHOLD: Final = -3
"""malloc.h of glibc."""


def give_large_blocks_back() -> None:
    """From now on, in this process.

    glibc raises its own limit, up to 32 MB, with each large block that is freed. Caches of conversations, which all
    have another size, then lie between each other, and what is freed between two of them stays with the process.
    Other C libraries have no such limit, or keep to it.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
