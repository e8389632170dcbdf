"""A worker process, which is this program in another role: how it starts, its pipes, and how it ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from sidecar.message_handler import log
from sidecar.message_handler.framing import decode, encode
from sidecar.message_handler.notifier import notification
from sidecar.message_handler.reader import NO_LIMIT, read_lines
from sidecar.message_handler.writer import RpcMessage, Writer
from sidecar.options import own_command
from sidecar.worker import exit_status, lifecycle

EXIT_TIMEOUT_S: Final = 0.4
"""How long a child may take from the end of its stdin to its own end, before it is killed."""

SAVE_TIMEOUT_S: Final = 5.0
"""How long an engine that saves conversations may take for that before it ends, if nothing else waits for its end."""

SAVE_SHARE: Final = 0.6
"""If something waits, it may take this share of the time that it has for its end."""

KILLED_S: Final = 10.0
"""How long a killed child may take to be gone. After this its requests are answered: one that hangs in a driver may
stay for ever."""

END: Final = b"\0"
"""Written behind a child's output. No message has this byte; what stands before it in its line is half a message."""

Params = dict[str, Any]  # of a request: JSON that the schema of its method has validated

OnMessage = Callable[["WorkerProcess", RpcMessage, bytes], None]
OnEnd = Callable[["WorkerProcess"], None]


class WorkerProcess:
    """One child. Its relay thread calls `on_message` for each message, then `on_end` once."""

    def __init__(self, role: str, arguments: list[str], on_message: OnMessage, on_end: OnEnd) -> None:
        import subprocess  # takes several milliseconds, which a ping does not need

        self.role = role
        self.ready = False
        self.fault: str | None = None
        """Why the child is about to end, in its own words: a failed start, or llama.cpp's last message."""
        self.ignore_backpressure = False
        """Set while an abort waits for this child: its output is then read even if the client does not read ours."""
        self.killed_by_us = False
        """Set when the router kills it because it did not follow an abort. That does not count as a crash."""
        self.leave_s = 2 * EXIT_TIMEOUT_S
        """How long its end takes at most."""
        self.saves = False
        """Whether it keeps conversations on a disk: then it gets time for that before it ends."""
        self.caches: dict[str, Params] = {}
        """contextId → the schema's CacheStatus, as it has told it."""
        self.started = time.monotonic()
        lifecycle.hide_errors()
        self._output, self._end_of_output = os.pipe()
        try:
            self._popen = subprocess.Popen(
                own_command("--role", role, *arguments),
                stdin=subprocess.PIPE,
                stdout=self._end_of_output,
                bufsize=0,
                # For a console, Windows would start one more process.
                creationflags=getattr(subprocess, "DETACHED_PROCESS", 0),
            )
        except OSError:
            os.close(self._output)
            os.close(self._end_of_output)
            raise
        assert self._popen.stdin is not None
        self.pid = self._popen.pid
        self.writer = Writer(self._popen.stdin.fileno(), lambda: None, f"to-{role}-{self.pid}")
        self._on_message = on_message
        self._on_end = on_end
        self.ended = threading.Event()
        self._ending_output = threading.Lock()
        """The first thread that ends the output takes it, and never releases it."""
        name = f"sidecar:from-{role}-{self.pid}"
        threading.Thread(target=self._relay, name=name, daemon=True).start()

    def send(self, message: RpcMessage) -> None:
        """Queue a message for the child."""
        self.writer.send(encode(message))

    def start_after(self, others: Sequence[WorkerProcess]) -> None:
        """Send this child nothing before the others, which are about to end, have given their memory back."""
        if not others:
            return
        self.writer.hold()

        def release() -> None:
            for other in others:
                other.ended.wait(other.leave_s)
            self.writer.release()

        threading.Thread(target=release, name=f"sidecar:before-{self.pid}", daemon=True).start()

    def kill(self) -> None:
        """End it now, whatever it is doing."""
        self._popen.kill()
        threading.Thread(target=self._give_up, name=f"sidecar:killed-{self.pid}", daemon=True).start()

    def close(self) -> None:
        """Ask it to end by ending its stdin. It ends at once, even in the middle of work."""
        self.writer.flush(0.05)
        # The writer thread owns the descriptor and may be blocked in a write: redirect it instead of closing it.
        assert self._popen.stdin is not None
        empty = os.open(os.devnull, os.O_WRONLY)
        os.dup2(empty, self._popen.stdin.fileno(), inheritable=False)
        os.close(empty)

    def end(self, timeout_s: float = EXIT_TIMEOUT_S) -> None:
        """Close it, kill it if it still runs after `timeout_s`, and return when it has ended."""
        if self.saves:
            self._save(SAVE_SHARE * timeout_s)
            timeout_s -= SAVE_SHARE * timeout_s
        self.close()
        if not self.ended.wait(timeout_s):
            self.kill()
            self.ended.wait(timeout_s)

    def end_when_saved(self) -> None:
        """As `end`, after its conversations are on the disk, for which it has SAVE_TIMEOUT_S."""
        if self.saves:
            self._save(SAVE_TIMEOUT_S)
        self.end()

    def end_in_background(self) -> None:
        """As `end_when_saved`, without waiting for it."""
        self.leave_s += SAVE_TIMEOUT_S if self.saves else 0
        threading.Thread(target=self.end_when_saved, name=f"sidecar:end-{self.pid}", daemon=True).start()

    def _save(self, seconds: float) -> None:
        """Have it save its conversations and end by itself, for at most this time."""
        self.saves = False
        self.send(notification("leave", {"seconds": seconds}))
        self.ended.wait(seconds)

    @property
    def exit_status(self) -> int | None:
        """As Popen.returncode: negative for a signal, None while it runs; also at its end if it could not be killed."""
        return self._popen.returncode

    @property
    def crashed(self) -> bool:
        """Whether it has ended by its own fault, and no other process ended it."""
        return exit_status.is_crash(self.exit_status or 0)

    def _relay(self) -> None:
        from sidecar.hardware import heap  # takes ctypes: while the child starts, nobody waits for this

        threading.Thread(target=self._wait, name=f"sidecar:end-of-{self.pid}", daemon=True).start()
        lifecycle.guard_child(self.pid)
        heap.share_heaps()
        for line in read_lines(self._output, NO_LIMIT):
            assert isinstance(line, bytes)
            if line.endswith(END):
                break
            try:
                self._on_message(self, decode(line), line + b"\n")
            except Exception as error:  # one bad message must not end the relay
                log.log_exception(f"cannot relay a message of the {self.role}", error)
        os.close(self._output)
        log.log("debug", f"{self.role} {self.pid} ended", status=self.exit_status)
        self.writer.stop()
        try:
            self._on_end(self)
        finally:
            self.ended.set()  # after this, all requests are answered
        heap.give_free_pages_back()

    def _wait(self) -> None:
        """Wait for the child itself, not for the end of the pipe: a process that it has started may hold it open."""
        self._popen.wait()
        self._end_output()

    def _give_up(self) -> None:
        self.ended.wait(KILLED_S)
        self._end_output()

    def _end_output(self) -> None:
        """Let the relay read all that the child has written, and no further."""
        if self._ending_output.acquire(blocking=False):
            with suppress(OSError):  # the relay could not read and has ended
                os.write(self._end_of_output, END + b"\n")
            os.close(self._end_of_output)
