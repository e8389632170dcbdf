"""Writes messages to a descriptor: one bounded queue, progress that merges while it waits.

What the system takes without waiting is written at once by whoever sends it; all else by a thread: to wake
one for every token would take more time from the compute threads than the write itself.

Every sender puts messages here and never writes itself. When the other side does not read, progress of
the same request and type melts into one message (its deltas joined, so nothing is lost), `has_room`
turns false, and it is up to the producers to wait; responses are always taken.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Final

from sidecar.message_handler.framing import encode

ROOM_BYTES: Final = 256 * 1024
"""Waiting bytes above which producers of progress are asked to pause."""

MAX_PENDING_INFO: Final = 64
"""`info` messages kept for a reader that does not read; further ones are dropped."""

DIRECT_BYTES: Final = getattr(select, "PIPE_BUF", 0)
"""What a pipe that calls itself writable takes whole, so that a write of it does not wait. 0: cannot be asked."""

ADD_UP: Final = ("delta", "logprobs")
"""Members of progress of which each message has a piece: those of merged messages are joined."""

WRITE_BYTES: Final = 64 * 1024
"""Bytes given to the system in one write."""


class _Pending:
    """A message that waits: its line, or (once merged) its params, encoded when it leaves."""

    __slots__ = ("key", "line", "message", "size")

    def __init__(self, line: bytes, key: Hashable, message: dict[str, Any] | None) -> None:
        self.line: bytes | None = line
        self.key = key
        self.message = message
        self.size = len(line)

    def merge(self, message: dict[str, Any], size: int) -> None:
        """Take over what is newer; join what adds up."""
        assert self.message is not None
        earlier, later = self.message["params"], message["params"]
        later = {**later, **{name: earlier[name] + later[name] for name in ADD_UP if name in later}}
        self.message = {**message, "params": later}
        self.line = None
        self.size += size

    def encoded(self) -> bytes:
        return self.line if self.line is not None else encode(self.message)


def _writability(descriptor: int) -> Callable[[], bool]:
    """Returns a function that tells whether a write of DIRECT_BYTES would not wait."""
    if sys.platform == "win32":
        return lambda: False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return lambda: any(event == select.POLLOUT for _, event in poll.poll(0))


class Writer:
    """Owns an output descriptor. Thread-safe; `on_broken` is called once if the other side is gone."""

    def __init__(self, descriptor: int, on_broken: Callable[[], None], name: str = "writer") -> None:
        self._descriptor = descriptor
        self._on_broken = on_broken
        self._changed = threading.Condition()
        self._queue: deque[_Pending] = deque()
        self._mergeable: dict[Hashable, _Pending] = {}
        self._infos = 0
        self._waiting_bytes = 0
        self._writing = False
        self._broken = False
        self._is_writable = _writability(descriptor)
        threading.Thread(target=self._run, name=f"sidecar:{name}", daemon=True).start()

    def send(self, line: bytes, *, wake: bool = True) -> None:
        """Queue a line that must arrive: a response, a request, a command.

        What comes after it does not merge with what waits before it: its id may be another request's.
        """
        with self._changed:
            self._mergeable.clear()
            self._append(_Pending(line, None, None), wake)

    def progress(
        self,
        key: Hashable,
        message: dict[str, Any],
        line: bytes | None = None,
        *,
        wake: bool = True,
    ) -> None:
        """Queue a progress notification that may merge with a waiting one of the same key.

        `line` is `message` already encoded, if the caller has it. With wake=False it is written with
        the next message that does wake the writer, or at `wake()`: one write for all streams of a step.
        """
        with self._changed:
            waiting = self._mergeable.get(key)
            if waiting is not None:
                size = len(line) if line is not None else len(message["params"].get("delta", "")) + 64
                waiting.merge(message, size)
                self._waiting_bytes += size
            else:
                pending = _Pending(line if line is not None else encode(message), key, message)
                self._mergeable[key] = pending
                self._append(pending, wake)

    def info(self, message: dict[str, Any]) -> None:
        """Queue an `info` notification, or drop it if too many of them wait."""
        with self._changed:
            if self._infos < MAX_PENDING_INFO:
                self._infos += 1
                self._append(_Pending(encode(message), self, None), True)

    def wake(self) -> None:
        """Write what was queued with wake=False."""
        with self._changed:
            self._leave()

    @property
    def waiting_bytes(self) -> int:
        """Bytes taken but not yet given to the system."""
        return self._waiting_bytes

    def has_room(self) -> bool:
        """Whether less than ROOM_BYTES wait."""
        return self._waiting_bytes < ROOM_BYTES

    def wait_for_room(self, give_up: Callable[[], bool]) -> None:
        """Block until there is room, the other side is gone, or `give_up()` says so (see `nudge`)."""
        with self._changed:
            self._changed.wait_for(lambda: self.has_room() or self._broken or give_up())

    def nudge(self) -> None:
        """Make those who wait for room look at their `give_up` again."""
        with self._changed:
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is written. False if that took longer, or the other side is gone."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._changed.notify_all()
            while (self._queue or self._writing) and not self._broken:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return False
            return not self._broken

    def stop(self) -> None:
        """Write nothing more: the other side is known to be gone. Ends the thread."""
        with self._changed:
            self._broken = True
            self._queue.clear()
            self._changed.notify_all()

    def _append(self, pending: _Pending, wake: bool) -> None:
        if self._broken:
            return
        self._queue.append(pending)
        self._waiting_bytes += pending.size
        if wake:
            self._leave()

    def _leave(self) -> None:
        """Write what waits if that cannot block, else wake the thread for it. The lock is held."""
        if not self._queue or self._writing or self._broken:
            return
        if self._waiting_bytes > DIRECT_BYTES or not self._is_writable():
            self._changed.notify_all()
            return
        data, written = self._take(), 0
        if len(data) <= DIRECT_BYTES:
            with suppress(OSError):  # the thread meets the same error, and tells
                written = os.write(self._descriptor, data)
        if written < len(data):
            self._queue.appendleft(_Pending(data[written:], None, None))
            self._waiting_bytes += len(data) - written
            self._changed.notify_all()

    def _take(self) -> bytes:
        """Remove and encode what waits, about WRITE_BYTES of it."""
        lines, size = [], 0
        while self._queue and size < WRITE_BYTES:
            pending = self._queue.popleft()
            if pending.key is self:
                self._infos -= 1
            elif self._mergeable.get(pending.key) is pending:
                del self._mergeable[pending.key]
            self._waiting_bytes -= pending.size
            lines.append(pending.encoded())
            size += len(lines[-1])
        return b"".join(lines)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    self._changed.wait_for(lambda: self._queue or self._broken)
                if self._broken:
                    return
                data = memoryview(self._take())
                self._writing = True
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                with self._changed:
                    self._broken = True
                    self._queue.clear()
                    self._changed.notify_all()
                self._on_broken()
                return
            with self._changed:
                self._writing = False
                self._changed.notify_all()
