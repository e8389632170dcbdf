"""One step of a context: which tokens of which requests are in its batch, and what comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sidecar.core.context.context import DECODE_ABORTED, Context, Sequence
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.scheduling.generation import Generation

PROMPT_CHUNK_BESIDE_STREAMS: Final = 64
"""Prompt tokens a step while other requests generate: what a long prompt may hold them up by."""

Chunks = dict["Generation", list[int]]
"""The tokens in the batch."""


def draft(context: Context, generations: list[Generation], beside: bool) -> None:
    """Let the draft model guess for the requests that want it. It computes: call it without a lock.

    `beside`: whether there are streams elsewhere, which wait for this step.
    """
    if context.draft is None or not generations:
        return
    each = (min(context.batch_size, context.max_outputs) - len(generations)) // len(generations)
    drafted = [g for g in generations if g.speculation is not None and g.speculation.is_drafted]
    rooms = {g: g.room_for_guesses(each) for g in drafted if len(g.pending_tokens()) == 1}
    wishes = {generation: most for generation, most in rooms.items() if most > 0}
    if wishes:
        alone = len(generations) == 1 and not beside
        room = context.batch_size if alone else len(generations) + PROMPT_CHUNK_BESIDE_STREAMS
        context.draft.propose(wishes, min(room, context.batch_size))


def fill(context: Context, generations: list[Generation], beside: bool) -> Chunks:
    """Put the next batch together; returns which tokens of which request are in it. `beside`: as in `draft`."""
    context.clear_batch()
    chunks: Chunks = {}
    pending = sorted(((g, g.pending_tokens()) for g in generations), key=lambda each: len(each[1]))
    streams = sum(len(tokens) == 1 for _, tokens in pending)
    room = context.batch_size
    if streams or beside:
        room = min(room, streams + PROMPT_CHUNK_BESIDE_STREAMS)
    for index, (generation, tokens) in enumerate(pending):
        # The shortest first, each at most its share: a short prompt is not held up by a long one.
        chunk = tokens[: max(room // (len(pending) - index), 1)] if room else []
        if not chunk:
            continue
        assert generation.sequence is not None
        outputs = int(len(chunk) == len(tokens))
        if len(tokens) == 1:
            most = (min(room, context.max_outputs) - len(pending)) // streams
            guesses = generation.guess(most, streams)
            chunk, outputs = chunk + guesses, 1 + len(guesses)
        at = context.add_to_batch(generation.sequence, chunk, outputs)
        generation.batch_index = at if outputs else -1
        chunks[generation] = chunk
        room -= len(chunk)
    return chunks


def take(context: Context, chunks: Chunks, code: int) -> None:
    """Go on from what llama_decode made of the batch."""
    if code != 0:
        _undecoded(context, list(chunks), code)
        return
    for generation, chunk in chunks.items():
        assert generation.sequence is not None
        generation.sequence.tokens.extend(chunk)
    for generation in chunks:
        _sample(generation)


def _sample(generation: Generation) -> None:
    if not generation.prompt_done:
        generation.tell_prompt()
    if generation.batch_index < 0:
        return
    try:
        reason = generation.take_step()
    except Exception as error:
        generation.fail(error)
        return
    if reason is not None:
        generation.finish(reason)


def _undecoded(context: Context, generations: list[Generation], code: int) -> None:
    """A batch was aborted or failed. llama.cpp took back what did not run: go by what it holds."""
    for generation in generations:
        sequence = generation.sequence
        assert sequence is not None
        _resynchronise(context, sequence)
        if code != DECODE_ABORTED:
            cause = f"llama_decode returned {code}"
            generation.fail(SidecarError("decodeFailed", "The batch could not be evaluated", cause=cause))
    if code != DECODE_ABORTED:
        log.log("warning", "llama_decode failed", code=code, context=context.context_id)


def _resynchronise(context: Context, sequence: Sequence) -> None:
    assert sequence.generation is not None
    held = context.cached_length(sequence)
    if context.model.has_state_beyond_kv or held < len(sequence.tokens):
        context.clear_sequence(sequence)
    else:
        sequence.tokens = sequence.generation.tokens[:held]
        # llama.cpp runs a batch in pieces, and some may have run: the logits of those are gone, though.
        context.cut(sequence, len(sequence.generation.tokens) - 1)
