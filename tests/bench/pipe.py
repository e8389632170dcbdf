"""A client as small as possible: one thread and blocking reads, so that the measured program has the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import psutil

Message = dict[str, Any]
END_S = 5.0

OnMessage = Callable[[Message, float], None]


class Program(NamedTuple):
    """How to start a program."""

    command: list[str]
    cwd: Path | None = None
    """Its working directory; None is ours."""


class Pipe:
    """One running program. Times are of time.perf_counter, in seconds."""

    def __init__(
        self, program: Program, more_env: dict[str, str] | None = None, stderr: IO[bytes] | None = None
    ) -> None:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env |= more_env or {}
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            program.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            env=env,
            cwd=program.cwd,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._in = self.process.stdin
        self._raw = self.process.stdout
        self._out = open(self._raw.fileno(), "rb", closefd=False)  # noqa: SIM115
        self._last_id = 0

    def send(self, method: str, params: Message | None = None) -> int:
        """Send a request; returns its id."""
        self._last_id += 1
        message = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params or {}}
        self._in.write(json.dumps(message).encode() + b"\n")
        return self._last_id

    def receive(self) -> tuple[Message, float]:
        """The next message and when it came."""
        line = self._out.readline()
        at = time.perf_counter()
        if not line:
            raise EOFError("the program ended; its log is above")
        message: Message = json.loads(line)
        return message, at

    def responses(
        self, wanted: set[int], on_message: OnMessage | None = None
    ) -> dict[int, tuple[Message, float]]:
        """Wait for the responses to these requests."""
        found: dict[int, tuple[Message, float]] = {}
        while wanted - set(found):
            message, at = self.receive()
            if "method" not in message and message["id"] in wanted:
                found[message["id"]] = message, at
            elif on_message is not None:
                on_message(message, at)
        return found

    def call(self, method: str, params: Message | None = None, on_message: OnMessage | None = None) -> Any:
        """Send a request and wait for its result."""
        request_id = self.send(method, params)
        message, _ = self.responses({request_id}, on_message)[request_id]
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']['message']}")
        return message["result"]

    def tree(self) -> list[psutil.Process]:
        """The program and all its descendants."""
        return tree(self.process.pid)

    def close(self) -> float:
        """End its input; returns the seconds until it and all its children were gone."""
        tree = self.tree()
        begin = time.perf_counter()
        self._in.close()
        try:
            psutil.wait_procs(tree[1:], timeout=END_S)
            self.process.wait(END_S)
            return time.perf_counter() - begin
        finally:
            for process in tree:  # if they hang
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._out.close()
            self._raw.close()


def tree(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def memory_mb(pid: int) -> float:
    """Memory of a process and all its descendants, in MB of 10^6 bytes.

    On Linux a page that several processes share is counted once.
    """
    kind = "pss" if sys.platform == "linux" else "rss"
    return float(sum(getattr(process.memory_full_info(), kind) for process in tree(pid)) / 1e6)


@contextmanager
def running(program: Program, stderr: IO[bytes] | None = None) -> Iterator[Pipe]:
    """A program for the length of a block."""
    pipe = Pipe(program, stderr=stderr)
    try:
        yield pipe
    finally:
        if not pipe._in.closed:
            pipe.close()
