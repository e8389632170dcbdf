"""The URL of a file, and single requests for its bytes.

The hub redirects to another server with a link that expires. The link is kept for the next requests; when the
server refuses it, the hub is asked for a new one. The user's token is sent to the hub only.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx2

from sidecar.message_handler.errors import SidecarError
from sidecar.models.http.url import Range, is_loopback, origin

MAX_REDIRECTS: Final = 10
REFUSED: Final = frozenset({401, 403, 404, 410})
"""Status codes of a link that has expired."""

MAX_ASKED_PAUSE_S: Final = 120.0
"""The longest pause that a server may ask for (Retry-After)."""

TRY_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


_RATE_LIMIT: Final = re.compile(r";\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d+)")
"""The header RateLimit with no request left (r=0) for t seconds."""


class Retry(Exception):
    """This request failed; another try may succeed. `after_s`: the pause that the server asks for, in seconds.

    `too_many`: the server limits the number of requests.
    """

    def __init__(self, cause: str, after_s: float | None = None, too_many: bool = False) -> None:
        super().__init__(cause)
        self.after_s = after_s
        self.too_many = too_many


class NoRanges(Exception):
    """The server ignores ranges and sends the whole file."""


class Changed(Exception):
    """The file on the server has changed since the download began."""


def refuse_downgrade(answer: httpx2.Response) -> None:
    """Raise SidecarError `downloadFailed` if an https server redirects to what others can read or change on the way.

    For the `event_hooks` of a client that follows redirects.
    """
    if answer.has_redirect_location and answer.url.scheme == "https":
        _safe(urljoin(str(answer.url), answer.headers["Location"]))


def _safe(target: str) -> str:
    """The target of a redirect. Raises SidecarError `downloadFailed` unless it is https, or on this machine."""
    parts = urlsplit(target)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        cause = f"a redirect to {parts.scheme}"
        raise SidecarError("downloadFailed", "The server redirects to an unsafe URL", cause=cause)
    return target


class Address:
    """Thread-safe. `headers` are sent to the first server only; `explain` returns the error for its refusal.

    `timeout_s`: how long a server may be silent. `etag` comes from the server of the URL `etag_from`; other servers
    may use other ones for the same file.
    """

    def __init__(
        self,
        url: str,
        headers: dict[str, str],
        timeout_s: float,
        size: int | None,
        etag: str | None,
        etag_from: str,
        explain: Callable[[httpx2.Response], SidecarError],
    ) -> None:
        self.url = url
        self._headers = headers
        self._timeout = httpx2.Timeout(timeout_s, pool=None)
        self._size = size
        self._etag = etag
        self._etag_from = origin(etag_from)
        self._explain = explain
        self._lock = threading.Lock()
        self._location: str | None = None
        """The target of the last redirect to another server."""

    @contextmanager
    def open(self, client: httpx2.Client, wanted: Range | None) -> Iterator[httpx2.Response]:
        """Request a range, or the whole file. Yields an answer with checked headers, whose body is not read yet.

        Raises Retry, NoRanges, Changed, httpx2.TransportError, SidecarError.
        """
        headers = {"Accept-Encoding": "identity"}
        if wanted is not None:
            headers["Range"] = f"bytes={wanted[0]}-{wanted[1] - 1}"
        with self._lock:
            location = self._location
        with self._follow(client, location, headers) as answer:
            self._check(answer, wanted)
            yield answer

    @contextmanager
    def _follow(
        self, client: httpx2.Client, location: str | None, headers: dict[str, str]
    ) -> Iterator[httpx2.Response]:
        url = location or self.url
        for _ in range(MAX_REDIRECTS):
            at_first = origin(url) == origin(self.url)
            sent = {**self._headers, **headers} if at_first else headers
            with client.stream(
                "GET", url, headers=sent, timeout=self._timeout, follow_redirects=False
            ) as answer:
                if not answer.has_redirect_location:
                    self._raise_for_status(answer, url)
                    yield answer
                    return
                url = self._next(url, answer.headers["Location"])
        raise SidecarError("downloadFailed", "The server redirects too often", cause="too many redirects")

    def _next(self, url: str, location: str) -> str:
        target = _safe(urljoin(url, location))
        if origin(target) != origin(self.url):
            with self._lock:
                self._location = target
        return target

    def _raise_for_status(self, answer: httpx2.Response, url: str) -> None:
        status = answer.status_code
        if status in (200, 206):
            return
        if status == 416:
            raise Changed
        if status in TRY_LATER:
            raise Retry(f"the server answered {status}", retry_after(answer), status in (429, 503))
        if status in REFUSED and origin(url) != origin(self.url):
            with self._lock:
                if self._location == url:
                    self._location = None
            raise Retry(f"the link was refused ({status})")
        raise self._explain(answer)

    def _check(self, answer: httpx2.Response, wanted: Range | None) -> None:
        """Compare the headers with the request and with what is known of the file."""
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise SidecarError("downloadFailed", "The server encodes the file", cause="Content-Encoding")
        etag = answer.headers.get("ETag")
        if self._etag and etag and etag != self._etag and origin(str(answer.url)) == self._etag_from:
            raise Changed
        if wanted is None:
            if answer.status_code != 200:
                raise Retry("the server sent a part instead of the whole file")
            length = answer.headers.get("Content-Length")
            if self._size is not None and length is not None and length != str(self._size):
                raise Retry(f"the server announced {length} bytes instead of {self._size}")
            return
        if answer.status_code == 200:
            raise NoRanges
        start, end = wanted
        header = answer.headers.get("Content-Range", "")
        if header not in (f"bytes {start}-{end - 1}/{self._size}", f"bytes {start}-{end - 1}/*"):
            raise Retry(f"the server answered with {header or 'no Content-Range'!r:.100}")


def retry_after(answer: httpx2.Response) -> float | None:
    """The pause that an answer asks for, in seconds: by Retry-After (seconds or a date), or the hub's RateLimit."""
    from datetime import datetime, timezone

    limit = _RATE_LIMIT.search(answer.headers.get("RateLimit", ""))
    if limit and answer.status_code == 429:
        return float(limit[1])
    header = answer.headers.get("Retry-After", "").strip()
    try:
        if header.isdecimal():
            return float(header)
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return None


def unreachable(error: Exception) -> SidecarError:
    """The error `offline` for a failed connection, with the reason if the server's certificate is not trusted."""
    import ssl

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = cause.verify_message.rstrip(".")
            problem = (
                f"The server's certificate is not trusted: {why} (SSL_CERT_FILE can name other authorities)"
            )
            return SidecarError("offline", problem, cause="certificate")
        cause = cause.__cause__ or cause.__context__
    return SidecarError("offline", "The server cannot be reached", cause=type(error).__name__)
