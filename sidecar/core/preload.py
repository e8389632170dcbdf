"""Loads llama.cpp's libraries on a thread of its own, while the engine imports the modules that it needs before them.

In the frozen program on Windows: elsewhere loading takes little, or holds up the imports.
"""

from __future__ import annotations

import _thread
import os
import sys
from contextlib import suppress
from typing import Final

LIBRARY: Final = os.path.join("llama_cpp", "lib", "libllama.dll")
"""Below the folder of the frozen program. The libraries that it needs are beside it."""

SEARCH_BESIDE: Final = 0x8
"""LOAD_WITH_ALTERED_SEARCH_PATH of Windows."""


def begin() -> None:
    """Start loading, and return at once."""
    folder = getattr(sys, "_MEIPASS", None)
    if folder is not None:
        _thread.start_new_thread(_load, (os.path.join(folder, LIBRARY),))


def _load(path: str) -> None:
    # What fails here fails again where the libraries are needed, and is reported there.
    with suppress(ImportError, OSError):
        import _ctypes

        if sys.platform == "win32":
            _ctypes.LoadLibrary(path, SEARCH_BESIDE)
