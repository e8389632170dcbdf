"""`createContext` and `disposeContext`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.core.context.context import Context
from sidecar.core.embedding.context import EmbeddingContext
from sidecar.core.model.loading import as_memory_error
from sidecar.core.scheduling.embedding_runner import EmbeddingRunner
from sidecar.core.scheduling.generation_runner import GenerationRunner
from sidecar.core.speculation.draft_model import DraftModel
from sidecar.hardware.machine import process_memory
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.context.context import ContextParams
    from sidecar.core.engine import Engine
    from sidecar.core.jobs import Job
    from sidecar.core.scheduling.runner import Runner


def create_context(engine: Engine, job: Job) -> dict[str, object]:
    """Answer `createContext`."""
    job.interruptible(job.abort)  # nothing interrupts llama.cpp: the finished context is freed below
    context = make(engine, job.params)
    job.interruptible(None)
    if job.cancelled:
        _dispose(engine, context)
        job.check()
    return {**context.describe(), "memoryBytes": process_memory().resident}


def make(engine: Engine, params: ContextParams) -> Context:
    """Make a context and give it to the scheduler."""
    engine.llama_log.clear()
    if "pooling" in params and not params.get("embeddings"):
        problem = "/pooling: only a context with embeddings has a pooling"
        raise SidecarError("invalidParams", problem, pointer="/pooling", value=params["pooling"])
    try:
        runner = _runner(engine, params)
    except SidecarError as error:
        if error.kind == "contextCreationFailed":
            error.details["cause"] = engine.llama_log.first_error()
        raise as_memory_error(error) from None
    engine.contexts[runner.context.context_id] = runner.context
    engine.scheduler.add(runner)
    return runner.context


def _runner(engine: Engine, params: ContextParams) -> Runner:
    """A new context, with a draft model's context if there is one, and what runs its requests."""
    model = engine.the_model()
    if params.get("embeddings"):
        return EmbeddingRunner(EmbeddingContext(model, params))
    context = Context(model, params)
    try:
        draft_model = None if model.draft is None else DraftModel(model.draft, context, params)
    except SidecarError:
        context.free()
        raise
    return GenerationRunner(context, draft_model, engine.writer)


def dispose_context(engine: Engine, job: Job) -> None:
    """Answer `disposeContext`."""
    _dispose(engine, engine.context(job.params["contextId"]))
    job.answer(None)


def _dispose(engine: Engine, context: Context) -> None:
    del engine.contexts[context.context_id]
    engine.scheduler.remove(context)


# ---- for other methods -------------------------------------------------------------------------------------


def generating(engine: Engine, context_id: str) -> Context:
    """A context that generates. Raises SidecarError `unsuitableContext`, and as `engine.context` does."""
    context = engine.context(context_id)
    if isinstance(context, EmbeddingContext):
        raise unsuitable(context, "was created for embeddings")
    return context


def embedding(engine: Engine, context_id: str) -> EmbeddingContext:
    """A context that embeds. Raises SidecarError `unsuitableContext`, and as `engine.context` does."""
    context = engine.context(context_id)
    if not isinstance(context, EmbeddingContext):
        raise unsuitable(context, "was created without embeddings")
    return context


def unsuitable(context: Context, why: str) -> SidecarError:
    """The error for a request to a context of the wrong kind."""
    problem = f"/contextId: {context.context_id} {why}"
    return SidecarError("unsuitableContext", problem, pointer="/contextId", value=context.context_id)
