"""When to end: the parent process is gone, or a signal says so. Without polling where that can be."""

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

    A process that is not there to begin with is not watched: in a container the parent may be invisible,
    and ending a healthy program for that would be worse. The log says so.
    """
    wait = waiter(pid)
    if wait is None:
        log.log(
            "warning",
            "the process to watch is not visible here; its end will not be noticed",
            watched=pid,
        )
        return

    def run() -> None:
        wait()
        log.log("info", "the watched process is gone", watched=pid)
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
    except (ProcessLookupError, OverflowError):  # or a number that no process has
        return None
    except OSError as error:  # an old kernel without pidfd_open: psutil polls
        log.log("debug", "falling back to polling for the parent", cause=str(error))
    import psutil

    try:
        return psutil.Process(pid).wait
    except (psutil.Error, ValueError):
        return None


def on_end_signals(handler: Callable[[], None]) -> None:
    """Call `handler` from a thread when the program is told to end.

    Python's own handlers run between two bytecodes of the main thread, which sits in a read: a signal
    just before that read would be seen with the next line. So C's handler writes to a pipe.
    """
    receiving, sending = os.pipe()
    if sys.platform != "win32":
        os.set_blocking(sending, False)  # asked for; Windows has no such pipes and does not ask
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: None)
    signal.set_wakeup_fd(sending, warn_on_full_buffer=False)

    def run() -> None:
        while os.read(receiving, 1):
            handler()

    threading.Thread(target=run, name="sidecar:signals", daemon=True).start()
