"""The hub as a whole: what it holds, who may read it, and what was asked of it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import quote

from hub.api import ApiExchange
from hub.cdn import CdnExchange
from hub.content import Content, content_of
from hub.faults import Fault, Faults
from hub.records import Records, Request
from hub.repository import File, Repository
from hub.server import Origin

SEND_BUFFER = 64 << 10
"""SO_SNDBUF: small, so that bytes counted as sent are nearly those that came. With less than a segment
of the loopback device (64 KiB) each one waits for a delayed acknowledgement: 2 MB/s."""


@dataclass
class Plain:
    """A file for a plain URL."""

    content: Content
    etag: str | None
    ranges: bool
    length: bool


@dataclass
class Link:
    """A signed link of the CDN."""

    target: str
    content: Content
    expires: float
    """time.monotonic()"""
    uses: int | None
    signature: str = field(default_factory=lambda: secrets.token_hex(16))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def use(self) -> bool:
        """Count one use; False if there were too many."""
        with self._lock:
            if self.uses is None:
                return True
            self.uses -= 1
            return self.uses >= 0


class Hub:
    """Two origins on loopback. Use it as a context manager, or call `close`."""

    def __init__(self, *, send_buffer: int | None = SEND_BUFFER, tls: bool = False) -> None:
        self.repositories: dict[str, Repository] = {}
        self.plain: dict[str, Plain] = {}
        self.links: dict[str, Link] = {}
        self.token = "hf_" + secrets.token_hex(17)
        """May read everything."""
        self.stranger = "hf_" + secrets.token_hex(17)
        """A good token, but for no private or gated repository."""
        self.tokens: dict[str, set[str] | None] = {self.token: None, self.stranger: set()}
        """Good tokens → the private and gated repositories that they may read; None: all."""
        self.page_size = 1000
        self.link_lifetime_s = 3600.0
        self.link_uses: int | None = None
        """Requests that a new link is good for; None: any number."""
        self.strange: bytes | None = None
        """What the hub answers to everything, with status 200, instead of what it ought to."""
        self.faults = Faults()
        self.requests = Records()

        api = type("Api", (ApiExchange,), {"hub": self})
        cdn = type("Cdn", (CdnExchange,), {"hub": self})
        self._api = Origin(api, self.requests, self.faults, send_buffer, tls)
        self._cdn = Origin(cdn, self.requests, self.faults, send_buffer, tls)

    @property
    def endpoint(self) -> str:
        """The hub's address, for HF_ENDPOINT."""
        return self._api.url

    @property
    def cdn(self) -> str:
        """The CDN's address."""
        return self._cdn.url

    @property
    def cdn_connections(self) -> int:
        """How many were made to the CDN."""
        return self._cdn.connections

    def close(self) -> None:
        """End everything that runs."""
        self._api.close()
        self._cdn.close()

    def __enter__(self) -> Hub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- what it holds ---------------------------------------------------------------------------

    def add(
        self,
        name: str,
        files: Mapping[str, bytes | Content | None],
        *,
        gated: bool | str | None = None,
        private: bool | None = None,
        revision: str = "main",
    ) -> str:
        """Commit files to a branch of a repository, which is made if need be; returns the commit.

        Files that were there stay; None removes one.
        """
        repository = self.repositories.setdefault(name, Repository(name))
        if gated is not None:
            repository.gated = gated
        if private is not None:
            repository.private = private
        return repository.commit(revision, files)

    def tag(self, name: str, tag: str, commit: str) -> None:
        """Give a commit a name."""
        self.repositories[name].names[tag] = commit

    def put(
        self,
        name: str,
        content: bytes | Content,
        *,
        etag: str | None = "strong",
        ranges: bool = True,
        length: bool = True,
    ) -> str:
        """Serve a plain file; returns its URL. `etag`: "strong", "weak" or None; `length`: say it."""
        held = content_of(content)
        quoted = {"strong": f'"{held.sha256[:16]}"', "weak": f'W/"{held.sha256[:16]}"', None: None}[etag]
        self.plain[name] = Plain(held, quoted, ranges, length)
        return f"{self.cdn}/files/{quote(name)}"

    def may_read(self, token: str | None, name: str) -> bool:
        """Whether a token was granted access to a private or gated repository."""
        if token is None or token not in self.tokens:
            return False
        granted = self.tokens[token]
        return granted is None or name in granted

    def link(self, name: str, file: File) -> str:
        """A new signed link to a file."""
        path = f"/xet-bridge/{secrets.token_hex(12)}/{file.content.sha256}"
        expires = time.monotonic() + self.link_lifetime_s
        link = self.links[path] = Link(f"{name}/{file.path}", file.content, expires, self.link_uses)
        until = int(time.time() + self.link_lifetime_s)
        return f"{self.cdn}{path}?Expires={until}&Signature={link.signature}"

    def expire_links(self) -> None:
        """Let all links that were given out expire now."""
        for link in list(self.links.values()):
            link.expires = 0.0

    # ---- what goes wrong, and what was asked -----------------------------------------------------

    def fault(self, target: str = "*", **members: Any) -> Fault:
        """Order a fault; see Fault for its members."""
        return self.faults.add(Fault(target, **members))

    def bodies(self, target: str) -> list[Request]:
        """The GET requests to the CDN for a file, in the order of their arrival."""
        return [
            request
            for request in self.requests
            if request.origin == "cdn" and request.method == "GET" and request.target == target
        ]

    def sent(self, target: str) -> int:
        """Bytes of a file that were sent, all requests together."""
        return sum(request.sent for request in self.bodies(target) if request.first is not None)

    def settle(self, timeout_s: float = 10.0) -> None:
        """Wait until all that was asked for is answered or its connection is closed.

        What a client has received may not be counted yet. Raises TimeoutError.
        """
        deadline = time.monotonic() + timeout_s
        while any(request.ended is None for request in self.requests):
            if time.monotonic() > deadline:
                raise TimeoutError("requests are still being answered")
            time.sleep(0.002)

    def at_once(self, target: str) -> int:
        """The largest number of requests for a file that were being answered at the same time."""
        changes = []
        for request in self.bodies(target):
            ended = request.ended if request.ended is not None else float("inf")
            changes += [(request.started, 1), (ended, -1)]
        running = most = 0
        for _, change in sorted(changes):
            running += change
            most = max(most, running)
        return most

    def tokens_sent_to(self, origin: str) -> set[str]:
        """The tokens that were sent to an origin."""
        return {r.headers["authorization"] for r in self.requests if r.origin == origin and r.token}
