"""Guesses by a draft model: a smaller one with the same vocabulary, in a context of its own.

The draft's context has a sequence for each of the main one's. Nothing keeps the two in step: before each
step the draft's cache is cut to what it shares with the request's tokens, and what is missing is evaluated.
So whatever happens to the main one (reuse, copies, states, shifts, aborts) costs the draft time, never truth;
and what the draft guesses is only kept where the main model says the same.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.context.context import DECODE_ABORTED, Context, Sequence, shared_length
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.message_handler import log

if TYPE_CHECKING:
    from sidecar.core.scheduling.generation import Generation

LEAST_PROBABILITY: Final = 0.75
"""Of the draft's likeliest token among its CANDIDATES: below, it stops guessing. A wrong guess costs a step of
the draft, and a place in the main batch."""

CANDIDATES: Final = 10


class Drafted:
    """The draft's guesses for one request. They are made before the step, for all requests together."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def guess(self, _: list[int], most: int) -> list[int]:
        """Up to `most` tokens that may come next."""
        made, self.made = self.made, []
        return made[:most]


class Draft:
    """Owns the draft model's context beside a main one. Only the scheduler's thread calls `propose`."""

    def __init__(self, model: Model, main: Context, params: dict[str, Any]) -> None:
        """Make it. Raises SidecarError as Context does."""
        same = {"contextSize": main.size, "sequences": len(main.sequences), "batchSize": main.batch_size}
        self._context = Context(model, {**params, **same}, main.abort_flag)
        self._context.keep_pace_with(main)
        self._likeliest = _Likeliest()
        self._model = model
        self._tokens = min(model.vocabulary_size, main.model.vocabulary_size)

    def free(self) -> None:
        """Give the memory back."""
        self._likeliest.free()
        self._context.free()

    def use_threads(self, threads: int) -> None:
        """Compute with so many from now on."""
        self._context.use_threads(threads)

    def propose(self, wishes: dict[Generation, int], room: int) -> None:
        """Guess for these requests, up to so many tokens each; evaluate at most `room` tokens in one batch.

        A request whose tokens the draft has not seen yet gets guesses in a later step.
        """
        guesses: dict[Generation, list[int]] = {generation: [] for generation in wishes}
        batch = self._behind(list(wishes), room)
        while batch:
            going = self._decode(batch)
            batch = {}
            for generation, at in going.items():
                token, probability = self._likeliest.read(self._context, at)
                made = guesses[generation]
                if probability < LEAST_PROBABILITY or token >= self._tokens or self._model.ends(token):
                    continue
                made.append(token)
                if len(made) < wishes[generation]:
                    batch[generation] = [token]
        for generation, made in guesses.items():
            assert generation.speculation is not None
            if isinstance(generation.speculation.source, Drafted):
                generation.speculation.source.made = made

    def _behind(self, generations: list[Generation], room: int) -> dict[Generation, list[int]]:
        """What the draft has not seen of each request, the shortest first, as far as there is room."""
        missing = {}
        for generation in generations:
            sequence, tokens = self._sequence(generation), generation.tokens
            shared = min(shared_length(sequence.tokens, tokens), len(tokens) - 1)
            missing[generation] = tokens[self._context.keep_prefix(sequence, shared) :]
        batch = {}
        for generation in sorted(generations, key=lambda g: len(missing[g])):
            batch[generation] = missing[generation][:room]
            room -= len(batch[generation])
        return {generation: tokens for generation, tokens in batch.items() if tokens}

    def _decode(self, batch: dict[Generation, list[int]]) -> dict[Generation, int]:
        """Evaluate tokens; returns where the logits are of those requests whose tokens are all seen."""
        context, ends = self._context, {}
        context.clear_batch()
        for generation, tokens in batch.items():
            at = context.add_to_batch(self._sequence(generation), tokens, 1)
            ends[generation] = at
        code = context.decode()
        for generation, tokens in batch.items():
            sequence = self._sequence(generation)
            if code == 0:
                sequence.tokens.extend(tokens)
            elif context.cached_length(sequence) != len(sequence.tokens):
                context.clear_sequence(sequence)
        if code not in (0, DECODE_ABORTED):
            log.log("warning", "llama_decode of the draft failed", code=code, context=context.context_id)
        seen = {g: at for g, at in ends.items() if len(self._sequence(g).tokens) >= len(g.tokens)}
        return seen if code == 0 else {}

    def _sequence(self, generation: Generation) -> Sequence:
        assert generation.sequence is not None
        return self._context.sequences[generation.sequence.index]


class _Likeliest:
    """Owns samplers that find the likeliest token and its probability, and a last one that reads them."""

    def __init__(self) -> None:
        self._token, self._probability = 0, 0.0
        self._interface = lib.llama_sampler_i(
            name=lib.llama_sampler_i_name(lambda _: b"reader"), apply=lib.llama_sampler_i_apply(self._see)
        )
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for sampler in (
            lib.llama_sampler_init_top_k(CANDIDATES),
            lib.llama_sampler_init_dist(0),
            lib.llama_sampler_init(ctypes.byref(self._interface), None),
        ):
            lib.llama_sampler_chain_add(self._chain, sampler)

    def read(self, context: Context, batch_index: int) -> tuple[int, float]:
        """The likeliest token by the logits of one batch position, and its probability."""
        lib.llama_sampler_sample(self._chain, context.handle, batch_index)
        return self._token, self._probability

    def free(self) -> None:
        """Give the samplers back."""
        lib.llama_sampler_free(self._chain)

    def _see(self, _: Any, candidates: Any) -> None:
        array = candidates.contents
        self._token, self._probability = array.data[0].id, array.data[0].p  # the highest comes first
        array.selected = 0
