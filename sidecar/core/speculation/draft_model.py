"""Draft tokens of a draft model: a smaller model with the same vocabulary, in a context of its own.

The draft model's context has one sequence per sequence of the main context. Nothing keeps the two in sync. Before
each step, a draft sequence is cut to the prefix that it shares with the request's tokens, and the missing tokens are
evaluated. So whatever happens to the main cache (reuse, copies, states, shifts, aborts) costs the draft model time
and never makes a result wrong.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sidecar.core.context.context import DECODE_ABORTED, Context
from sidecar.core.context.sequence import Sequence, shared_length
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.message_handler import log

if TYPE_CHECKING:
    from sidecar.core.context.context_options import ContextParams
    from sidecar.core.llama.c_api import ContextPointer, SamplerPointer, llama_token_data_array

MIN_PROBABILITY: Final = 0.75
"""The draft model proposes its likeliest token if the probability among its CANDIDATES is at least this. A wrong
token costs a step of the draft model and a place in the main batch."""

CANDIDATES: Final = 10

NO_ROOM: Final = 1
"""What llama_decode returns if the cache has no place for a batch (llama.h)."""


class DraftModel:
    """Owns the draft model's context for one main context. Only the compute thread calls `propose`."""

    reads_rows = False
    """See Head."""

    def __init__(self, model: Model, main: Context, params: ContextParams) -> None:
        """Create it. `params`: those of the main context. Raises SidecarError as Context does."""
        self._context = Context(
            model,
            {
                **params,
                "contextSize": main.size,
                "sequences": len(main.sequences),
                "batchSize": main.batch_size,
            },
            main,
        )
        self._likeliest = Likeliest()
        self._model, self._warned = model, False
        self._vocabulary_size = min(model.vocabulary_size, main.model.vocabulary_size)

    def free(self) -> None:
        """Give the memory back."""
        self._likeliest.free()
        self._context.free()

    def note(self, chunks: Iterable[tuple[Sequence, list[int]]]) -> None:
        """See Head.note: a draft model evaluates the tokens itself."""

    def propose(
        self, indices: list[int], tokens: list[list[int]], most: list[int], room: int
    ) -> list[list[int]]:
        """Draft tokens for some sequences: their indices, their tokens, the maximum of draft tokens (at least 1).

        Evaluates at most `room` tokens in one batch. A sequence whose tokens are not all evaluated yet gets draft
        tokens in a later step.
        """
        texts = dict(zip(indices, tokens, strict=True))
        limits = dict(zip(indices, most, strict=True))
        drafts: dict[int, list[int]] = {index: [] for index in indices}
        batch = self._missing(texts, room)
        while batch:
            ends = self._decode(batch, texts)
            batch = {}
            for index, at in ends.items():
                token, probability = self._likeliest.read(self._context.handle, at)
                if probability < MIN_PROBABILITY or token >= self._vocabulary_size or self._model.ends(token):
                    continue
                drafts[index].append(token)
                if len(drafts[index]) < limits[index]:
                    batch[index] = [token]
        return list(drafts.values())

    def _missing(self, texts: dict[int, list[int]], room: int) -> dict[int, list[int]]:
        """The tokens of each sequence that are not evaluated, the shortest list first, as far as there is room."""
        missing = {}
        for index, tokens in texts.items():
            sequence = self._context.sequences[index]
            shared = min(shared_length(sequence.tokens, tokens), len(tokens) - 1)
            missing[index] = tokens[self._context.keep_prefix(sequence, shared) :]
        batch = {}
        for index in sorted(missing, key=lambda index: len(missing[index])):
            batch[index] = missing[index][:room]
            room -= len(batch[index])
        return {index: tokens for index, tokens in batch.items() if tokens}

    def _decode(self, batch: dict[int, list[int]], texts: dict[int, list[int]]) -> dict[int, int]:
        """Evaluate tokens. Returns the batch index of the logits of each sequence whose text is evaluated."""
        context, ends = self._context, {}
        context.clear_batch()
        for index, tokens in batch.items():
            ends[index] = context.add_to_batch(context.sequences[index], tokens, 1)
        code = context.decode()
        for index, tokens in batch.items():
            sequence = context.sequences[index]
            if code == 0:
                sequence.tokens.extend(tokens)
            elif context.last_position(sequence) + 1 != len(sequence.tokens):
                context.clear_sequence(sequence)
        if code == NO_ROOM:  # of the pool that all sequences share
            for sequence in context.sequences:
                if sequence.index not in batch:
                    context.clear_sequence(sequence)
        if code not in (0, NO_ROOM, DECODE_ABORTED) and not self._warned:
            self._warned = True  # each step may fail
            log.log(
                "warning", "llama_decode of the draft model failed", code=code, context=context.context_id
            )
        if code != 0:
            return {}
        return {i: at for i, at in ends.items() if len(context.sequences[i].tokens) >= len(texts[i])}


class Likeliest:
    """Owns a sampler chain that finds the likeliest token and its probability; its last sampler reads them."""

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

    def read(self, context: ContextPointer, batch_index: int) -> tuple[int, float]:
        """The likeliest token by the logits of one batch position, and its probability."""
        lib.llama_sampler_sample(self._chain, context, batch_index)
        return self._token, self._probability

    def free(self) -> None:
        """Give the samplers back."""
        lib.llama_sampler_free(self._chain)

    def _see(self, _: SamplerPointer, candidates: ctypes._Pointer[llama_token_data_array]) -> None:
        array = candidates.contents
        self._token, self._probability = array.data[0].id, array.data[0].p  # sorted by probability
        array.selected = 0
