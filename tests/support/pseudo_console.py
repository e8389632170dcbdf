"""A pseudo-console of Windows with a command on it: what a pseudo-terminal is elsewhere."""

from __future__ import annotations

import ctypes
import os
import queue
import subprocess
import sys
import threading
import time
from typing import Any, Final

import console
import psutil

if sys.platform == "win32":
    import _winapi
    import msvcrt

SECONDS: Final = 60.0
LOOK_S: Final = 0.1
"""The output has no end while the console is open. So it is asked whether the command still runs."""

LAUNCHER: Final = """
import os, signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
keys, screen = os.open("CONIN$", os.O_RDWR), os.open("CONOUT$", os.O_RDWR)
sys.exit(subprocess.call(sys.argv[1:], stdin=keys, stdout=screen, stderr=screen))
"""
"""Wine 8 gives the process of a pseudo-console no standard streams (CreateProcessW). So this one opens the console."""

PSEUDO_CONSOLE: Final = 0x20016
"""PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE."""

EXTENDED: Final = 0x80000 | 0x400
"""EXTENDED_STARTUPINFO_PRESENT and CREATE_UNICODE_ENVIRONMENT."""

NO_STREAMS: Final = 0x100
"""STARTF_USESTDHANDLES, with none of them: else the process takes those of the tests."""


class Size(ctypes.Structure):
    """COORD."""

    _fields_ = (("columns", ctypes.c_short), ("rows", ctypes.c_short))


class Startup(ctypes.Structure):
    """STARTUPINFOEXW."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("names", ctypes.c_void_p * 3),
        ("window", ctypes.c_uint32 * 7),
        ("flags", ctypes.c_uint32),
        ("show", ctypes.c_uint32),  # and a length, which is 0
        ("reserved", ctypes.c_void_p),
        ("streams", ctypes.c_void_p * 3),
        ("attributes", ctypes.c_void_p),
    )


class Started(ctypes.Structure):
    """PROCESS_INFORMATION."""

    _fields_ = (
        ("process", ctypes.c_void_p),
        ("thread", ctypes.c_void_p),
        ("pid", ctypes.c_uint32),
        ("thread_id", ctypes.c_uint32),
    )


class PseudoConsole:
    """Runs a command on a console of this size. `close` ends the console."""

    def __init__(self, command: list[str], columns: int, rows: int, environment: dict[str, str]) -> None:
        self._windows = _windows()
        self._console = ctypes.c_void_p()
        given, self._keys = os.pipe()
        self._output, taken = os.pipe()
        ends = [ctypes.c_void_p(msvcrt.get_osfhandle(end)) for end in (given, taken)]
        made = self._windows.CreatePseudoConsole(Size(columns, rows), *ends, 0, ctypes.byref(self._console))
        assert made == 0, f"CreatePseudoConsole: {made & 0xFFFFFFFF:#x}"
        os.close(given)
        os.close(taken)
        self._came: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, name="pseudo-console", daemon=True).start()
        launcher = self._start([sys.executable, "-c", LAUNCHER, *command], environment)
        self._process = launcher.process  # as long as it is open, its exit status is kept
        self.pid = self._command_of(launcher.pid)

    def read(self, seconds: float) -> bytes:
        """What the command writes next; b"" at the end. Raises TimeoutError if nothing comes for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ended = self.poll() is not None
            try:
                return self._came.get(timeout=LOOK_S)
            except queue.Empty:
                if ended:
                    return b""
        raise TimeoutError

    def write(self, keys: bytes) -> None:
        os.write(self._keys, keys)

    def press_ctrl_c(self) -> None:
        """As an event: in Wine 8, conhost.exe ends when it reads the key from a pipe ("wait failed")."""
        console.ctrl_c(self.pid)()

    def poll(self) -> int | None:
        """The exit status of the command, None while it runs."""
        if _winapi.WaitForSingleObject(self._process, 0) != _winapi.WAIT_OBJECT_0:
            return None
        return _winapi.GetExitCodeProcess(self._process)

    def wait(self, seconds: float) -> int:
        _winapi.WaitForSingleObject(self._process, int(seconds * 1000))
        return _winapi.GetExitCodeProcess(self._process)

    def close(self) -> None:
        self._windows.ClosePseudoConsole(self._console)
        os.close(self._keys)
        _winapi.CloseHandle(self._process)

    def _read(self) -> None:
        """Until the console is closed."""
        while data := os.read(self._output, 65536):
            self._came.put(data)
        os.close(self._output)

    def _start(self, command: list[str], environment: dict[str, str]) -> Started:
        size = ctypes.c_size_t()
        self._windows.InitializeProcThreadAttributeList(None, 1, 0, ctypes.byref(size))
        attributes = ctypes.create_string_buffer(size.value)
        _done(self._windows.InitializeProcThreadAttributeList(attributes, 1, 0, ctypes.byref(size)))
        _done(
            self._windows.UpdateProcThreadAttribute(
                attributes, 0, PSEUDO_CONSOLE, self._console, ctypes.sizeof(self._console), None, None
            )
        )
        startup = Startup(ctypes.sizeof(Startup), flags=NO_STREAMS, attributes=ctypes.addressof(attributes))
        started = Started()
        variables = "".join(f"{name}={value}\0" for name, value in environment.items()) + "\0"
        _done(
            self._windows.CreateProcessW(
                None,
                ctypes.create_unicode_buffer(subprocess.list2cmdline(command)),
                *(None, None, False, EXTENDED),
                ctypes.create_unicode_buffer(variables),
                *(None, ctypes.byref(startup), ctypes.byref(started)),
            )
        )
        _winapi.CloseHandle(started.thread)
        return started

    def _command_of(self, launcher: int) -> int:
        until = time.monotonic() + SECONDS
        while not (children := psutil.Process(launcher).children()):
            assert time.monotonic() < until and self.poll() is None, "the command does not start"
            time.sleep(0.01)
        return children[0].pid


def _done(result: int) -> None:
    assert result, f"error {ctypes.get_last_error()} of Windows"


def _windows() -> Any:  # functions of a library
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    handle = ctypes.c_void_p
    kernel32.CreatePseudoConsole.argtypes = (Size, handle, handle, ctypes.c_uint32, handle)
    kernel32.ClosePseudoConsole.argtypes = (handle,)
    kernel32.UpdateProcThreadAttribute.argtypes = (
        *(handle, ctypes.c_uint32, ctypes.c_size_t, handle, ctypes.c_size_t, handle, handle),
    )
    return kernel32
