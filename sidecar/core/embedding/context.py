"""Texts in, one vector or score for each out; many texts share a batch.

Models that read forward only are given long texts in pieces, and their vectors are pooled here: so a text may
be as long as the context, and a piece is short enough to be interrupted and to run beside streams. llama.cpp
pools a text only within one batch, in which most models make a row of logits for every token. For models that
look both ways, and for scores, it must.

Requests of a context take turns, a text each, so that a short one does not wait for a long list.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterator
from typing import Any, Final

from sidecar.core.context.context import DECODE_ABORTED, Context
from sidecar.core.embedding.request import TextsRequest, Vector
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError

DEFAULT_SIZE: Final = 2048
"""Tokens a text may have if nobody says."""

DEFAULT_TEXTS: Final = 32
"""Texts in one batch if nobody says."""

DEFAULT_BATCH: Final = 256
"""Tokens in one batch if nobody says. Twice as many are not faster, but the logits' matrix, in which no abort
is seen, takes twice as long."""

POOLINGS: Final = {"none": 0, "mean": 1, "cls": 2, "last": 3, "rank": 4}
"""Wire name → llama_pooling_type (llama.h)."""

POOLING_NAMES: Final = {number: name for name, number in POOLINGS.items()}


class Text:
    """A text that is being computed, in the sequence of the same index as its place."""

    def __init__(self, request: TextsRequest, index: int, tokens: list[int]) -> None:
        self.request = request
        self.index = index
        self.tokens = tokens
        self.done = 0
        """Tokens that were evaluated."""
        self.vectors: list[Vector] = []
        """What is needed of them so far, or the sum of all of them."""
        self.chunk = 0
        """Tokens in the batch of the moment, and where in it they begin."""
        self.at = 0


class EmbeddingContext(Context):
    """A context that pools and does not generate. Only the scheduler's thread calls what computes."""

    def __init__(self, model: Model, params: dict[str, Any]) -> None:
        """Make it. Raises SidecarError `unsuitableModel`, `contextCreationFailed`, `outOfMemory`."""
        if lib.llama_model_has_encoder(model.handle) and lib.llama_model_has_decoder(model.handle):
            raise SidecarError("unsuitableModel", "llama.cpp makes no embeddings with encoder-decoder models")
        self.pooling = _pooling(model, params.get("pooling"))
        self._whole = self.pooling == "rank"
        params = {"sequences": DEFAULT_TEXTS, "batchSize": DEFAULT_BATCH, **params}
        super().__init__(model, params)
        if not self._whole and (self.memory is None or not lib.llama_get_causal_attn(self.handle)):
            self.free()
            self._whole = True
            super().__init__(model, params)
        self.size = _size(model, params)
        self.room: int = params["batchSize"]
        """Tokens in a batch; in the batch of a single text that must be whole there may be more."""
        scores: int = lib.llama_model_n_cls_out(model.handle)
        self.dimensions: int = scores if self.pooling == "rank" else lib.llama_model_n_embd_out(model.handle)
        self.requests: list[TextsRequest] = []
        self._texts: list[Text | None] = [None] * len(self.sequences)
        self._in_batch: list[tuple[int, Text]] = []

    def _options(self, filled: dict[str, Any]) -> Any:
        size = _size(self.model, filled)
        options = super()._options({**filled, "contextSize": size})
        room = options.n_batch
        # At most one text is unfinished when a batch begins.
        options.n_ctx = max(size, room) if self._whole else size + room
        options.n_batch = options.n_ubatch = max(size, room) if self._whole else room
        options.n_outputs_max = 0  # every token is an output
        options.embeddings = True
        options.pooling_type = POOLINGS[self.pooling if self._whole else "none"]
        options.kv_unified = True  # with a cache for each sequence, a batch would be cut where texts end
        return options

    def _check_purpose(self) -> None:
        """Models with and without a KV cache embed."""

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "batchSize": self.room, "pooling": self.pooling}

    # ---- requests --------------------------------------------------------------------------------

    def computes(self, request: TextsRequest) -> bool:
        """Whether a request has a text in the batch of the moment."""
        return any(text.request is request for _, text in self._in_batch)

    def drop_ended(self) -> None:
        """Abort the requests that were cancelled, and those whose time is up; no batch may be computed meanwhile."""
        for request in self.requests:
            if request.ended:
                continue
            if request.job.cancelled:
                request.abort()
            elif request.job.late:
                request.expire()
        self._forget_ended()

    def abort_all(self) -> None:
        """Abort all requests: the context is about to be freed."""
        for request in self.requests:
            request.abort()
        self.requests.clear()

    def _forget_ended(self) -> None:
        self.requests = [request for request in self.requests if not request.ended]
        for place, text in enumerate(self._texts):
            if text is not None and text.request.ended:
                self._release(place)

    def _release(self, place: int) -> None:
        self._texts[place] = None
        lib.llama_memory_seq_rm(self.memory, place, -1, -1)

    # ---- a batch ---------------------------------------------------------------------------------

    def fill(self, room: int) -> bool:
        """Put up to `room` tokens into the batch, begun texts first. False if there is nothing to do."""
        self.clear_batch()
        self._in_batch = []
        for place, text in sorted(
            ((place, text) for place, text in enumerate(self._texts) if text is not None),
            key=lambda placed: -placed[1].done,
        ):
            self._add(place, text, room)
        free = [place for place, text in enumerate(self._texts) if text is None]
        for request, index in _in_order(self.requests):
            if not free or self.batch.n_tokens >= room:
                break
            text = Text(request, index, request.texts[index])
            if not self._add(free[0], text, room):
                break
            self._texts[free.pop(0)] = text
            request.begin(index)
        return bool(self._in_batch)

    def _add(self, place: int, text: Text, room: int) -> bool:
        """Put as much of a text into the batch as there is room for. False if that is nothing."""
        batch, at = self.batch, self.batch.n_tokens
        chunk = text.tokens[text.done :]
        if self._whole and at + len(chunk) > room and at > 0:
            return False
        if not self._whole:
            chunk = chunk[: room - at]
        for offset, token in enumerate(chunk):
            index = at + offset
            batch.token[index] = token
            batch.pos[index] = text.done + offset
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = place
            batch.logits[index] = True
        batch.n_tokens = at + len(chunk)
        text.chunk, text.at = len(chunk), at
        if chunk:
            self._in_batch.append((place, text))
        return bool(chunk)

    def take(self, code: int) -> None:
        """Give the requests what the batch came to, by llama_decode's code; answer those that are done."""
        in_batch, self._in_batch = self._in_batch, []
        if code == 0:
            for place, text in in_batch:
                self._pool(place, text)
                text.done += text.chunk
                if text.done == len(text.tokens):
                    self._release(place)
                    text.request.take(text.index, self._finished(text))
        else:
            self._start_again()
        if code not in (0, DECODE_ABORTED):
            log.log("warning", "llama_decode failed", code=code, context=self.context_id)
            cause = f"llama_decode returned {code}"
            for request in {text.request for _, text in in_batch}:
                request.fail(SidecarError("decodeFailed", "The batch could not be evaluated", cause=cause))
        self._forget_ended()

    def _start_again(self) -> None:
        """An aborted batch leaves its texts in pieces: begin them anew, those that nobody gave up."""
        lib.llama_memory_clear(self.memory, False)
        for text in self._texts:
            if text is not None:
                text.done = 0
                text.vectors.clear()

    # ---- pooling ---------------------------------------------------------------------------------

    def _pool(self, place: int, text: Text) -> None:
        """Keep what is needed of the vectors of a text's tokens in the batch."""
        if self._whole and self.pooling != "none":
            text.vectors = [self._copy(lib.llama_get_embeddings_seq(self.handle, place))]
            return
        last = text.at + text.chunk - 1
        if self.pooling == "last":
            text.vectors = [self._token_vector(last)]
        elif self.pooling == "cls":
            text.vectors = text.vectors or [self._token_vector(text.at)]
        else:
            fresh = [self._token_vector(index) for index in range(text.at, last + 1)]
            text.vectors += fresh
            if self.pooling == "mean":
                text.vectors = [array("f", map(sum, zip(*text.vectors, strict=True)))]

    def _finished(self, text: Text) -> list[Vector]:
        if self.pooling == "mean" and not self._whole:
            return [array("f", [total / text.done for total in text.vectors[0]])]
        return text.vectors

    def _token_vector(self, index: int) -> Vector:
        return self._copy(lib.llama_get_embeddings_ith(self.handle, index))

    def _copy(self, address: Any) -> Vector:
        vector = array("f")
        vector.frombytes(ctypes.string_at(address, self.dimensions * vector.itemsize))
        return vector


