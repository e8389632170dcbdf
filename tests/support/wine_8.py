"""Whether the tests run in Wine, which answers some questions in another way than Windows."""

from __future__ import annotations

import sys
from typing import Final


def _in_wine() -> bool:
    if sys.platform != "win32":
        return False
    import ctypes

    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


IN_WINE: Final = _in_wine()
