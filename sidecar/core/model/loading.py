"""Loads a model, and its draft model if there is one, with one progress for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.core.model.draft_pair import check_pair
from sidecar.core.model.memory_plan import file_bytes
from sidecar.core.model.model import Model
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import parts, reader

if TYPE_CHECKING:
    from sidecar.core.llama.log import LlamaLog
    from sidecar.core.model.model import LoadParams
    from sidecar.message_handler.notifier import Progress


def load(
    params: LoadParams, log: LlamaLog, progress: Progress | None, cancelled: Callable[[], bool]
) -> Model:
    """Load what loadModel asks for.

    Raises SidecarError `unsuitableDraft`, and those of `gguf.reader.check_readable` and `Model.load`.
    """
    reader.check_readable(params["path"])
    draft_size, size = 0, file_bytes(params["path"])

    def send(share: float) -> bool:
        if progress is not None:
            progress.report(share)
        return not cancelled()

    draft = None
    if "draftPath" in params:
        # First, so that the plan of the model counts the memory that the draft model takes.
        draft, draft_size = _load_draft(params, log, lambda done, own: send(done * own / (own + size)))
    begin = draft_size / (draft_size + size)
    try:
        model = _load_one(params, log, lambda fraction: send(begin + fraction * (1 - begin)))
    except SidecarError:
        if draft is not None:
            draft.free()
        raise
    if draft is None:
        return model
    try:
        check_pair(model, draft, params["draftPath"])
    except SidecarError:
        draft.free()
        model.free()
        raise
    model.draft = draft
    return model


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
        return SidecarError("outOfMemory", error.problem, cause=cause)
    return error
