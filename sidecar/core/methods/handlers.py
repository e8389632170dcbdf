"""The engine's methods, one function each: (engine, job) → result, or None if the job is answered later.

They run on the desk thread in the order in which requests came, so that createContext finds the model
that the line before it loads. The router's own methods are in worker/methods.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.context.context import Context
from sidecar.core.embedding.context import EmbeddingContext
from sidecar.core.jobs import Job
from sidecar.core.methods import init
from sidecar.core.model import loading
from sidecar.core.model.model import Model
from sidecar.core.scheduling.embedding_runner import EmbeddingRunner
from sidecar.core.scheduling.generation_runner import GenerationRunner
from sidecar.core.scheduling.runner import Runner
from sidecar.core.speculation.draft_model import DraftModel
from sidecar.hardware.machine import process_memory
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.notifier import Progress

if TYPE_CHECKING:
    from sidecar.core.engine import Engine


def load_model(engine: Engine, job: Job) -> dict[str, Any]:
    progress = Progress(engine.writer, job.id, "load")
    engine.model = loading.load(engine, job.params, progress, lambda: job.cancelled)
    loaded_ms = round((time.monotonic() - job.arrived) * 1000, 3)
    return {**engine.model.describe(), "loadMs": loaded_ms, "memoryBytes": process_memory().resident}


def create_context(engine: Engine, job: Job) -> dict[str, Any]:
    job.interruptible(job.abort)  # llama.cpp cannot be stopped in it; what it makes goes again
    context = make_context(engine, job.params)
    job.interruptible(None)
    if job.cancelled:
        _dispose(engine, context)
        job.check()
    return {**context.describe(), "memoryBytes": process_memory().resident}


def make_context(engine: Engine, params: dict[str, Any]) -> Context:
    """Make a context and hand it to the scheduler."""
    engine.llama_log.clear()
    if "pooling" in params and not params.get("embeddings"):
        problem = "/pooling: only a context with embeddings pools"
        raise SidecarError("invalidParams", problem, pointer="/pooling", value=params["pooling"])
    try:
        runner = _runner(engine, params)
    except SidecarError as error:
        if error.kind == "contextCreationFailed":
            error.details["cause"] = engine.llama_log.last_error()
        raise loading.as_memory_error(error) from None
    engine.contexts[runner.context.context_id] = runner.context
    engine.scheduler.add(runner)
    return runner.context


def _runner(engine: Engine, params: dict[str, Any]) -> Runner:
    """A context and what computes its requests."""
    model: Model = engine.the_model()
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
    _dispose(engine, engine.context(job.params["contextId"]))
    job.answer(None)


def _dispose(engine: Engine, context: Context) -> None:
    del engine.contexts[context.context_id]
    engine.scheduler.remove(context)


def save_state(engine: Engine, job: Job) -> None:
    from sidecar.core.methods import state  # brings OpenSSL, for checksums: 3 MB that an engine seldom needs

    state.save_state(engine, job)


def restore_state(engine: Engine, job: Job) -> dict[str, Any]:
    from sidecar.core.methods import state

    return state.restore_state(engine, job)


def infer(engine: Engine, job: Job) -> dict[str, Any] | None:
    """Any of INFERENCE: inference.py has them, and is imported while the model loads."""
    from sidecar.core.methods import generate

    return generate.HANDLERS[job.method](engine, job)


INFERENCE: Final = (
    "complete", "chat", "infill", "embed", "rerank", "tokenize", "detokenize", "applyTemplate",
)  # fmt: skip
"""Methods that change nothing until they compute: an abort is answered at once, what they were at ends by itself."""

HANDLERS: Final[dict[str, Callable[[Any, Job], dict[str, Any] | None]]] = {
    "init": init.init,
    "loadModel": load_model,
    "createContext": create_context,
    "disposeContext": dispose_context,
    "saveState": save_state,
    "restoreState": restore_state,
    **dict.fromkeys(INFERENCE, infer),
}
