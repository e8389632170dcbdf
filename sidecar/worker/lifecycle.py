"""Watches for the end of the parent process, and for signals that end the program. Without polling where possible.

On Windows it also ties the children to this process, and ends in order when the console is closed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from sidecar.message_handler import log

POLL_S: Final = 0.2
"""How often to look whether a process is still there, where it cannot be waited for."""

CONSOLE_S: Final = 4.0
"""How long this process may take to end when its console is closed; Windows ends it after 5 s."""

CTRL_CLOSE: Final = 2
"""Windows' number of that event. Those above are the end of the session and of the system."""

NO_WINDOWS: Final = 0x8003
"""Flags of SetErrorMode, which children inherit: no window waits for a click when a driver crashes or is damaged."""

KILL_ON_JOB_CLOSE: Final = 0x2000
JOB_LIMITS: Final = 9
"""Windows' number of JOBOBJECT_EXTENDED_LIMIT_INFORMATION: 36 words, of which the fifth are the flags."""

MAY_JOIN: Final = 0x101
"""Windows' rights to put a process into a job: PROCESS_SET_QUOTA and PROCESS_TERMINATE."""

_kept: Final[list[object]] = []
"""What Windows uses until this process ends: the handle of its job, and what it calls."""

_guarding: Final = threading.Lock()


def watch_process(pid: int, on_gone: Callable[[], None]) -> None:
    """Call `on_gone` from a thread when the process ends.

    A process that is not visible at first is not watched, and the log says so: in a container the parent may be
    invisible, and then the program must not end.
    """
    wait = waiter(pid)
    if wait is None:
        log.log(
            "warning",
            "the process to watch is not visible here, so its end will not be noticed",
            watched=pid,
        )
        return

    def run() -> None:
        wait()
        log.log("info", "the watched process has ended", watched=pid)
        on_gone()

    threading.Thread(target=run, name="sidecar:parent-watch", daemon=True).start()


def waiter(pid: int) -> Callable[[], object] | None:
    """A function that returns when the process has ended; None if there is no such process."""
    if pid < 1:  # 0 is the idle process of Windows, which never ends
        return None
    try:
        if sys.platform == "linux":
            import select

            poll = select.poll()
            poll.register(os.pidfd_open(pid), select.POLLIN)
            return poll.poll
        if sys.platform == "darwin":
            import select

            queue = select.kqueue()
            event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            queue.control([event], 0)
            return lambda: queue.control(None, 1)
        if sys.platform == "win32":
            import _winapi

            # Less than psutil asks for: an elevated process lets others wait for it, but not query it.
            handle = _winapi.OpenProcess(_winapi.SYNCHRONIZE, False, pid)
            if _winapi.WaitForSingleObject(handle, 0) == _winapi.WAIT_OBJECT_0:
                return None  # it has ended, and is there only because somebody holds a handle of it
            return lambda: _winapi.WaitForSingleObject(handle, _winapi.INFINITE)
    except (ProcessLookupError, OverflowError):  # OverflowError: no process has such a number
        return None
    except OSError as error:  # an old kernel has no pidfd_open; Windows may deny access
        log.log("debug", "polling for the end of the process", cause=str(error))
    return _poller(pid)


def _poller(pid: int) -> Callable[[], object] | None:
    import psutil

    try:
        process = psutil.Process(pid)
    except (psutil.Error, ValueError):
        return None

    def poll() -> None:
        # psutil's `wait` needs more rights than a look at whether the process is there.
        with contextlib.suppress(psutil.NoSuchProcess):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(POLL_S)

    return poll


def on_end_signals(handler: Callable[[], None]) -> None:
    """Call `handler` from a thread when a signal asks the program to end.

    Python runs its signal handlers between two bytecodes of the main thread, which waits in a read. After a signal
    just before that read, they would run with the next line only. So the C handler writes to a pipe.
    """
    receiving, sending = os.pipe()
    if sys.platform != "win32":
        os.set_blocking(sending, False)  # set_wakeup_fd requires it, but not on Windows
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: None)
    signal.set_wakeup_fd(sending, warn_on_full_buffer=False)

    def run() -> None:
        while os.read(receiving, 1):
            handler()

    threading.Thread(target=run, name="sidecar:signals", daemon=True).start()


def hide_errors() -> None:
    """Called before a child starts. On Windows: no window waits for a click when a child cannot go on."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.SetErrorMode(NO_WINDOWS)  # children inherit it


def guard_child(pid: int) -> None:
    """Called while a child starts. On Windows: however this process ends, the child ends with it.

    It ends by itself when its stdin ends; but one that hangs in a driver does not read. So the children are in a job,
    whose only handle is closed with this process.
    """
    if sys.platform != "win32":
        return
    import _winapi
    import ctypes

    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    with _guarding:
        if not _kept:
            handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint32)(end_with_console)
            kernel32.SetConsoleCtrlHandler(handler, True)
            kernel32.CreateJobObjectW.restype = ctypes.c_void_p
            job = ctypes.c_void_p(kernel32.CreateJobObjectW(None, None))
            limits = (ctypes.c_uint32 * 36)()
            limits[4] = KILL_ON_JOB_CLOSE
            kernel32.SetInformationJobObject(job, JOB_LIMITS, limits, ctypes.sizeof(limits))
            _kept.extend((job, handler))
    try:
        child = _winapi.OpenProcess(MAY_JOIN | _winapi.SYNCHRONIZE, False, pid)
    except OSError:  # it has ended
        return
    joined = kernel32.AssignProcessToJobObject(_kept[0], ctypes.c_void_p(child))
    cause = ctypes.get_last_error()
    if not joined and _winapi.WaitForSingleObject(child, 0) != _winapi.WAIT_OBJECT_0:
        log.log("warning", "a child that hangs would outlive this process", child=pid, cause=cause)
    _winapi.CloseHandle(child)


def end_with_console(event: int) -> int:
    """Called by Windows when the console is closed, which ends the process when this returns.

    So it starts the end as a signal does, and waits for it. Ctrl-C and Ctrl-Break are signals already.
    """
    if event < CTRL_CLOSE:
        return 0
    signal.raise_signal(getattr(signal, "SIGBREAK", signal.SIGTERM))
    time.sleep(CONSOLE_S)
    return 1
