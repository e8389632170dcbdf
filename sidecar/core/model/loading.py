"""Loads a model, its draft model and its projector if there are any, with one progress for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.core.llama import devices
from sidecar.core.model import memory_plan, mtp
from sidecar.core.model.draft_pair import check_pair, check_whole
from sidecar.core.model.memory_plan import file_bytes
from sidecar.core.model.model import Model
from sidecar.message_handler import log as notes
from sidecar.message_handler.errors import SidecarError, conflicting_params
from sidecar.models.gguf import parts, projector, reader

if TYPE_CHECKING:
    from sidecar.core.llama.log import LlamaLog
    from sidecar.core.model.placement import LoadParams
    from sidecar.message_handler.notifier import Progress


def load(
    params: LoadParams, log: LlamaLog, progress: Progress | None, cancelled: Callable[[], bool]
) -> Model:
    """Load what loadModel asks for.

    Raises SidecarError `unsuitableModel`, `unsuitableDraft`, `unsuitableProjector`, and those of
    `gguf.reader.check_readable` and `Model.load`.
    """
    reader.check_readable(params["path"])
    if params.get("mtp"):
        if "draftPath" in params:
            raise conflicting_params("mtp", True, "/draftPath")
        mtp.check_head(params["path"])
    found = None
    if "projectorPath" not in params:
        found = projector.beside(params["path"])
        params = {**params, "projectorPath": found}
    draft_size, size = 0, file_bytes(params["path"])
    projector_size = _projector_bytes(params)

    def send(share: float) -> bool:
        if progress is not None:
            progress.report(share)
        return not cancelled()

    draft = None
    if "draftPath" in params:
        # First, so that the plan of the model counts the memory that the draft model takes.
        draft, draft_size = _load_draft(params, log, lambda done, own: send(done * own / (own + size)))
    total = draft_size + size + projector_size
    begin, end = draft_size / total, (draft_size + size) / total
    model = None
    try:
        model = _load_one(params, log, lambda share: send(begin + share * (end - begin)))
        check_whole(model)
        if draft is not None:
            check_pair(model, draft, params["draftPath"])
            model.draft = draft
        if projector_size:
            _load_projector(model, params, log, found, lambda share: send(end + share * (1 - end)))
    except SidecarError:
        for loaded in (draft, model):
            if loaded is not None:
                loaded.free()
        raise
    return model


def _projector_bytes(params: LoadParams) -> int:
    """The size of the projector's file; 0 if there is none. Raises as `gguf.reader.check_readable`."""
    path = params.get("projectorPath")
    if path is None:
        return 0
    try:
        return reader.check_readable(path)
    except SidecarError as error:
        error.point_to("/projectorPath")
        raise


def _load_projector(
    model: Model, params: LoadParams, log: LlamaLog, found: str | None, send: Callable[[float], bool]
) -> None:
    """Load the model's projector. One that was `found` beside the model and does not fit is left out."""
    from sidecar.core.media.encoder import Encoder  # both only for models with a projector
    from sidecar.core.media.projector import Projector

    bounds = params.get("imageTokens", {})
    least, most = bounds.get("min", 0), bounds.get("max", 0)
    if least > most > 0:
        problem = f"/imageTokens/min: {least} is more than the {most} of /imageTokens/max"
        allowed = {"maximum": most}
        raise SidecarError("invalidParams", problem, pointer="/imageTokens/min", value=least, allowed=allowed)
    device = memory_plan.projector_device(params, model.devices)
    path, threads = str(params["projectorPath"]), devices.threads(model.max_threads)
    try:
        loaded = Projector.load(model.handle, path, device, threads, (least, most), send, log)
    except SidecarError as error:
        if error.kind != "unsuitableProjector" or path != found:
            raise
        notes.log("warning", "the projector beside the model is not used", cause=error.problem)
        return
    model.encoder = Encoder(loaded)


def _load_draft(params: LoadParams, log: LlamaLog, send: Callable[[float, int], bool]) -> tuple[Model, int]:
    """The draft model, and the bytes of its files. `send` gets the loaded share (0 to 1) and these bytes."""
    path = params["draftPath"]
    try:
        reader.check_readable(path)
        size = file_bytes(path)
        asked: LoadParams = {**params, "path": path, "adapters": []}
        return _load_one(asked, log, lambda fraction: send(fraction, size)), size
    except SidecarError as error:
        error.point_to("/draftPath")
        raise


def _load_one(params: LoadParams, log: LlamaLog, on_progress: Callable[[float], bool]) -> Model:
    """Load one model. An error gets its cause from the file, or from llama.cpp's log."""
    log.clear()
    try:
        return Model.load(params, on_progress)
    except SidecarError as error:
        if error.kind == "unsuitableAdapter":
            error.details.setdefault("cause", log.first_error())
        if error.kind != "modelLoadFailed":
            raise
        parts.check(params["path"])
        error.details["cause"] = log.first_error()
        raise as_memory_error(error) from None


def as_memory_error(error: SidecarError) -> SidecarError:
    """The error, as `outOfMemory` if its cause says so: llama.cpp has no result of its own for that."""
    cause = str(error.details.get("cause", ""))
    if "alloc" in cause.lower() or "memory" in cause.lower():
        return SidecarError("outOfMemory", error.problem, **error.details)
    return error
