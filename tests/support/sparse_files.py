"""Files with holes, which take no space."""

from __future__ import annotations

import sys
from pathlib import Path

FSCTL_SET_SPARSE = 0x900C4


def write_hollow(path: Path, head: bytes, size: int) -> None:
    """Write a file of this size that is all 0 after its head."""
    with path.open("wb") as file:
        file.write(head)
        _allow_holes(file.fileno())
        file.truncate(size)


def _allow_holes(file: int) -> None:
    """Windows keeps room for each byte of a file, unless it is told not to."""
    if sys.platform != "win32":
        return
    import ctypes
    import msvcrt

    handle, returned = ctypes.c_void_p(msvcrt.get_osfhandle(file)), ctypes.c_ulong()
    control = ctypes.WinDLL("kernel32").DeviceIoControl
    assert control(handle, FSCTL_SET_SPARSE, None, 0, None, 0, ctypes.byref(returned), None)
