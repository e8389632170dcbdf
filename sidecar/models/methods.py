"""The methods of the transfer process, one function per method: (job) → result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, cast

from sidecar.message_handler.errors import SidecarError
from sidecar.models.store.store import Store
from sidecar.models.transfer_job import TransferJob

if TYPE_CHECKING:  # imported at run time by those methods that need HTTP
    from sidecar.message_handler._types import DownloadModelParams, ModelSource
    from sidecar.message_handler.notifier import Progress
    from sidecar.models.download.download import Download
    from sidecar.models.download.wanted import Fetched, Wanted
    from sidecar.models.gguf.header import Header
    from sidecar.models.sources.download_plan import Plan
    from sidecar.models.sources.hub.client import Hub

MAX_CHANGES: Final = 3
"""How often a file may change on its server during its download."""


def download_model(job: TransferJob) -> dict[str, object]:
    from sidecar.models.download.progress import progress_of
    from sidecar.models.http.address import Changed
    from sidecar.models.sources import download_plan

    params = job.params
    hub, store = _hub(job), Store(params["modelsDirectory"])
    budget = _memory(job)
    progress = progress_of(job.writer, job.id)
    for _ in range(MAX_CHANGES):
        try:
            plan = download_plan.make(hub, params, budget)
        except SidecarError as error:
            here = (
                download_plan.offline(hub.hosts, store, params, budget) if error.kind == "offline" else None
            )
            if here is None:
                raise
            return here
        try:
            return _fetch(job, hub, store, plan, progress)
        except Changed:
            continue
    raise SidecarError("downloadFailed", "The file on the server changes repeatedly", cause="changed")


def _hub(job: TransferJob) -> Hub:
    """The hub of the request. The app is told if it does not get the environment's token."""
    from sidecar.message_handler.notifier import send_info
    from sidecar.models.sources.hub.client import Hub

    hub = Hub(job.params.get("endpoint"), job.params.get("token"))
    if hub.withheld:
        send_info(job.writer, "info", hub.withheld)
    return hub


def _fetch(
    job: TransferJob, hub: Hub, store: Store, plan: Plan, progress: dict[str, Progress]
) -> dict[str, object]:
    from sidecar.models.download.download import Download, check_space
    from sidecar.models.download.progress import Report
    from sidecar.models.sources import download_plan

    force = job.params.get("force", False)
    check_space(store, plan.wanted, force)
    sizes = [(wanted.relative.rsplit("/", 1)[-1], wanted.size) for wanted in plan.wanted]
    report = Report(job.writer, progress, sizes)
    fetched: list[Fetched] = []
    for index, wanted in enumerate(plan.wanted):
        done = sum(file.record.size for file in fetched)
        report.begin(index, done)
        download = Download(hub.client, store, wanted, report)
        job.on_abort(partial(_abandoned, job, download, done))
        fetched.append(download.run(force))
    return download_plan.result(fetched, plan.quantization, plan.has_projector)


def _abandoned(job: TransferJob, download: Download, done: int) -> dict[str, int]:
    """The partial result of an aborted download. `done`: bytes of the files that are complete."""
    if not job.params.get("keepPartial", True):
        download.discard()
        return {"keptBytes": done}
    return {"keptBytes": done + download.kept_bytes()}


def _memory(job: TransferJob) -> int:
    """Bytes that a model may use here: the free memory of the system or of all GPUs, whichever is larger."""
    from sidecar.hardware.machine import Machine

    machine = Machine.here(**job.params["hardware"])
    of_gpus: int = sum(device["memoryFreeBytes"] for device in machine.gpus)
    return max(machine.free_bytes, of_gpus)


def list_models(job: TransferJob) -> dict[str, object]:
    from sidecar.models.inventory import Inventory

    cached = {}
    if job.params.get("hubCache", True):
        from sidecar.models.sources.hub.cache import cached_models

        cached = cached_models()
    inventory = Inventory(Store(job.params["modelsDirectory"]), job.params["loaded"])
    return inventory.result(cached, job.params.get("folders", []))


def delete_model(job: TransferJob) -> dict[str, object]:
    from sidecar.models.inventory import delete

    return delete(Store(job.params["modelsDirectory"]), job.params["path"], job.params["loaded"])


def inspect_model(job: TransferJob) -> dict[str, object]:
    from sidecar.models.gguf import projector
    from sidecar.models.gguf.description import summary

    found = _remote_headers(job, {**job.params, "projector": True})
    header = found.header
    of = header if header.architecture == projector.ARCHITECTURE else found.projector
    return {
        "path": None,
        "source": found.source,
        "sizeBytes": found.size,
        "readBytes": found.read,
        "ggufVersion": header.version,
        **summary(header),
        "projectorPath": None,
        "modalities": projector.modalities(of),
        "metadata": header.metadata,
    }


def estimate_model(job: TransferJob) -> dict[str, object]:
    from sidecar.hardware.device_choice import machine_for
    from sidecar.models.memory_estimate.estimate import estimate

    found = _remote_headers(job, job.params)
    machine = machine_for(job.params, **job.params["hardware"])
    figures = estimate(found.header, job.params, machine, found.projector)
    return {"path": None, "source": found.source, "projectorPath": None, **figures}


class _Remote(NamedTuple):
    """What the headers of `model` say."""

    header: Header
    """Of all parts of a split model."""
    projector: Header | None
    source: ModelSource
    size: int
    read: int
    """Bytes that were read."""


def _remote_headers(job: TransferJob, params: dict[str, Any]) -> _Remote:  # Any: values of JSON
    """Read the headers of a model, and of its projector if params ask for it and the repository has one."""
    from sidecar.models.gguf.header import join
    from sidecar.models.sources import download_plan

    hub = _hub(job)
    plan = download_plan.make(hub, cast("DownloadModelParams", params), _memory(job), projector_needed=False)
    read = [_remote_header(hub, each, params["model"]) for each in plan.wanted]
    projector = read.pop() if plan.has_projector else None
    return _Remote(
        join([header for header, _ in read]),
        projector[0] if projector else None,
        plan.wanted[0].source,
        sum(wanted.size or 0 for wanted, _ in zip(plan.wanted, read, strict=False)),
        sum(count for _, count in read),
    )


def _remote_header(hub: Hub, wanted: Wanted, model: str) -> tuple[Header, int]:
    """The header of a file of `model`, and how many bytes were read."""
    from sidecar.models.gguf import sparse_reader
    from sidecar.models.http.range_file import RangeFile

    if wanted.size is None:
        raise SidecarError("downloadFailed", "The server does not send the file's size", cause="no size")
    file = RangeFile(hub.client, wanted.address, wanted.size)
    try:
        header = sparse_reader.read_header(cast(BinaryIO, file), wanted.size, model)
    except SidecarError as error:
        error.point_to("/model")
        raise
    return header, file.read_bytes


HANDLERS: Final[dict[str, Callable[[TransferJob], dict[str, object]]]] = {
    "downloadModel": download_model,
    "listModels": list_models,
    "deleteModel": delete_model,
    "inspectModel": inspect_model,
    "estimateModel": estimate_model,
}
"""inspectModel and estimateModel are here for a `model` that is not on this disk."""
