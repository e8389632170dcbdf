"""A small client of the protocol for the commands: starts the program, sends requests, passes on progress."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sidecar.message_handler.framing import decode, encode
from sidecar.message_handler.reader import read_lines
from sidecar.options import own_command

ErrorDetails = dict[str, Any]  # an ErrorData; empty if the program ended
OnNotification = Callable[[str, Any], None]  # method and params: Progress or Info
OnLine = Callable[[str, bytes], None]


class SidecarFailed(Exception):
    """An error response, or the unexpected end of the program; `data` is that of the error."""

    def __init__(self, message: str, data: ErrorDetails | None = None) -> None:
        super().__init__(message)
        self.data = data or {}
        self.kind: str = self.data.get("kind", "")


class Client:
    """One running program, as a context manager. It sends one request at a time."""

    def __init__(self, on_line: OnLine | None = None, log_level: str = "warning") -> None:
        self._process = subprocess.Popen(
            own_command("--log-level", log_level),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            # A terminal's Ctrl-C is for this process, which aborts the request; it must not end the program.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in = self._process.stdin
        self._lines = read_lines(self._process.stdout.fileno())
        self._on_line = on_line or (lambda *_: None)
        self._sending = threading.Lock()
        self._next_id = 0
        self._running: int | None = None
        self._aborted = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._in.close()
        self._process.wait()

    def call(
        self,
        method: str,
        params: Mapping[str, object] | None = None,
        on_notification: OnNotification | None = None,
    ) -> Any:  # the result type of the method
        """Send a request and wait for its result. Raises SidecarFailed."""
        with self._sending:
            self._running = request_id = self._send(method, params or {})
            if self._aborted:
                self._send("abort", {"requestId": request_id})
        try:
            return self._answer(request_id, on_notification)
        finally:
            self._running = None

    def _answer(
        self, request_id: int, on_notification: OnNotification | None
    ) -> Any:  # the result type of the method
        for received in self._lines:
            assert isinstance(received, bytes)
            self._on_line("<", received)
            message = decode(received)
            if message.get("id") == request_id:
                if "error" in message:
                    raise SidecarFailed(message["error"]["message"], message["error"].get("data"))
                return message["result"]
            if on_notification is not None and "method" in message:
                on_notification(message["method"], message["params"])
        raise SidecarFailed("the program ended unexpectedly; its log is above")

    def stop(self) -> None:
        """Abort the request that `call` waits for, if there is one. May be called from any thread."""
        with self._sending:
            self._stop()

    def abort(self) -> None:
        """The same, and abort every later request."""
        with self._sending:
            if not self._aborted:
                self._stop()
            self._aborted = True

    def _stop(self) -> None:
        if self._running is not None:
            with contextlib.suppress(SidecarFailed):  # `call` raises it
                self._send("abort", {"requestId": self._running})

    def _send(self, method: str, params: Mapping[str, object]) -> int:
        self._next_id += 1
        line = encode({"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params})
        self._on_line(">", line)
        try:
            left = memoryview(line)
            while left:  # a signal may cut a write
                left = left[self._in.write(left) or 0 :]
        except OSError:
            raise SidecarFailed("the program ended unexpectedly; its log is above") from None
        return self._next_id
