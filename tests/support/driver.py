"""Drives the real program through real pipes, as a client would. Every wait has a bound."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import console
import psutil
from liveness import alive, alive_with, command_line

WAIT_S = float(os.environ.get("LLAMA_SIDECAR_TEST_WAIT_S", "60"))
"""How long a test waits for one message. Long, because it only limits failures; longer in an emulator."""

END_S = 3.0 if sys.platform != "win32" else 15.0
LEFT_S = 1.0 if sys.platform != "win32" else 3.0
"""How long a program may take to end after a test, and all its processes after it. In Wine, on a busy machine, the
launcher of the one file needs seconds to remove its folder."""

TURN_S = 0.01
"""A sleep. Where others keep the processors busy, so many turns take longer, and the program gets its time, too."""

MARK = "LLAMA_SIDECAR_TEST"
"""Environment variable by which all processes of one program can be found."""

Message = dict[str, Any]


class Refused(Exception):
    """An error response; `error` is its error object."""

    def __init__(self, error: Message) -> None:
        super().__init__(f"{error['code']} {error['message']}")
        self.error = error
        self.code: int = error["code"]
        self.data: Message = error.get("data", {})
        self.kind: str = self.data.get("kind", "")


class Sidecar:
    """One program. `messages` holds all that it has written so far, in order, parsed."""

    def __init__(
        self,
        command: list[str],
        *,
        stderr: Path | None,
        read: bool = True,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        new_session: bool = False,
    ) -> None:
        """Start it. `stderr` None: a pipe that is never read. `new_session`: on Windows a console of its own."""
        self.stderr = stderr
        self._stderr_file = stderr.open("wb") if stderr is not None else subprocess.PIPE
        self._mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr_file,
            bufsize=0,
            env={**(env if env is not None else environment()), MARK: self._mark},
            cwd=cwd,
            start_new_session=new_session,
            creationflags=console.OWN if new_session else 0,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._in = self.process.stdin
        self._out = self.process.stdout
        self._inbox: queue.SimpleQueue[Message | list[Message] | None] = queue.SimpleQueue()
        self.messages: list[Any] = []
        self._next_id = 0
        self._received = bytearray()
        self.cut = b""
        """The end of stdout after its last whole line."""
        self._may_read = threading.Event()
        self._reader: threading.Thread | None = None
        if read:
            self.start_reading()

    # ---- sending ---------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Write raw bytes."""
        view = memoryview(data)
        while view:
            view = view[self._in.write(view) :]

    def send_line(self, line: str) -> None:
        """Write one line."""
        self.write(line.encode() + b"\n")

    def send(self, method: str, params: Any = None, request_id: Any = None) -> Any:
        """Send a request; returns its id."""
        if request_id is None:
            self._next_id += 1
            request_id = self._next_id
        message = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            message["params"] = params
        self.send_line(json.dumps(message))
        return request_id

    def notify(self, method: str, params: Any = None) -> None:
        """Send a notification."""
        message = {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}
        self.send_line(json.dumps(message))

    def write_until_full(self, data: bytes, limit: int, patience_s: float = 2.0) -> int:
        """Write again and again until the program takes no more for a while; returns how much it took."""
        written = 0

        def write_on() -> None:
            nonlocal written
            while written < limit:
                try:
                    written += self._in.write(data) or 0
                except (OSError, ValueError):
                    return

        threading.Thread(target=write_on, daemon=True).start()
        before = -1
        while before != written and written < limit:
            before = written
            time.sleep(patience_s)
        return written

    def close_stdin(self) -> None:
        """End the program's input."""
        self._in.close()

    def close_stdout(self) -> None:
        """Close stdout's reading end, as a client that is gone."""
        with open(os.devnull, "rb") as empty:  # noqa: PTH123
            os.dup2(empty.fileno(), self._out.fileno())  # the reader may be in it: do not close it

    # ---- receiving -------------------------------------------------------------------------------

    @property
    def raw(self) -> bytes:
        """Every byte of stdout that was read."""
        return bytes(self._received)

    def start_reading(self) -> None:
        """Read stdout on a thread from now on."""
        self._may_read.set()
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()

    def stop_reading(self) -> None:
        """Stop reading until `start_reading`, after one last chunk."""
        self._may_read.clear()

    def _read(self) -> None:
        rest = bytearray()  # added to in place: a line may have many megabytes
        while self._may_read.wait() and (chunk := os.read(self._out.fileno(), 65536)):
            self._received += chunk
            rest += chunk
            *lines, rest = rest.split(b"\n") if b"\n" in chunk else [rest]
            for line in lines:
                self._inbox.put(json.loads(line))
        self.cut = bytes(rest)
        self._inbox.put(None)

    def receive(self, timeout_s: float = WAIT_S) -> Any:
        """The next message. Raises TimeoutError, or EOFError if the program's output has ended."""
        try:
            message = self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError(f"no message within {timeout_s} s; log: {self.log()}") from None
        if message is None:
            self._inbox.put(None)
            raise EOFError(f"the program ended; log: {self.log()}")
        self.messages.append(message)
        return message

    def wait_for(self, wanted: Callable[[Any], bool], timeout_s: float = WAIT_S) -> Any:
        """The next message that is wanted; those before it are kept in `messages`."""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self.receive(max(0.0, deadline - time.monotonic()))
            if wanted(message):
                return message

    def response(self, request_id: Any, timeout_s: float = WAIT_S) -> Message:
        """The response to a request, whether it has come before or is still to come."""

        def is_it(message: Any) -> bool:
            return isinstance(message, dict) and "method" not in message and same_id(message, request_id)

        for message in self.messages:
            if is_it(message):
                return message  # type: ignore[no-any-return]
        return self.wait_for(is_it, timeout_s)  # type: ignore[no-any-return]

    def result(self, request_id: Any, timeout_s: float = WAIT_S) -> Any:
        """The result of a request. Raises Refused."""
        message = self.response(request_id, timeout_s)
        if "error" in message:
            raise Refused(message["error"])
        return message["result"]

    def call(self, method: str, params: Any = None, timeout_s: float = WAIT_S) -> Any:
        """Send a request and wait for its result. Raises Refused."""
        return self.result(self.send(method, params), timeout_s)

    def drain(self) -> list[Any]:
        """Receive until the program's output ends; returns all messages."""
        try:
            while True:
                self.receive()
        except EOFError:
            assert not self.cut, "the last line is not whole"
            return self.messages

    def responses(self, request_id: Any) -> list[Message]:
        """All responses to a request, of what was received so far; there must not be more than one."""
        return [
            m for m in self.messages if isinstance(m, dict) and "method" not in m and same_id(m, request_id)
        ]

    def has_response(self, request_id: Any) -> bool:
        """Whether a response was received already."""
        return bool(self.responses(request_id))

    def wait_progress(self, request_id: Any, progress_type: str, timeout_s: float = WAIT_S) -> Message:
        """The next progress of this type of a request."""
        return self.wait_for(lambda m: _is_progress(m, request_id, progress_type), timeout_s)

    def progress(self, request_id: Any, progress_type: str) -> list[Message]:
        """The params of all progress of one type of a request, of what was received so far."""
        return [m["params"] for m in self.messages if _is_progress(m, request_id, progress_type)]

    def streamed(self, request_id: Any) -> str:
        """All deltas of a request joined."""
        return "".join(p["delta"] for p in self.progress(request_id, "generate"))

    def log(self) -> str:
        """What the program wrote on stderr."""
        if self.stderr is None:
            return ""
        return self.stderr.read_text(encoding="utf-8", errors="replace")

    # ---- processes -------------------------------------------------------------------------------

    def workers(self) -> list[psutil.Process]:
        """The program's living workers."""
        return [process for process in self.family() if "--role" in process.info["cmdline"]]

    def router(self) -> psutil.Process:
        """The process that serves: what was spawned, or of the one-file program its child."""
        workers = {self.process.pid, *(process.pid for process in self.workers())}
        children = (process for process in self.family() if process.pid not in workers)
        return next(children, psutil.Process(self.process.pid))

    def engines(self) -> dict[str, int]:
        """modelId → pid of the engine that holds it."""
        processes = self.call("status")["processes"]
        return {p["modelId"]: p["pid"] for p in processes if "modelId" in p}

    def wait_exit(self, timeout_s: float) -> int:
        """Wait for the program's end; returns its status."""
        return self.process.wait(timeout_s)

    def family(self) -> list[psutil.Process]:
        """The living processes of this program, whatever their parent is now; `info` has the command line."""
        found = [process for process in psutil.process_iter() if alive_with(process, MARK, self._mark)]
        for process in found:
            process.info = {"cmdline": command_line(process)}
        return found

    def survivors(self, timeout_s: float = LEFT_S) -> list[psutil.Process]:
        """The processes of this program that are still there after a while; returns as soon as none is."""
        left, turns = self.family(), round(timeout_s / TURN_S)
        while left and turns > 0:
            time.sleep(TURN_S)
            turns -= 1
            left = [process for process in left if alive(process)] or self.family()
        return left

    def end(self) -> list[psutil.Process]:
        """End the program, whatever state it is in. Returns what it left behind, which was killed."""
        if not self._in.closed:
            self._in.close()
        self._may_read.set()
        for _ in range(round(END_S / TURN_S)):
            if self.process.poll() is not None:
                break
            time.sleep(TURN_S)
        self.process.kill()  # does nothing if it has ended
        self.process.wait()
        left = self.survivors()
        for process in left:
            process.kill()
        if self._reader is not None:
            self._reader.join()
        self._out.close()
        for file in (self._stderr_file, self.process.stderr):
            if file is not None and not isinstance(file, int):
                file.close()
        return left


def _is_progress(message: Any, request_id: Any, progress_type: str) -> bool:
    if not isinstance(message, dict) or message.get("method") != "progress":
        return False
    params = message["params"]
    return bool(params["requestId"] == request_id and params["progressType"] == progress_type)


def same_id(message: Message, request_id: Any) -> bool:
    """Whether a message has this id; true is not 1, and "1" is not 1."""
    return "id" in message and message["id"] == request_id and type(message["id"]) is type(request_id)


def environment(**more: str) -> dict[str, str]:
    """This process's environment, without what would make every start compile every module."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **more}
