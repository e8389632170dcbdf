"""Decides which files `model` names: their URLs, sizes and checksums, and their places on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import httpx2

from sidecar.message_handler.errors import SidecarError
from sidecar.models.download.wanted import Fetched, Wanted
from sidecar.models.gguf.reader import MAGIC
from sidecar.models.gguf.splits import quantization_of
from sidecar.models.http.address import Address, retry_after
from sidecar.models.http.url import without_secrets
from sidecar.models.hub import choice as choices
from sidecar.models.hub import reference as sources
from sidecar.models.hub.choice import Choice, RemoteFile
from sidecar.models.hub.client import DOWNLOAD_TIMEOUT_S, TIMEOUT_S, Hub
from sidecar.models.hub.reference import HubSource, UrlSource
from sidecar.models.store.store import (
    DEFAULT_REVISION,
    Record,
    Store,
    hub_name,
    read_record,
    url_name,
)

if TYPE_CHECKING:
    from sidecar.message_handler._types import DownloadModelParams, ModelSource

OVERHEAD: Final = 1.1
OVERHEAD_BYTES: Final = 256 * 1024 * 1024
"""Estimated memory in addition to the weights, to choose a quantisation: a factor of the weights, and a constant."""


@dataclass(slots=True)
class Plan:
    """The files to fetch: the parts of the model in order, then the projector."""

    wanted: list[Wanted]
    quantization: str | None
    has_projector: bool


def make(hub: Hub, params: DownloadModelParams, budget_bytes: int, *, projector_needed: bool = True) -> Plan:
    """Ask the server. `budget_bytes`: memory that the model may use. Raises SidecarError; `offline` without server.

    `projector_needed`: whether it is an error that there is none.
    """
    source = sources.parse(params["model"], hub.hosts)
    if isinstance(source, UrlSource):
        wanted = _of_url(hub, source, params.get("sha256"))
        return Plan([wanted], quantization_of(wanted.relative), False)
    revision = source.revision or params.get("revision") or DEFAULT_REVISION
    listing = hub.list_files(source, revision)
    wants_projector, room = params.get("projector", False), _room(budget_bytes)
    choice = choices.choose(source, listing.files, wants_projector, room, needed=projector_needed)
    projectors = [choice.projector] if choice.projector else []
    wanted_files = []
    for file in [*choice.parts, *projectors]:
        address = hub.address(listing, file)
        described: ModelSource = {
            "url": address.url,
            "repository": source.repository,
            "revision": listing.commit,
            "file": file.path,
        }
        relative = hub_name(source.repository, revision, file.path)
        sha256 = params["sha256"].lower() if "sha256" in params and len(choice.parts) == 1 else file.sha256
        etag = None if sha256 else listing.commit  # the file of a commit never changes
        wanted_files.append(Wanted(relative, described, file.size, sha256, etag, address))
    return Plan(wanted_files, choice.quantization, bool(projectors))


def _room(budget_bytes: int) -> int:
    return max(0, int((budget_bytes - OVERHEAD_BYTES) / OVERHEAD))


def _of_url(hub: Hub, source: UrlSource, sha256: str | None) -> Wanted:
    relative = url_name(source.url)
    hub.check_online()
    status, headers, final_url = hub.with_retries(
        lambda: _probe(hub.client, source.url), partial(_refused, source.url)
    )
    total = (
        headers.get("Content-Range", "").rpartition("/")[2]
        if status == 206
        else headers.get("Content-Length", "")
    )
    size = int(total) if total.isdecimal() else None
    etag = headers.get("ETag") or headers.get("Last-Modified")
    address = Address(
        source.url,
        {},
        DOWNLOAD_TIMEOUT_S,
        size,
        headers.get("ETag"),
        final_url,
        lambda answer: _refusal(source.url, answer.status_code),
    )
    described: ModelSource = {
        "url": without_secrets(source.url),
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
    with client.stream("GET", url, headers=headers, timeout=TIMEOUT_S) as answer:
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


# ---- without a server ----------------------------------------------------------------------------


def offline(
    hub_hosts: tuple[str, ...],
    store: Store,
    params: DownloadModelParams,
    budget_bytes: int,
) -> dict[str, object] | None:
    """The result of `downloadModel` from the files in the store; None if one is missing."""
    source = sources.parse(params["model"], hub_hosts)
    if isinstance(source, UrlSource):
        place = store.place(url_name(source.url))
        record = place.record()
        return result([Fetched(place.path, record, 0, True)], None, False) if record else None
    revision = source.revision or params.get("revision") or DEFAULT_REVISION
    here: dict[str, tuple[str, Record]] = {}
    for place, record_path in store.state_files(".json"):
        record = read_record(record_path)
        if record is None or place.record() is None or record.source["repository"] != source.repository:
            continue
        file = record.source["file"] or ""
        if (
            place.relative == hub_name(source.repository, revision, file)
            or record.source["revision"] == revision
        ):
            here[file] = (place.path, record)
    files = [RemoteFile(file, record.size, record.sha256) for file, (_, record) in here.items()]
    try:
        choice = _chosen_of(source, files, params.get("projector", False), _room(budget_bytes))
    except SidecarError:
        return None
    projectors = [choice.projector] if choice.projector else []
    found = [Fetched(*here[file.path], 0, True) for file in [*choice.parts, *projectors]]
    return result(found, choice.quantization, bool(projectors))


def _chosen_of(source: HubSource, files: list[RemoteFile], projector: bool, room: int) -> Choice:
    try:
        return choices.choose(source, files, projector, room, complete=False)
    except SidecarError as error:
        if error.kind != "outOfMemory":
            raise
        return choices.choose(source, files, projector, None, complete=False)


def result(found: list[Fetched], quantization: str | None, has_projector: bool) -> dict[str, object]:
    """A DownloadModelResult for these files."""
    files = [
        {
            "path": file.path,
            "sizeBytes": file.record.size,
            "sha256": file.record.sha256,
            "verified": file.record.verified,
            "resumedBytes": file.resumed_bytes,
            "fromCache": file.from_cache,
        }
        for file in found
    ]
    first = found[0].record
    return {
        "path": found[0].path,
        "files": files,
        "projectorPath": found[-1].path if has_projector else None,
        "sizeBytes": sum(file.record.size for file in found),
        "sha256": first.sha256,
        "source": first.source,
        "quantization": quantization or quantization_of(found[0].path),
        "resumedBytes": sum(file.resumed_bytes for file in found),
        "fromCache": all(file.from_cache for file in found),
    }
