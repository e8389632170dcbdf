"""Decides which files `model` names: their URLs, sizes and checksums, and their places on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sidecar.message_handler.errors import SidecarError
from sidecar.models.download.wanted import Fetched, Wanted
from sidecar.models.gguf.splits import quantization_of
from sidecar.models.http.url import without_secrets
from sidecar.models.sources import model_reference, url
from sidecar.models.sources.hub import choice as choices
from sidecar.models.sources.hub.choice import Choice, RemoteFile
from sidecar.models.sources.hub.client import DOWNLOAD_TIMEOUT_S, Hub
from sidecar.models.sources.model_reference import HubSource, UrlSource
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
    source = model_reference.parse(params["model"], hub.hosts)
    if isinstance(source, UrlSource):
        relative = url_name(source.url)
        hub.check_online()
        sha256 = params.get("sha256")
        wanted = url.wanted(hub.client, source.url, relative, sha256, silent_s=DOWNLOAD_TIMEOUT_S)
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
            "url": without_secrets(address.url),
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


# ---- without a server ----------------------------------------------------------------------------


def offline(
    hub_hosts: tuple[str, ...],
    store: Store,
    params: DownloadModelParams,
    budget_bytes: int,
) -> dict[str, object] | None:
    """The result of `downloadModel` from the files in the store; None if one is missing."""
    source = model_reference.parse(params["model"], hub_hosts)
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
