"""The log: one JSON object per line on stderr, never part of the protocol.

A thread writes it from a bounded queue. If the host does not read stderr, lines are dropped and counted, and the work
goes on. The next line that fits reports how many were dropped.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from typing import Final

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
MAX_WAITING_LINES: Final = 2000
MAX_FIELD_CHARS: Final = 4000

_threshold = LEVELS["warning"]
_role = "router"
_lines: queue.Queue[bytes] = queue.Queue(MAX_WAITING_LINES)
_dropped = 0
_started = threading.Lock()
_thread: threading.Thread | None = None


def configure(level: str, role: str | None = None) -> None:
    """Set the lowest level that is written, and the process's role."""
    global _threshold, _role
    _threshold = LEVELS[level]
    _role = role or _role


def enabled(level: str) -> bool:
    """Whether lines of this level are written."""
    return LEVELS[level] >= _threshold


def log(level: str, message: str, **fields: object) -> None:
    """Write one line. Fields must be JSON values; texts are shortened to MAX_FIELD_CHARS."""
    global _dropped
    if not enabled(level):
        return
    record = {
        "time": round(time.time(), 3),
        "level": level,
        "role": _role,
        "pid": os.getpid(),
        "message": message[:MAX_FIELD_CHARS],
        **{k: v[:MAX_FIELD_CHARS] if isinstance(v, str) else v for k, v in fields.items()},
    }
    if _dropped and not _lines.full():
        record["droppedBefore"], _dropped = _dropped, 0
    try:
        _lines.put_nowait(json.dumps(record, default=str).encode("ascii") + b"\n")
    except queue.Full:
        _dropped += 1
    _start()


def log_exception(message: str, error: BaseException, **fields: object) -> None:
    """Write an unexpected exception with its traceback, which is written nowhere else."""
    import traceback  # not at start: it imports linecache and tokenize

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    log("error", message, traceback=text[-MAX_FIELD_CHARS:], **fields)


def flush(timeout_s: float) -> None:
    """Wait until the queued lines are written, at most `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while _lines.unfinished_tasks and time.monotonic() < deadline:
        time.sleep(0.001)


def _start() -> None:
    global _thread
    with _started:
        if _thread is None:
            _thread = threading.Thread(target=_run, name="sidecar:log", daemon=True)
            _thread.start()


def _run() -> None:
    while True:
        line = _lines.get()
        try:
            os.write(2, line)
        except OSError:
            return  # stderr is closed
        finally:
            _lines.task_done()
