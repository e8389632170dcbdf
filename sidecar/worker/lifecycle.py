"""Watches for the end of the parent process, and for signals that end the program. Without polling where possible."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable

from sidecar.message_handler import log


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
    try:
        if sys.platform == "linux":
            poll = select.poll()
            poll.register(os.pidfd_open(pid), select.POLLIN)
            return poll.poll
        if sys.platform == "darwin":
            queue = select.kqueue()
            event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            queue.control([event], 0)
            return lambda: queue.control(None, 1)
    except (ProcessLookupError, OverflowError):  # OverflowError: no process has such a number
        return None
    except OSError as error:  # an old kernel has no pidfd_open
        log.log("debug", "polling for the end of the process", cause=str(error))
    import psutil

    try:
        return psutil.Process(pid).wait
    except (psutil.Error, ValueError):
        return None


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
