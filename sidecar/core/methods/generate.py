"""The engine's methods that compute, and change nothing until they do: see methods.py, which calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.chat import prompt as chat
from sidecar.core.context.context import Context
from sidecar.core.embedding.context import EmbeddingContext
from sidecar.core.jobs import Job
from sidecar.core.methods import embed, infill
from sidecar.core.output.reply import Reply, Text
from sidecar.core.output.steering import Steering
from sidecar.core.scheduling import overflow
from sidecar.core.scheduling.generation import Generation
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.engine import Engine


def complete(engine: Engine, job: Job) -> None:
    context = engine.context(job.params["contextId"])
    prompt = job.params["prompt"]
    if isinstance(prompt, str):
        prompt = context.model.tokenize(prompt, add_special=True, parse_special=True)
    else:
        context.model.check_tokens(prompt, "/prompt")
    _generate(engine, job, context, prompt, Text(), Steering())


def chat_(engine: Engine, job: Job) -> None:
    context = engine.context(job.params["contextId"])
    _generate(engine, job, context, *chat.conversation(context.model, job.params, job))


def infill_(engine: Engine, job: Job) -> None:
    context = engine.context(job.params["contextId"])
    prompt = infill.prompt(context.model, job.params["prefix"], job.params["suffix"])
    _generate(engine, job, context, prompt, Text(), Steering())


def _generate(
    engine: Engine,
    job: Job,
    context: Context,
    prompt: list[int],
    output: Text | Reply,
    steering: Steering,
) -> None:
    if isinstance(context, EmbeddingContext):
        problem = f"/contextId: {context.context_id} was created for embeddings"
        raise SidecarError("unsuitableContext", problem, pointer="/contextId", value=job.params["contextId"])
    if not prompt:
        raise SidecarError("emptyPrompt", "The prompt has no tokens")
    prompt, truncated = overflow.fit(prompt, context, job.params)
    generation = Generation(job, context, prompt, engine.writer, output, steering, truncated)
    engine.scheduler.submit(context, generation)


def tokenize(engine: Engine, job: Job) -> dict[str, Any]:
    params = job.params
    add_special, parse_special = params.get("addSpecial", False), params.get("parseSpecial", False)
    return {"tokens": engine.the_model().tokenize(params["text"], add_special, parse_special)}


def detokenize(engine: Engine, job: Job) -> dict[str, Any]:
    return {"text": engine.the_model().detokenize(job.params["tokens"])}


def apply_template(engine: Engine, job: Job) -> dict[str, Any]:
    return {"prompt": chat.render(engine.the_model(), job.params, job)}


HANDLERS: Final[dict[str, Callable[[Any, Job], dict[str, Any] | None]]] = {
    "complete": complete,
    "chat": chat_,
    "infill": infill_,
    "embed": embed.embed,
    "rerank": embed.rerank,
    "tokenize": tokenize,
    "detokenize": detokenize,
    "applyTemplate": apply_template,
}
