"""`complete`, `chat` and `infill`: they make the tokens of a prompt from the params, and submit it to the scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.core.chat.prompt import conversation
from sidecar.core.jobs import checkpoint
from sidecar.core.llama.bindings import lib
from sidecar.core.methods import contexts
from sidecar.core.output.output_constraints import OutputConstraints
from sidecar.core.output.reply import Reply, TextOutput
from sidecar.core.scheduling import overflow
from sidecar.core.scheduling.generation import Generation
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.context.context import Context
    from sidecar.core.engine import Engine
    from sidecar.core.jobs import Job
    from sidecar.core.media.prompt_media import PromptMedia
    from sidecar.core.model.model import Model
    from sidecar.message_handler._types import CompleteParams, InfillParams


def complete(engine: Engine, job: Job) -> None:
    """Begin a `complete`."""
    params: CompleteParams = job.params
    context = contexts.generating(engine, params["contextId"])
    prompt = params["prompt"]
    if isinstance(prompt, str):
        prompt = context.model.prompt_tokens(prompt)
    else:
        context.model.check_tokens(prompt, "/prompt")
    _generate(engine, job, context, prompt, TextOutput(), OutputConstraints())


def chat(engine: Engine, job: Job) -> None:
    """Begin a `chat`."""
    context = contexts.generating(engine, job.params["contextId"])
    _generate(engine, job, context, *conversation(context.model, job.params, job))


def infill(engine: Engine, job: Job) -> None:
    """Begin an `infill`."""
    params: InfillParams = job.params
    context = contexts.generating(engine, params["contextId"])
    prompt = _infill_prompt(context.model, params["prefix"], params["suffix"])
    _generate(engine, job, context, prompt, TextOutput(), OutputConstraints())


def _infill_prompt(model: Model, prefix: str, suffix: str) -> list[int]:
    """The prompt that llama-server makes: prefix and suffix, each after the model's special token for it.

    Raises SidecarError `unsuitableModel` if the model has no such tokens. Special tokens in the texts are not
    parsed: they are part of the user's text.
    """
    vocab = model.vocab
    before_prefix, before_suffix, before_middle = (
        lib.llama_vocab_fim_pre(vocab),
        lib.llama_vocab_fim_suf(vocab),
        lib.llama_vocab_fim_mid(vocab),
    )
    if min(before_prefix, before_suffix, before_middle) < 0:
        raise SidecarError("unsuitableModel", f"{model.model_id} has no tokens for infilling")
    begin = [lib.llama_vocab_bos(vocab)] if lib.llama_vocab_get_add_bos(vocab) else []
    first, second = (
        model.tokenize(text, add_special=False, parse_special=False) for text in (prefix, suffix)
    )
    return [*begin, before_prefix, *first, before_suffix, *second, before_middle]


def _generate(
    engine: Engine,
    job: Job,
    context: Context,
    prompt: list[int],
    output: TextOutput | Reply,
    constraints: OutputConstraints,
    media: PromptMedia | None = None,
) -> None:
    """Give the scheduler a request to generate after this prompt."""
    if not prompt:
        raise SidecarError("emptyPrompt", "The prompt has no tokens")
    prompt, truncated = overflow.fit(prompt, context, job.params)
    if media is not None:
        media.check_batch(context.batch_size)
    saver = engine.savers.get(context.context_id)
    if saver is not None:
        saver.bring(prompt, context.model.adapters.scales_of(job.params), checkpoint)
    generation = Generation(job, context, prompt, engine.writer, output, constraints, truncated, media)
    try:
        engine.scheduler.submit(context, generation)
    except SidecarError:
        generation.sampler.free()
        raise
