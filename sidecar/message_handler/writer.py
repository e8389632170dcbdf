"""Writes messages to a descriptor through one queue, in which progress merges while it waits.

If a write cannot block, the sending thread does it itself; otherwise the writer's thread does. Waking a thread for
every token would take more time from the compute threads than the write.

If the other side does not read, progress of the same request and type merges into one message: its deltas are joined,
so nothing is lost. Then `has_room` is false, and producers of progress should wait. Responses are always accepted.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Final

from sidecar.message_handler.framing import encode

ROOM_BYTES: Final = 256 * 1024
"""Waiting bytes from which producers of progress should pause."""

MAX_PENDING_INFO: Final = 64
"""Maximum number of `info` messages that wait in the queue; more are dropped."""


def _direct_bytes() -> int:
    if sys.platform == "win32":  # there select is a library of its own, which looks at sockets only
        return 0
    import select

    return getattr(select, "PIPE_BUF", 0)


DIRECT_BYTES: Final = _direct_bytes()
"""A writable pipe accepts this many bytes without blocking. 0: the platform cannot tell."""

ADD_UP: Final = ("delta", "logprobs")
"""Members of progress that are joined when messages merge; of all others the newest counts."""

WRITE_BYTES: Final = 64 * 1024
"""Bytes per write."""

RpcMessage = dict[str, Any]  # of JSON-RPC: the members depend on its kind


class _Pending:
    """A waiting message: its line, or once merged the message, which is encoded when it is written."""

    __slots__ = ("key", "line", "message", "size")

    def __init__(self, line: bytes, key: Hashable, message: RpcMessage | None) -> None:
        self.line: bytes | None = line
        self.key = key
        self.message = message
        self.size = len(line)

    def merge(self, message: RpcMessage, size: int) -> None:
        """Replace the members by newer ones; join those in ADD_UP."""
        assert self.message is not None
        earlier, later = self.message["params"], message["params"]
        later = {**later, **{name: earlier[name] + later[name] for name in ADD_UP if name in later}}
        self.message = {**message, "params": later}
        self.line = None
        self.size += size

    def encoded(self) -> bytes:
        return self.line if self.line is not None else encode(self.message)


def _writable_check(descriptor: int) -> Callable[[], bool]:
    """Returns a function that says whether a write of DIRECT_BYTES would not block."""
    if sys.platform == "win32":
        return lambda: False
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return lambda: any(event == select.POLLOUT for _, event in poll.poll(0))


class Writer:
    """Owns an output descriptor. Thread-safe. Calls `on_broken` once if the other side is gone."""

    def __init__(self, descriptor: int, on_broken: Callable[[], None], name: str = "writer") -> None:
        self._descriptor = descriptor
        self._on_broken = on_broken
        self._changed = threading.Condition()
        self._queue: deque[_Pending] = deque()
        self._mergeable: dict[Hashable, _Pending] = {}
        self._infos = 0
        self._waiting_bytes = 0
        self._writing = False
        self._held = False
        self._broken = False
        self._is_writable = _writable_check(descriptor)
        threading.Thread(target=self._run, name=f"sidecar:{name}", daemon=True).start()

    def send(self, line: bytes, *, wake: bool = True) -> None:
        """Queue a line that must not be lost: a response, a request, a command.

        Later progress does not merge with progress before this line: the same id may be a new request by then.
        """
        with self._changed:
            self._mergeable.clear()
            self._append(_Pending(line, None, None), wake)

    def progress(
        self,
        key: Hashable,
        message: RpcMessage,
        line: bytes | None = None,
        *,
        wake: bool = True,
    ) -> None:
        """Queue a progress notification that may merge with a waiting one of the same key.

        `line` is the encoded `message`, if the caller has it. With wake=False it is written with the next
        message that wakes the writer, or at `wake()`: one write for all streams of a step.
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

    def info(self, message: RpcMessage) -> None:
        """Queue an `info` notification, or drop it if MAX_PENDING_INFO of them wait."""
        with self._changed:
            if self._infos < MAX_PENDING_INFO:
                self._infos += 1
                self._append(_Pending(encode(message), self, None), True)

    def hold(self) -> None:
        """Write nothing more until `release`."""
        with self._changed:
            self._held = True

    def release(self) -> None:
        """Write what was queued since `hold`."""
        with self._changed:
            self._held = False
            self._write_or_wake()

    def wake(self) -> None:
        """Write what was queued with wake=False."""
        with self._changed:
            self._write_or_wake()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that are queued and not yet written."""
        return self._waiting_bytes

    def has_room(self) -> bool:
        """Whether less than ROOM_BYTES wait."""
        return self._waiting_bytes < ROOM_BYTES

    def wait_for_room(self, give_up: Callable[[], bool]) -> None:
        """Block until there is room, the other side is gone, or `give_up()` is true (see `nudge`)."""
        with self._changed:
            self._changed.wait_for(lambda: self.has_room() or self._broken or give_up())

    def nudge(self) -> None:
        """Make all threads in `wait_for_room` call their `give_up` again."""
        with self._changed:
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is written. False if that takes longer than `timeout_s`, or the other side is gone."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._changed.notify_all()
            while (self._queue or self._writing) and not self._broken:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return False
            return not self._broken

    def stop(self) -> None:
        """Drop everything and end the thread: the other side is gone."""
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
            self._write_or_wake()

    def _write_or_wake(self) -> None:
        """Write the queue if that cannot block, otherwise wake the thread. The caller holds the lock."""
        if not self._queue or self._writing or self._held or self._broken:
            return
        if self._waiting_bytes > DIRECT_BYTES or not self._is_writable():
            self._changed.notify_all()
            return
        data, written = self._next_bytes(), 0
        if len(data) <= DIRECT_BYTES:
            with suppress(OSError):  # the thread gets the same error and reports it
                written = os.write(self._descriptor, data)
        if written < len(data):
            self._queue.appendleft(_Pending(data[written:], None, None))
            self._waiting_bytes += len(data) - written
            self._changed.notify_all()

    def _next_bytes(self) -> bytes:
        """Remove messages from the queue and encode them, about WRITE_BYTES."""
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
                if not self._queue or self._held:
                    self._changed.wait_for(lambda: (self._queue and not self._held) or self._broken)
                if self._broken:
                    return
                data = memoryview(self._next_bytes())
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
