"""Whether a process still runs, and what it runs."""

from __future__ import annotations

import os
import sys
from typing import Final

import psutil

MAY_ASK: Final = 0x1000
"""Windows' right to ask a process what it is."""

MAY_READ: Final = 0x10
"""Windows' right to read its memory."""

PARAMETERS: Final = 0x20
"""Where the address of its parameters stands in the first block of a process of 64 bits (PEB)."""

ENVIRONMENT: Final = 0x80
ENVIRONMENT_BYTES: Final = 0x3F0
"""Where the address of its environment, and its size, stand in its parameters (RTL_USER_PROCESS_PARAMETERS)."""

LONGEST: Final = 1024
"""In characters: of a path."""

OF_WINDOWS: Final = os.environ.get("SYSTEMROOT", r"C:\Windows").lower()
"""The folder of Windows' own programs. It starts some for consoles and windows, with the environment of a program."""


def alive(process: psutil.Process) -> bool:
    """Whether a process runs: a zombie does not, nor one of Windows that is listed because of an open handle."""
    try:
        if sys.platform == "win32":
            process.wait(0)
            return False
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.TimeoutExpired:
        return True
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> list[str]:
    """Empty for one that ends meanwhile; Windows then raises what psutil does not know."""
    try:
        return process.cmdline()
    except (psutil.Error, OSError):
        return []


def _program_file(pid: int) -> str:
    """The file that a process of Windows runs; empty if it has ended. psutil's own way does not end in Wine 8."""
    if sys.platform != "win32":
        return ""
    import ctypes

    kernel32 = ctypes.WinDLL("kernel32")
    kernel32.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel32.OpenProcess(MAY_ASK, False, pid))
    text, size = ctypes.create_unicode_buffer(LONGEST), ctypes.c_uint32(LONGEST)
    kernel32.QueryFullProcessImageNameW(handle, 0, text, ctypes.byref(size))
    kernel32.CloseHandle(handle)
    return text.value


def environment_of(process: psutil.Process) -> dict[str, str]:
    """Its environment, empty if it has ended.

    psutil's way asks about the process's memory. In Wine the process itself answers that, and one that ends just then
    never does: whoever asked hangs, with all its threads.
    """
    if sys.platform != "win32":
        return process.environ()
    import ctypes

    kernel32, ntdll = ctypes.WinDLL("kernel32"), ctypes.WinDLL("ntdll")
    kernel32.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel32.OpenProcess(MAY_ASK | MAY_READ, False, process.pid))

    def read(place: int, size: int) -> bytes:
        buffer, count = ctypes.create_string_buffer(size), ctypes.c_size_t()
        at = (handle, ctypes.c_void_p(place), buffer, ctypes.c_size_t(size), ctypes.byref(count))
        return buffer.raw[: count.value] if kernel32.ReadProcessMemory(*at) else b""

    def number(place: int) -> int:
        return int.from_bytes(read(place, 8), "little")

    try:
        basic = (ctypes.c_size_t * 6)()  # PROCESS_BASIC_INFORMATION; its second member is the PEB's address
        if not handle or ntdll.NtQueryInformationProcess(handle, 0, basic, ctypes.sizeof(basic), None):
            return {}
        parameters = number(basic[1] + PARAMETERS)
        text = read(number(parameters + ENVIRONMENT), number(parameters + ENVIRONMENT_BYTES))
        entries = text.decode("utf-16-le", "replace").split("\0")
        return dict(entry.split("=", 1) for entry in entries if "=" in entry)
    finally:
        kernel32.CloseHandle(handle)


def alive_with(process: psutil.Process, name: str, value: str) -> bool:
    """Whether a process runs with this in its environment, and is not what Windows itself started for it."""
    try:
        if environment_of(process).get(name) != value:
            return False
        if sys.platform == "win32" and _program_file(process.pid).lower().startswith(OF_WINDOWS):
            return False
        return alive(process)
    except (psutil.Error, OSError):
        return False
