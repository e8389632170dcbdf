"""A forward proxy for http: requests with absolute addresses, and CONNECT."""

from __future__ import annotations

import http.client
import select
import socket
from urllib.parse import urlsplit

from hub.faults import Faults
from hub.records import Records
from hub.server import PIECE, Exchange, Origin

HOP_BY_HOP = {"connection", "proxy-connection", "keep-alive", "te", "upgrade", "transfer-encoding"}


class Proxy:
    """A proxy on loopback; `url` is for HTTP_PROXY. Use it as a context manager."""

    def __init__(self) -> None:
        self.requests = Records()
        self.faults = Faults()
        self._origin = Origin(_ProxyExchange, self.requests, self.faults, None)
        self.url = self._origin.url

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *error: object) -> None:
        self._origin.close()


class _ProxyExchange(Exchange):
    origin = "proxy"

    def do_CONNECT(self) -> None:  # noqa: N802
        """Join both connections."""
        self.do_GET()

    def answer(self, path: str) -> None:
        """Forward the current request."""
        if self.command == "CONNECT":
            self._tunnel()
            return
        url = urlsplit(self.path)
        headers = {n: v for n, v in self.headers.items() if n.lower() not in HOP_BY_HOP}
        upstream = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=60)
        try:
            where = path + (f"?{url.query}" if url.query else "")
            upstream.request(self.command, where, self.body or None, headers)
            response = upstream.getresponse()
            self.request_.status = response.status
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.end_headers()
            while data := response.read1(PIECE):
                self._send_piece(memoryview(data))
            if self.command == "GET" and response.length:
                self.close_connection = True  # cut short: cut ours, too
        finally:
            upstream.close()

    def _tunnel(self) -> None:
        host, _, port = self.path.rpartition(":")
        self.close_connection = True
        with socket.create_connection((host, int(port)), timeout=60) as upstream:
            self.request_.status = 200
            self.send_response_only(200)
            self.end_headers()
            ends = {self.connection: upstream, upstream: self.connection}
            while not self.server.closing.is_set():
                for readable in select.select(list(ends), [], [], 0.05)[0]:
                    data = readable.recv(PIECE)
                    if not data:
                        return
                    ends[readable].sendall(data)
