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
    wait = _waiter(pid)
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


def _waiter(pid: int) -> Callable[[], object] | None:
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
    except ProcessLookupError:
        return None
    except OSError as error:  # an old kernel without pidfd_open: psutil polls
        log.log("debug", "falling back to polling for the parent", cause=str(error))
    import psutil

    try:
        return psutil.Process(pid).wait
    except psutil.Error:
        return None


def on_end_signals(handler: Callable[[], None]) -> None:
    """Call `handler` on the main thread when the program is told to end."""
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: handler())
