"""From `downloadModel`'s params to the files to fetch: what they are, how large, and where they will lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httpx2

from sidecar.message_handler.errors import SidecarError
from sidecar.models.download.download import Wanted
from sidecar.models.http.address import Address, retry_after
from sidecar.models.hub import reference as sources
from sidecar.models.hub.client import DOWNLOAD_TIMEOUT_S, TIMEOUT_S, Hub
from sidecar.models.hub.reference import Choice, HubSource, RemoteFile, UrlSource
from sidecar.models.store.store import DEFAULT_REVISION, Record, Store, hub_name, read_record, url_name

OVERHEAD: Final = 1.1
OVERHEAD_BYTES: Final = 256 * 1024 * 1024
"""What a model takes beside its weights, roughly, when a quantisation is chosen for a machine."""


@dataclass(slots=True)
class Plan:
    """What to fetch, in order: the model's parts, then the projector."""

    wanted: list[Wanted]
    quantization: str | None
    has_projector: bool


def make(hub: Hub, params: dict[str, Any], budget_bytes: int) -> Plan:
    """Ask the server. Raises SidecarError; `offline` if it cannot be reached."""
    source = sources.parse(params["model"], hub.hosts)
    if isinstance(source, UrlSource):
        wanted = _of_url(hub, source, params.get("sha256"))
        return Plan([wanted], sources.quantization_of(wanted.relative), False)
    revision = source.revision or params.get("revision") or DEFAULT_REVISION
    listing = hub.look(source, revision)
    choice = sources.choose(source, listing.files, params.get("projector", False), _room(budget_bytes))
    projectors = [choice.projector] if choice.projector else []
    wanted_files = []
    for file in [*choice.parts, *projectors]:
        address = hub.address(listing, file)
        described = {
            "url": address.url,
            "repository": source.repository,
            "revision": listing.commit,
            "file": file.path,
        }
        relative = hub_name(source.repository, revision, file.path)
        sha256 = params["sha256"].lower() if "sha256" in params and len(choice.parts) == 1 else file.sha256
        etag = None if sha256 else listing.commit  # the commit's own file never changes
        wanted_files.append(Wanted(relative, described, file.size, sha256, etag, address))
    return Plan(wanted_files, choice.quantization, bool(projectors))


def _room(budget_bytes: int) -> int:
    return max(0, int((budget_bytes - OVERHEAD_BYTES) / OVERHEAD))


def _of_url(hub: Hub, source: UrlSource, sha256: str | None) -> Wanted:
    relative = url_name(source.url)
    hub.check_online()
    status, headers, final_url = hub.patiently(lambda: _probe(hub.client, source.url), _refused)
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
        lambda answer: _refusal(answer.status_code),
    )
    described = {
        "url": sources.without_secrets(source.url),
        "repository": None,
        "revision": None,
        "file": None,
    }
    return Wanted(relative, described, size, sha256.lower() if sha256 else None, etag, address)


def _probe(client: httpx2.Client, url: str) -> tuple[int, httpx2.Headers, str]:
    """(status, headers, the address that told them, behind all redirects)"""
    headers = {"Accept-Encoding": "identity", "Range": "bytes=0-0"}
    with client.stream("GET", url, headers=headers, timeout=TIMEOUT_S) as answer:
        answer.raise_for_status()
        return answer.status_code, answer.headers, str(answer.url)


def _refused(error: Exception) -> SidecarError:
    if not isinstance(error, httpx2.HTTPStatusError):
        return SidecarError("downloadFailed", "The server could not be asked", cause=type(error).__name__)
    refusal = _refusal(error.response.status_code)
    asked = retry_after(error.response)
    if refusal.kind == "rateLimited" and asked is not None:
        refusal.details["value"] = asked
    return refusal


def _refusal(status: int) -> SidecarError:
    problem = f"/model: the server answered {status}"
    if status in (404, 410):
        return SidecarError("remoteFileNotFound", problem, pointer="/model")
    if status in (401, 403):
        return SidecarError("unauthorized", problem, pointer="/model")
    if status == 429:
        return SidecarError("rateLimited", "The server asks for a pause")
    return SidecarError("downloadFailed", problem, cause=f"status {status}")


# ---- without a server --------------------------------------------------------------------------------


def offline(
    hub_hosts: tuple[str, ...], store: Store, params: dict[str, Any], budget_bytes: int
) -> dict[str, Any] | None:
    """The result of `downloadModel` from what is in the store; None if not all of it is here."""
    source = sources.parse(params["model"], hub_hosts)
    if isinstance(source, UrlSource):
        place = store.place(url_name(source.url))
        record = place.record()
        return result([(place.path, record, 0, True)], None, False) if record else None
    revision = source.revision or params.get("revision") or DEFAULT_REVISION
    here: dict[str, tuple[str, Record]] = {}
    for place, record_path in store.state_files(".json"):
        record = read_record(record_path)
        if record is None or place.record() is None or record.source["repository"] != source.repository:
            continue
        file = record.source["file"]
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
    found = [(*here[file.path], 0, True) for file in [*choice.parts, *projectors]]
    return result(found, choice.quantization, bool(projectors))


def _chosen_of(source: HubSource, files: list[RemoteFile], projector: bool, room: int) -> Choice:
    try:
        return sources.choose(source, files, projector, room)
    except SidecarError as error:
        if error.kind != "outOfMemory":
            raise
        return sources.choose(source, files, projector, None)


def result(
    found: list[tuple[str, Record, int, bool]], quantization: str | None, has_projector: bool
) -> dict[str, Any]:
    """A DownloadModelResult from (path, record, resumed bytes, from cache) of each file."""
    files = [
        {
            "path": path,
            "sizeBytes": record.size,
            "sha256": record.sha256,
            "verified": record.verified,
            "resumedBytes": resumed,
            "fromCache": from_cache,
        }
        for path, record, resumed, from_cache in found
    ]
    first = found[0][1]
    return {
        "path": found[0][0],
        "files": files,
        "projectorPath": found[-1][0] if has_projector else None,
        "sizeBytes": sum(record.size for _, record, _, _ in found),
        "sha256": first.sha256,
        "source": first.source,
        "quantization": quantization or sources.quantization_of(found[0][0]),
        "resumedBytes": sum(resumed for _, _, resumed, _ in found),
        "fromCache": all(from_cache for _, _, _, from_cache in found),
    }
