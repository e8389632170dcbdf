"""A client for long runs: it answers for every request, and forgets what it has seen."""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from driver import Sidecar
from liveness import alive

PROGRAM = [sys.executable, "-m", "sidecar"]
"""The program from source."""

PATIENCE_S = 600.0
"""For an answer: long, because threads that compute wait for each other on a machine with other work."""

KEPT = 1000
"""Messages without a request of ours that are kept."""

RELAY = """
import os, subprocess, sys, threading
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
def copy(source, target):
    while data := os.read(source, 65536): os.write(target, data)
    os._exit(0)
threading.Thread(target=copy, args=(child.stdout.fileno(), 1), daemon=True).start()
copy(0, child.stdin.fileno())
"""
"""A host that owns the program's pipes: they close with it."""

LAUNCHER = """
import os, subprocess, sys
subprocess.Popen([*sys.argv[1:], "--parent-pid", str(os.getpid())]).wait()
"""
"""A host whose pipes others hold open, too."""

HOSTS: dict[str, tuple[str, ...]] = {
    "": (),
    "relay": (sys.executable, "-c", RELAY),
    "launcher": (sys.executable, "-c", LAUNCHER),
}
"""Name → the start of a command that starts the program."""

GONE_S = 1.0
"""Within this all processes end after the router or the host."""

STILL_S = 30.0
STARVED = 20
"""Times that a bare child's end may take on a busy machine, on top of GONE_S."""

Key = tuple[type, Any]


def key_of(request_id: Any) -> Key:
    """1, true and "1" are different ids."""
    return type(request_id), request_id


class Ask:
    """A request of ours. Times are of time.perf_counter, in seconds."""

    def __init__(self, request_id: Any, method: str) -> None:
        self.id = request_id
        self.method = method
        self.sent = time.perf_counter()
        self.answered = 0.0
        self.answer: dict[str, Any] | None = None
        """None after `done`: the program ended without an answer."""
        self.done = threading.Event()
        self.begun = threading.Event()
        """Set at the first progress."""

    @property
    def kind(self) -> str:
        """ "" of a result, else the error's kind."""
        if self.answer is None:
            return "no answer"
        return self.answer["error"]["data"]["kind"] if "error" in self.answer else ""

    @property
    def result(self) -> Any:
        """The result. Raises AssertionError, with the error, if it is one."""
        assert self.answer is not None, f"{self.method} was not answered"
        assert "result" in self.answer, f"{self.method}: {self.answer}"
        return self.answer["result"]

    @property
    def ms(self) -> float:
        """From sending to the answer."""
        return 1000 * (self.answered - self.sent)


