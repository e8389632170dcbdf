"""A file of any server, named by its URL."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import httpx2

from sidecar.message_handler.errors import SidecarError
from sidecar.models.download.wanted import Wanted
from sidecar.models.gguf.reader import MAGIC
from sidecar.models.http.address import Address, retry_after
from sidecar.models.http.url import without_secrets
from sidecar.models.sources.retries import with_retries

if TYPE_CHECKING:
    from sidecar.message_handler._types import ModelSource

MAX_SIZE_DIGITS: Final = 18
"""Of a file's size in bytes. Python makes no number of thousands of digits."""


def wanted(client: httpx2.Client, url: str, relative: str, sha256: str | None, *, silent_s: float) -> Wanted:
    """Ask the server. `relative`: the file's place in the models directory. Raises SidecarError.

    `silent_s`: how long a server that sends the file may be silent. How long it may take to answer, `client` knows.
    """
    status, headers, final_url = with_retries(lambda: _probe(client, url), partial(_refused, url))
    total = (
        headers.get("Content-Range", "").rpartition("/")[2]
        if status == 206
        else headers.get("Content-Length", "")
    )
    size = int(total) if total.isdecimal() and len(total) <= MAX_SIZE_DIGITS else None
    etag = headers.get("ETag") or headers.get("Last-Modified")
    address = Address(
        url,
        {},
        silent_s,
        size,
        headers.get("ETag"),
        final_url,
        lambda answer: _refusal(url, answer.status_code),
    )
    described: ModelSource = {
        "url": without_secrets(url),
        "repository": None,
        "revision": None,
        "file": None,
    }
    return Wanted(relative, described, size, sha256.lower() if sha256 else None, etag, address)


class _WebPage(Exception):
    """The server sends a page for people."""


def _probe(client: httpx2.Client, url: str) -> tuple[int, httpx2.Headers, str]:
    """Status, headers, and the URL after all redirects."""
    headers = {"Accept-Encoding": "identity", "Range": "bytes=0-0"}
    with client.stream("GET", url, headers=headers) as answer:
        answer.raise_for_status()
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            begin = next(answer.iter_bytes(len(MAGIC)), b"")
            if begin[:1] != MAGIC[:1]:
                raise _WebPage
        return answer.status_code, answer.headers, str(answer.url)


def _refused(url: str, error: Exception) -> SidecarError:
    if isinstance(error, _WebPage):
        problem = "/model: the server answered with a web page, not with a file"
        return SidecarError("notGguf", problem, pointer="/model", value=without_secrets(url)[:500])
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol):
        problem = "/model: it is not a valid URL"
        return SidecarError("invalidParams", problem, pointer="/model", value=without_secrets(url)[:500])
    if not isinstance(error, httpx2.HTTPStatusError):
        return SidecarError("downloadFailed", "The request to the server failed", cause=type(error).__name__)
    refusal = _refusal(url, error.response.status_code)
    asked = retry_after(error.response)
    if refusal.kind == "rateLimited" and asked is not None:
        refusal.details["value"] = asked
    return refusal


def _refusal(url: str, status: int) -> SidecarError:
    problem = f"/model: the server answered {status}"
    at = {"pointer": "/model", "value": without_secrets(url)[:500]}
    if status in (404, 410):
        return SidecarError("remoteFileNotFound", problem, **at, allowed=[])
    if status in (401, 403):
        return SidecarError("unauthorized", problem, **at)
    if status == 429:
        return SidecarError("rateLimited", "The server asks for a pause")
    return SidecarError("downloadFailed", problem, cause=f"status {status}")