def _in_order(requests: list[TextsRequest]) -> Iterator[tuple[TextsRequest, int]]:
    """The texts that were not begun, those in the background last."""
    for background in (False, True):
        yield from _in_turns([request for request in requests if request.background == background])


def _in_turns(requests: list[TextsRequest]) -> Iterator[tuple[TextsRequest, int]]:
    """The texts that were not begun: the next of each request, the one behind it of each, and so on."""
    turns = [(request, iter(range(request.begun, len(request.texts)))) for request in requests]
    while turns:
        request, rest = turns.pop(0)
        index = next(rest, None)
        if index is not None:
            yield request, index
            turns.append((request, rest))


def _size(model: Model, params: dict[str, Any]) -> int:
    """Tokens a text may have: never more than there are positions, which some models look up in a table."""
    size: int = params.get("contextSize", DEFAULT_SIZE)
    return min(size, model.context_length_trained or size)


def _pooling(model: Model, asked: str | None) -> str:
    """The pooling to use. Raises SidecarError `unsuitableModel` for `rank` without a head that does it."""
    own = model.metadata(f"{model.metadata('general.architecture')}.pooling_type")
    pooling = asked or POOLING_NAMES.get(int(own or 0), "none")
    if asked is None and pooling == "none":
        pooling = "mean"
    if pooling == "rank" and not model.has_rank_head:
        problem = f"/pooling: {model.model_id} has no head that makes scores"
        raise SidecarError("unsuitableModel", problem, pointer="/pooling", value="rank")
    return pooling
