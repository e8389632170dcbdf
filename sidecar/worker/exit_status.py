"""What the exit status of a process tells: whether another process ended it, and how it is put in words."""

from __future__ import annotations

import signal
import sys
from typing import Final

KILLED: Final = frozenset({-9, -15})
"""SIGKILL, also of a system without memory, and SIGTERM."""

KILLED_ON_WINDOWS: Final = frozenset({1, 15})
"""Windows has no signals: TerminateProcess sets a status. 1 is the Task Manager's and Popen.kill's, 15 psutil's."""

ABORTED: Final = 3
"""Status on Windows after abort()."""

FAILURES: Final = range(0xC0000000, 0xD0000000)
"""Statuses of processes that Windows ended, after a wrong memory access for example."""

FAULTS: Final = {
    0xC0000005: "access violation",
    0xC0000017: "out of memory",
    0xC000001D: "illegal instruction",
    0xC00000FD: "stack overflow",
    0xC0000135: "a DLL is missing",
    0xC0000139: "a DLL lacks a function",
    0xC000013A: "Ctrl-C",
    0xC0000409: "fail-fast",
}
"""The known ones of them."""


def was_killed(status: int | None) -> bool:
    """Whether another process ended this one."""
    return status in (KILLED_ON_WINDOWS if sys.platform == "win32" else KILLED)


def is_crash(status: int) -> bool:
    """Whether the process ended by its own fault: by a signal, by abort(), or because Windows ended it."""
    if sys.platform == "win32":
        return status == ABORTED or status in FAILURES
    return status < 0 and status not in KILLED


def in_words(status: int | None) -> str:
    """The signal's name, or the exit status; Windows' own statuses as its documentation writes them.

    None: the process was killed and is still there.
    """
    if status is None:
        return "it cannot be killed"
    if status < 0:
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"
    if status < 0x80000000:
        return f"exit status {status}"
    fault = f", {FAULTS[status]}" if status in FAULTS else ""
    return f"exit status 0x{status:08X}{fault}"
