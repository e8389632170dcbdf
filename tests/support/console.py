"""Ctrl-C on Windows: an event that goes to all processes of a console.

So the program has a console of its own, which a helper joins. Wine 8 sends no other event: Ctrl-Break is an error 6.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Final

SECONDS: Final = 60.0

OWN: Final = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Flag of Popen: the program gets a console of its own, which nobody sees."""

HELPER: Final = """
import ctypes, sys
kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
def done(result):
    if not result:
        sys.exit(f"error {ctypes.get_last_error()} of Windows")
kernel32.FreeConsole()
done(kernel32.AttachConsole(int(sys.argv[1])))
done(kernel32.SetConsoleCtrlHandler(None, True))  # this process ignores Ctrl-C
print("ready", flush=True)
if sys.stdin.readline():
    done(kernel32.GenerateConsoleCtrlEvent(0, 0))
"""


def ctrl_c(pid: int) -> Callable[[], None]:
    """What presses it, once, in the console of a process that was started with OWN. Preparing takes a second."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HELPER, str(pid)]
    helper = subprocess.Popen(command, stdin=pipe, stdout=pipe, creationflags=OWN)
    assert helper.stdout is not None
    assert helper.stdout.readline().startswith(b"ready")

    def press() -> None:
        helper.communicate(b"\n", SECONDS)
        assert helper.returncode == 0

    return press
