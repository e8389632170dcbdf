"""A small client of the protocol for the commands: spawns the program, sends requests, hands out progress."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from sidecar.message_handler.framing import decode, encode
from sidecar.message_handler.reader import read_lines

OnNotification = Callable[[str, dict[str, Any]], None]
OnLine = Callable[[str, bytes], None]


class SidecarFailed(Exception):
    """An error response, or the program's unexpected end."""


class Client:
    """One running program. Requests are sent one after the other; use it as a context manager."""

    def __init__(self, on_line: OnLine | None = None) -> None:
        program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "sidecar"]
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in = self._process.stdin
        self._lines = read_lines(self._process.stdout.fileno())
        self._on_line = on_line or (lambda *_: None)
        self._next_id = 0

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._in.close()
        self._process.wait()

    def call(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        on_notification: OnNotification | None = None,
    ) -> Any:
        """Send a request and wait for its result. Raises SidecarFailed."""
        self._next_id += 1
        line = encode({"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params or {}})
        self._on_line(">", line)
        self._in.write(line)
        for received in self._lines:
            assert isinstance(received, bytes)
            self._on_line("<", received)
            message = decode(received)
            if message.get("id") == self._next_id:
                if "error" in message:
                    raise SidecarFailed(message["error"]["message"])
                return message["result"]
            if on_notification is not None and "method" in message:
                on_notification(message["method"], message["params"])
        raise SidecarFailed("the program ended unexpectedly; its log is above")
