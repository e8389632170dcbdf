"""`createContext` and `disposeContext`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from sidecar.core.context.context import Context
from sidecar.core.context.conversation_store import ConversationStore
from sidecar.core.embedding.embedding_context import EmbeddingContext
from sidecar.core.model.loading import as_memory_error
from sidecar.core.scheduling.embedding_runner import EmbeddingRunner
from sidecar.core.scheduling.generation_runner import GenerationRunner
from sidecar.core.scheduling.slots import Slots
from sidecar.core.speculation.draft_model import DraftModel
from sidecar.hardware.machine import process_memory
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.notifier import notification, send, send_info
from sidecar.models.memory_estimate.buffers import HEAD_DRAFT_TOKENS

if TYPE_CHECKING:
    from sidecar.core.context.context_options import ContextParams
    from sidecar.core.engine import Engine
    from sidecar.core.jobs import Job
    from sidecar.core.model.model import Model
    from sidecar.core.scheduling.runner import Runner
    from sidecar.core.scheduling.saver import Saver
    from sidecar.core.speculation.head import Head

MAX_DIRECTORY_BYTES: Final = 8 * 1024**3
"""Default of `cacheDirectoryBytes`, if DISK_SHARE allows it."""
DISK_SHARE: Final = 16
"""By default `cacheDirectory` takes at most 1/DISK_SHARE of what is free on its disk."""

DISPOSE_S: Final = 5.0
"""How long the conversations of a context that is disposed of may take to be written."""


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
    if _has_head(model) and model.has_state_beyond_kv and not params.get("reproducible"):
        params = {"draftTokens": HEAD_DRAFT_TOKENS, **params}
    context = Context(model, params)
    store = ConversationStore(context, partial(_tell_figures, engine, context.context_id))
    draft_model: DraftModel | Head | None = None
    try:
        if not context.piece:
            draft_model = _draft_model(context, params)
        saver = _saver(engine, context, store, params) if "cacheDirectory" in params else None
    except BaseException:
        if draft_model is not None:
            draft_model.free()
        context.free()
        raise
    return GenerationRunner(Slots(context, store, saver), context, draft_model, engine.writer)


def _has_head(model: Model) -> bool:
    return model.has_mtp or (model.draft is not None and bool(model.draft.target_layers))


def _draft_model(context: Context, params: ContextParams) -> DraftModel | Head | None:
    """What guesses tokens for a context, if there is something."""
    model = context.model
    if model.has_mtp:
        from sidecar.core.speculation.mtp_head import MtpHead  # both only for models with a head

        return MtpHead(context, params)
    if model.draft is not None and model.draft.target_layers:
        from sidecar.core.speculation.eagle_head import EagleHead

        return EagleHead(model.draft, context, params)
    return None if model.draft is None else DraftModel(model.draft, context, params)


def _saver(engine: Engine, context: Context, store: ConversationStore, params: ContextParams) -> Saver:
    """What writes conversations to `cacheDirectory`. Its modules bring OpenSSL: 3 MB that few engines need."""
    from sidecar.core.context import disk_store
    from sidecar.core.scheduling.saver import Saver

    folder = os.path.abspath(params["cacheDirectory"])
    disk_store.prepare(folder)
    free = shutil.disk_usage(folder).free
    most = params.get("cacheDirectoryBytes", min(MAX_DIRECTORY_BYTES, free // DISK_SHARE))
    disk = disk_store.DiskStore(context, folder, most)
    tell = partial(send_info, engine.writer, "warning")
    saver = Saver(disk, store, context, engine.scheduler.between_steps, tell)
    engine.savers[context.context_id] = saver
    return saver


def _tell_figures(engine: Engine, context_id: str, figures: Mapping[str, int]) -> None:
    """Tell the router what `status` says about a context."""
    send(engine.writer, notification("cache", {"contextId": context_id, "cache": figures}))


def dispose_context(engine: Engine, job: Job) -> None:
    """Answer `disposeContext`."""
    _dispose(engine, engine.context(job.params["contextId"]))
    job.answer(None)


def _dispose(engine: Engine, context: Context) -> None:
    saver = engine.savers.pop(context.context_id, None)
    if saver is not None:
        saver.finish(DISPOSE_S)
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
