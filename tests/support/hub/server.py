"""An origin: HTTP/1.1 with kept connections, a record of its requests, and the faults that a test sets."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hub.content import Content
from hub.faults import Fault, Faults
from hub.records import Records, Request

PIECE = 64 << 10
"""Bytes that are read from a content and sent at a time."""

SLICES_PER_SECOND = 50
"""How finely a slowed-down body is cut."""

AUTHORITY = Path(__file__).with_name("authority.pem")
"""The test authority: a client that trusts this file trusts the origins that speak TLS. Its private key was deleted."""

IDENTITY = Path(__file__).with_name("server.pem")
"""Certificate and key of these origins, for 127.0.0.1 only and until 2120. The key is public."""


class Origin(ThreadingHTTPServer):
    """A server on a loopback port of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        handler: type[Exchange],
        records: Records,
        faults: Faults,
        send_buffer: int | None,
        tls: bool = False,
    ) -> None:
        """`send_buffer`: SO_SNDBUF of its connections (Linux doubles it); None: the system's own."""
        self.records = records
        self.faults = faults
        self.closing = threading.Event()
        self.connections = 0
        """How many were accepted."""
        self._send_buffer = send_buffer
        self._tls: ssl.SSLContext | None = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(IDENTITY)
        self._open: set[socket.socket] = set()
        self._to_reset: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        connection, address = super().get_request()
        self.connections += 1
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._send_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        if self._tls is not None:
            # The connection's own thread does the handshake, when it reads. Here all other connections would wait.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._open_lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self._open_lock:
            self._open.discard(request)
        if request in self._to_reset:
            self._to_reset.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def reset(self, connection: socket.socket) -> None:
        """Reset the connection when it is closed, so that bytes on their way are lost."""
        # Closed without time to linger, and without a shutdown before. Windows has shorts there.
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._to_reset.add(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: these tests disconnect clients on purpose."""

    def close(self) -> None:
        """End everything that runs."""
        self.closing.set()
        self.shutdown()
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self._thread.join()


class Exchange(BaseHTTPRequestHandler):
    """One connection; `answer` is called per request. `request_` and `faults_` are those of the current request."""

    protocol_version = "HTTP/1.1"
    server: Origin
    origin = ""
    timeout = 60.0

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing."""

    def do_GET(self) -> None:
        """Record the request, apply the faults, and answer."""
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.query = {name: values[-1] for name, values in parse_qs(url.query, True).items()}
        self.body = self.rfile.read(int(headers.get("content-length", 0)))
        self.request_ = Request(
            self.origin, self.command, self.path, self.target(url.path), headers, time.monotonic()
        )
        self.server.records.add(self.request_)
        self.faults_ = self.server.faults.of_answer(self.request_)
        try:
            self.wait(sum(fault.latency_s for fault in self.faults_))
            status = next((fault for fault in self.faults_ if fault.status is not None), None)
            if status is not None:
                self._refuse(status)
            else:
                self.answer(url.path)
        except OSError:
            self.close_connection = True
        finally:
            self.request_.ended = time.monotonic()

    do_HEAD = do_POST = do_GET  # noqa: N815

    def target(self, path: str) -> str:
        """What a request is about; see Request.target."""
        return path

    def answer(self, path: str) -> None:
        """Answer the current request."""
        raise NotImplementedError

    # ---- answers ---------------------------------------------------------------------------------

    def start(self, status: int, headers: dict[str, Any], length: int | None) -> None:
        """Send status line and headers."""
        self.request_.status = status
        self.request_.promised = length or 0
        self.send_response(status)
        end = {"Connection": "close"} if length is None else {"Content-Length": length}
        for name, value in {**headers, **end}.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()

    def send(self, status: int, data: bytes, headers: dict[str, Any]) -> None:
        """Send a small answer, whole."""
        self.start(status, headers, len(data))
        if self.command != "HEAD":
            self.wfile.write(data)
            self.request_.sent = len(data)

    def send_json(self, value: Any, status: int = 200, headers: dict[str, Any] | None = None) -> None:
        """Send a JSON value."""
        kind = {"Content-Type": "application/json; charset=utf-8"}
        self.send(status, json.dumps(value).encode(), {**kind, **(headers or {})})

    def _refuse(self, fault: Fault) -> None:
        headers = {
            "Retry-After": fault.retry_after,
            "RateLimit": None if fault.reset_after is None else f'"api";r=0;t={fault.reset_after}',
        }
        self.send_json({"error": "ordered by a test"}, fault.status or 500, headers)

    # ---- files -----------------------------------------------------------------------------------

    def send_file(
        self,
        content: Content,
        etag: str | None,
        headers: dict[str, Any],
        ranges: bool = True,
        length: bool = True,
    ) -> None:
        """Answer with a file, or with the range of it that was asked for.

        Without `length` the end of the connection is the end of the file.
        """
        etag = next((fault.etag for fault in self.faults_ if fault.etag is not None), etag)
        headers = {"ETag": etag, "Content-Type": "application/octet-stream", **headers}
        wanted: tuple[int, int] | None = None
        if ranges:
            headers["Accept-Ranges"] = "bytes"
            if not any(fault.forget_ranges for fault in self.faults_):
                wanted = self._range(content.size, etag)
        if wanted is None:
            first, count, status = 0, content.size, 200
        elif wanted[0] >= wanted[1]:
            self.send(416, b"", {**headers, "Content-Range": f"bytes */{content.size}"})
            return
        else:
            first, count, status = wanted[0], wanted[1] - wanted[0], 206
            total = content.size + sum(fault.total_off_by for fault in self.faults_)
            start = first + sum(fault.start_off_by for fault in self.faults_)
            headers["Content-Range"] = f"bytes {start}-{start + count - 1}/{total}"
            count = min(count + sum(fault.longer_by for fault in self.faults_), content.size - first)
        off_by = sum(fault.length_off_by for fault in self.faults_)
        self.start(status, headers, count + off_by if length else None)
        self.request_.first = first
        self.request_.promised = count
        if self.command != "HEAD":
            self._send_body(content, first, count, self.server.faults.of_body(self.request_, first, count))
            if off_by:
                self.close_connection = True

    def _range(self, size: int, etag: str | None) -> tuple[int, int] | None:
        """The range that is asked for, as its first byte and the one after its last; None: all."""
        header = self.headers.get("Range", "")
        condition = self.headers.get("If-Range")
        if condition is not None and (condition != etag or condition.startswith("W/")):
            return None
        unit, _, spec = header.partition("=")
        start, dash, end = spec.partition("-")
        numbers = all(part.strip().isdecimal() or not part.strip() for part in (start, end))
        if unit.strip() != "bytes" or not dash or not numbers or not (start.strip() or end.strip()):
            return None  # several ranges, too: a server may answer with all
        if not start.strip():
            return max(0, size - int(end)), size
        return int(start), min(size, int(end) + 1) if end.strip() else size

    def _send_body(self, content: Content, first: int, count: int, faults: list[Fault]) -> None:
        ends = [
            (after, end)
            for fault in faults
            for after, end in (
                (fault.drop_after, self._drop),
                (fault.stall_after, self._stall),
                (fault.cut_after, self._cut),
            )
            if after is not None
        ]
        stop, end = min(ends, key=lambda pair: pair[0]) if ends else (count, None)
        wrong = {fault.corrupt_at for fault in faults if fault.corrupt_at is not None}
        due = time.monotonic()
        while self.request_.sent < stop:
            speed = min((speed for fault in faults if (speed := fault.speed) is not None), default=None)
            piece = PIECE if speed is None else max(1, min(PIECE, int(speed / SLICES_PER_SECOND)))
            offset = first + self.request_.sent
            data = content.read(offset, min(piece, stop - self.request_.sent))
            self._send_piece(_corrupted(data, offset, wrong))
            for fault in faults:
                fault.sent += len(data)
            due = time.monotonic() if speed is None else due + len(data) / speed
            self.wait(due - time.monotonic())
        if end is not None:
            end()

    def _send_piece(self, data: memoryview) -> None:
        while data:
            if self.server.closing.is_set():
                raise ConnectionAbortedError("the test is over")
            sent = self.connection.send(data)
            self.request_.sent += sent
            data = data[sent:]

    # ---- endings ---------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Pause, at most until the test ends."""
        if seconds > 0 and self.server.closing.wait(seconds):
            raise ConnectionAbortedError("the test is over")

    def _drop(self) -> None:
        self.server.reset(self.connection)
        self._cut()

    def _cut(self) -> None:
        self.close_connection = True

    def _stall(self) -> None:
        """Keep the connection open until the client closes it or the test is over."""
        self.close_connection = True
        while not self.server.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable and not self.connection.recv(4096):
                return


def _corrupted(data: memoryview, offset: int, wrong: set[int]) -> memoryview:
    here = [place - offset for place in wrong if offset <= place < offset + len(data)]
    if not here:
        return data
    changed = bytearray(data)
    for place in here:
        changed[place] ^= 0xFF
    return memoryview(changed)
