"""`createContext` and `disposeContext`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sidecar.core.context.context import Context
from sidecar.core.embedding.context import EmbeddingContext
from sidecar.core.model.loading import as_memory_error
from sidecar.core.speculation.draft_model import Draft
from sidecar.hardware.machine import process_memory
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.engine import Engine
    from sidecar.core.jobs import Job
    from sidecar.core.model.model import Model


def create_context(engine: Engine, job: Job) -> dict[str, Any]:
    """Answer `createContext`."""
    job.interruptible(job.abort)  # llama.cpp cannot be interrupted; the context is freed when it is there
    context = make(engine, job.params)
    job.interruptible(None)
    if job.cancelled:
        _dispose(engine, context)
        job.check()
    return {**context.describe(), "memoryBytes": process_memory().resident}


def make(engine: Engine, params: dict[str, Any]) -> Context:
    """Make a context and give it to the scheduler."""
    engine.llama_log.clear()
    kind = EmbeddingContext if params.get("embeddings") else Context
    if "pooling" in params and kind is Context:
        problem = "/pooling: only a context with embeddings pools"
        raise SidecarError("invalidParams", problem, pointer="/pooling", value=params["pooling"])
    try:
        context = _open(kind, engine.the_model(), params)
    except SidecarError as error:
        if error.kind == "contextCreationFailed":
            error.details["cause"] = engine.llama_log.first_error()
        raise as_memory_error(error) from None
    engine.contexts[context.context_id] = context
    engine.scheduler.add(context)
    return context


def _open(kind: type[Context], model: Model, params: dict[str, Any]) -> Context:
    """Make a context, and the draft model's context with it."""
    context = kind(model, params)
    if model.draft is not None and kind is Context:
        try:
            context.draft = Draft(model.draft, context, params)
        except SidecarError:
            context.free()
            raise
    return context


def dispose_context(engine: Engine, job: Job) -> None:
    """Answer `disposeContext`."""
    _dispose(engine, engine.context(job.params["contextId"]))
    job.answer(None)


def _dispose(engine: Engine, context: Context) -> None:
    del engine.contexts[context.context_id]
    engine.scheduler.remove(context)