class Client(Sidecar):
    """One program, whose messages are counted and checked as they come. Threads may share it."""

    def __init__(self, folder: Path, *arguments: str, host: tuple[str, ...] = (), **options: Any) -> None:
        """Start it; its log is written into the folder. `host`: the start of a command that starts the program."""
        self.hosted = bool(host)
        self.wrong: collections.deque[str] = collections.deque(maxlen=KEPT)
        """What breaks JSON-RPC: answers to nobody, second answers, progress after the answer."""
        self.nameless: collections.deque[dict[str, Any]] = collections.deque(maxlen=KEPT)
        """Answers with the id null."""
        self.infos: collections.deque[dict[str, Any]] = collections.deque(maxlen=KEPT)
        self.ended = threading.Event()
        """Set at the end of stdout."""
        self.open: dict[Key, Ask] = {}
        self._guard = threading.Lock()
        self._write_lock = threading.Lock()
        self._count = 0
        super().__init__([*host, *PROGRAM, *arguments], stderr=folder / "stderr.txt", **options)

    # ---- sending ---------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Write whole lines."""
        with self._write_lock:
            super().write(data)

    def expect(self, request_id: Any, method: str) -> Ask:
        """Enter a request that the caller writes itself."""
        ask = Ask(request_id, method)
        with self._guard:
            self.open[key_of(request_id)] = ask
        return ask

    def ask(self, method: str, params: Any = None) -> Ask:
        """Send a request. One that cannot be sent is one that is not answered."""
        with self._guard:
            self._count += 1
            request_id = f"ask-{self._count}"
        ask = self.expect(request_id, method)
        try:
            self.send(method, params, request_id)
        except (OSError, ValueError):  # the program, or our end of its stdin, is gone
            self._lose(ask)
        if self.ended.is_set():
            self._lose(ask)
        return ask

    def get(self, method: str, params: Any = None, timeout_s: float = PATIENCE_S) -> Any:
        """Send a request and wait for its result. Raises AssertionError."""
        return self.wait(self.ask(method, params), timeout_s).result

    def wait(self, ask: Ask, timeout_s: float = PATIENCE_S) -> Ask:
        """Wait for an answer, or the program's end. Raises AssertionError after the timeout."""
        assert ask.done.wait(timeout_s), f"{ask.method} ({ask.id}) has no answer after {timeout_s:.0f} s"
        return ask

    def await_end(self, family: list[psutil.Process], begin: float) -> tuple[float, str]:
        """Wait for the end of all processes since `begin` (perf_counter): seconds, and what is wrong ("": nothing).

        `family`: the processes that there were. What the machine needs to end any child is allowed on top.
        """
        until = begin + STILL_S
        while (left := [each for each in family if alive(each)]) and time.perf_counter() < until:
            time.sleep(0.005)
        taken_s = time.perf_counter() - begin
        if left := left or self.survivors():  # one more may have been on its way
            return taken_s, f"processes were left after {taken_s:.1f} s: {left}"
        if taken_s > GONE_S and taken_s > GONE_S + STARVED * bare_end_s():
            return taken_s, f"the processes have ended after {taken_s:.1f} s"
        if not self.ended.wait(STILL_S):
            return taken_s, "the pipe is open though all processes are gone"
        return taken_s, ""

    def _lose(self, ask: Ask) -> None:
        with self._guard:
            self.open.pop(key_of(ask.id), None)
        ask.done.set()

    # ---- receiving -------------------------------------------------------------------------------

    def _read(self) -> None:
        rest = bytearray()
        while self._may_read.wait() and (chunk := os.read(self._out.fileno(), 65536)):
            rest += chunk
            if b"\n" not in chunk:
                continue
            at = time.perf_counter()
            *lines, rest = rest.split(b"\n")
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:
                    self.wrong.append(f"a line that is not JSON: {bytes(line[:200])!r}")
                    continue
                for each in message if isinstance(message, list) else [message]:
                    self.on_message(each, at)
        self.cut = bytes(rest)
        if self.cut:
            self.wrong.append(f"the last line is cut: {self.cut[:200]!r}")
        self.ended.set()
        with self._guard:
            lost = list(self.open.values())
        for ask in lost:
            self._lose(ask)

    def on_message(self, message: dict[str, Any], at: float) -> None:
        """Take one message; on the reader's thread."""
        method = message.get("method")
        if method == "progress":
            request_id = message["params"]["requestId"]
            ask = self.open.get(key_of(request_id))
            if ask is None:
                self.wrong.append(f"progress of a request that is not open: {str(message)[:300]}")
            else:
                ask.begun.set()
        elif method is not None:
            self.infos.append(message)
        elif message["id"] is None:
            self.nameless.append(message)
        else:
            with self._guard:
                ask = self.open.pop(key_of(message["id"]), None)
            if ask is None:
                self.wrong.append(f"an answer that nobody waits for: {str(message)[:300]}")
            else:
                ask.answer, ask.answered = message, at
                ask.done.set()


def bare_end_s() -> float:
    """How long the machine takes to end a child whose stdin ends."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    time.sleep(0.5)
    begin = time.perf_counter()
    assert child.stdin is not None
    child.stdin.close()
    child.wait()
    return time.perf_counter() - begin
