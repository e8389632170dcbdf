"""Windows' way to ask a program to end: an event of its console, as Ctrl-C makes one.

An event goes to all processes of a console. So the program has a console of its own, which a helper joins for it.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

SECONDS: Final = 60.0

EVENTS: Final = {"CTRL_C_EVENT": 0, "CTRL_BREAK_EVENT": 1}

OWN: Final = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Flag of Popen: the program gets a console of its own, which nobody sees."""

SEND: Final = """
import ctypes, sys
kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
ignored = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint32)(lambda event: 1)
kernel32.FreeConsole()
for done in (
    kernel32.AttachConsole(int(sys.argv[1])),
    kernel32.SetConsoleCtrlHandler(ignored, True),
    kernel32.GenerateConsoleCtrlEvent(int(sys.argv[2]), 0),
):
    if not done:
        sys.exit(f"error {ctypes.get_last_error()} of Windows")
"""


def send(pid: int, name: str) -> None:
    """Send one of EVENTS to a process that was started with OWN, and so to all of its console."""
    command = [sys.executable, "-c", SEND, str(pid), str(EVENTS[name])]
    subprocess.run(command, check=True, timeout=SECONDS, creationflags=OWN)
