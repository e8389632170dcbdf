"""llama-server and a client as small as possible: one thread, sockets, server-sent events line by line.

It is as small as pipe.py, so that the programs are compared and not their clients.
"""

from __future__ import annotations

import http.client
import json
import selectors
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

START_S = 60.0
ANSWER_S = 300.0
"""From one question to the end of its answer, at most."""
END_S = 10.0
RECEIVED_BYTES = 65536


class Stream:
    """One answer that comes in pieces. Times are of time.perf_counter, in seconds."""

    def __init__(self, connection: socket.socket) -> None:
        self.began = time.perf_counter()
        self.arrivals: list[float] = []
        """When each piece of text arrived."""
        self.text = ""
        self.tokens = 0
        self.done = False
        self.connection = connection
        self._left = b""

    def receive(self) -> None:
        """Read what has arrived."""
        data = self.connection.recv(RECEIVED_BYTES)
        at = time.perf_counter()
        self.done = not data
        *lines, self._left = (self._left + data).split(b"\n")
        for line in lines:
            if line.startswith(b"HTTP/1.1 ") and b" 200 " not in line:
                raise RuntimeError(f"llama-server: {line.decode()}")
            if line.startswith(b"data: {"):
                self._note(json.loads(line[6:]), at)

    def _note(self, event: dict[str, Any], at: float) -> None:
        if "choices" in event:  # OpenAI's form, without the count
            choices = event["choices"]
            text = choices[0]["delta"].get("content") if choices else None
        else:
            text = event["content"]
            self.tokens = event.get("tokens_predicted", self.tokens)
        if text:
            self.text += text
            self.arrivals.append(at)


class LlamaServer:
    """A running llama-server on loopback, with this model and these options."""

    def __init__(self, program: Path, model: str, threads: int, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        command = [str(program), "-m", model, "-t", str(threads), "--port", str(self._port), "--offline"]
        command += ["--no-webui", *options]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        self._selector = selectors.DefaultSelector()
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.log[-500:]
                self.close()
                raise RuntimeError(f"llama-server did not start: {said}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            return self._request("GET", "/health", None).status == 200
        except OSError:
            return False

    @property
    def log(self) -> str:
        """What it has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def __enter__(self) -> LlamaServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._selector.close()
        self._log.close()

    def _request(self, method: str, path: str, body: Any) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return connection.getresponse()

    def call(self, path: str, body: Any) -> Any:
        """Ask for an answer in one piece."""
        try:
            with self._request("POST", path, body) as response:
                data = response.read()
        except TimeoutError:
            raise _silent() from None
        if response.status != 200:
            raise RuntimeError(f"llama-server: {data.decode(errors='replace')[:500]}")
        return json.loads(data)

    def begin(self, path: str, body: dict[str, Any]) -> Stream:
        """Ask for an answer in pieces; `follow` reads them."""
        data = json.dumps({**body, "stream": True}).encode()
        connection = socket.create_connection(("127.0.0.1", self._port), ANSWER_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        stream = Stream(connection)
        connection.sendall(head.encode() + data)
        connection.settimeout(None)  # `follow` waits before it reads
        self._selector.register(connection, selectors.EVENT_READ, stream)
        return stream

    def follow(self, *streams: Stream, pieces: int | None = None) -> None:
        """Read all streams until these are done, or have this number of pieces. Raises TimeoutError."""
        end = time.monotonic() + ANSWER_S
        while not all(s.done or (pieces is not None and len(s.arrivals) >= pieces) for s in streams):
            ready = self._selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise _silent()
            for key, _ in ready:
                key.data.receive()
                if key.data.done:
                    self.leave(key.data)

    def leave(self, stream: Stream) -> None:
        """Close the connection; the server then stops."""
        stream.done = True
        self._selector.unregister(stream.connection)
        stream.connection.close()


def _silent() -> TimeoutError:
    return TimeoutError(f"llama-server did not answer within {ANSWER_S:g} s")
