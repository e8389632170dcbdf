"""Loading a model, and the draft model that guesses for it, with one progress for both."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.model.model import Model
from sidecar.core.speculation.draft_model import check_pair
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.notifier import Progress
from sidecar.models.gguf import reader
from sidecar.models.gguf.splits import part_paths

if TYPE_CHECKING:
    from sidecar.core.engine import Engine


SWITCH_S: Final = 0.0001
"""How long each of the thousand callbacks of a load may wait for the thread that imports. Python's own is 5 ms."""


def load(
    engine: Engine, params: dict[str, Any], progress: Progress | None, cancelled: Callable[[], bool]
) -> Model:
    """Load what loadModel asks for. Meanwhile, what its first request will need is imported (100 ms).

    Raises SidecarError `unsuitableDraft`, and those of `gguf.check_readable` and `Model.load`.
    """
    threading.Thread(target=_preload, name="sidecar:preload", daemon=True).start()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        return _load(engine, params, progress, cancelled)
    finally:
        sys.setswitchinterval(usual)


def _preload() -> None:
    from sidecar.core.chat import template
    from sidecar.core.methods import generate  # noqa: F401

    template.preload()


def _load(
    engine: Engine, params: dict[str, Any], progress: Progress | None, cancelled: Callable[[], bool]
) -> Model:
    reader.check_readable(params["path"])
    draft_size, size = 0, _size(params["path"])

    def tell(share: float) -> bool:
        if progress is not None:
            progress.tell(share)
        return not cancelled()

    draft = None
    if "draftPath" in params:
        # First, so that the model itself is planned into the memory that is left.
        draft, draft_size = _load_draft(engine, params, lambda done, own: tell(done * own / (own + size)))
    begin = draft_size / (draft_size + size)
    try:
        model = _load_one(engine, params, lambda fraction: tell(begin + fraction * (1 - begin)))
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


def _load_draft(
    engine: Engine, params: dict[str, Any], tell: Callable[[float, int], bool]
) -> tuple[Model, int]:
    """The draft model and the size of its files. `tell` gets the share that is loaded, and that size."""
    path = params["draftPath"]
    try:
        reader.check_readable(path)
        size = _size(path)
        asked = {**params, "path": path, "adapters": []}
        return _load_one(engine, asked, lambda fraction: tell(fraction, size)), size
    except SidecarError as error:
        error.point_to("/draftPath")
        raise


def _load_one(engine: Engine, params: dict[str, Any], on_progress: Callable[[float], bool]) -> Model:
    """Load a model; a failure is explained from the file and from llama.cpp's log."""
    engine.llama_log.clear()
    try:
        return Model.load(params, on_progress)
    except SidecarError as error:
        if error.kind == "unsuitableAdapter":
            error.details.setdefault("cause", engine.llama_log.last_error())
        if error.kind != "modelLoadFailed":
            raise
        reader.check(params["path"])
        error.details["cause"] = engine.llama_log.last_error()
        raise as_memory_error(error) from None


def _size(path: str) -> int:
    return sum(os.path.getsize(part) for part in part_paths(path) if os.path.exists(part))


def as_memory_error(error: SidecarError) -> SidecarError:
    """llama.cpp reports want of memory as one failure among others; its log tells them apart."""
    cause = str(error.details.get("cause", ""))
    if "alloc" in cause.lower() or "memory" in cause.lower():
        return SidecarError("outOfMemory", error.problem, cause=cause)
    return error
