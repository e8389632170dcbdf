"""A context for embeddings: it computes one vector or score per text, many texts per batch.

llama.cpp pools a text only within one batch. Models that only read forward get long texts in pieces, and this
module pools their vectors. So a text may be as long as the context, and a piece is short enough to be aborted
and to run between the steps of streams. A model that looks in both directions needs the whole text in one
batch, and so do scores.
"""

from __future__ import annotations

import ctypes
from array import array
from typing import TYPE_CHECKING, Final

from sidecar.core.context import context_options
from sidecar.core.context.context import Context
from sidecar.core.embedding.request import TextsRequest, Vector
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.context.context_options import ContextParams
    from sidecar.core.llama.c_api import ContextPointer, FloatPointer, llama_context_params

DEFAULT_SIZE: Final = 2048
"""Default of `contextSize`: tokens per text."""

DEFAULT_TEXTS: Final = 32
"""Default of `sequences`: texts per batch."""

DEFAULT_BATCH: Final = 256
"""Default of `batchSize`: tokens per batch. 512 are not faster, and an abort waits for twice as many rows of
logits."""

POOLINGS: Final = {"none": 0, "mean": 1, "cls": 2, "last": 3, "rank": 4}
"""Wire name → llama_pooling_type (llama.h)."""

POOLING_NAMES: Final = {number: name for name, number in POOLINGS.items()}


class TextState:
    """How far one text is computed."""

    def __init__(self, request: TextsRequest, index: int) -> None:
        self.request = request
        self.index = index
        self.tokens = request.texts[index]
        self.done = 0
        """Tokens that are evaluated."""
        self.vectors: list[Vector] = []
        """The vectors so far: one per token, or what the pooling needs of them."""
        self.chunk = 0
        """Tokens in the current batch."""
        self.batch_index = 0
        """Index of the first of them in the batch."""


class EmbeddingContext(Context):
    """A context that pools and does not generate. Only the compute thread calls what computes."""

    def __init__(self, model: Model, params: ContextParams) -> None:
        """Create it. Raises SidecarError `unsuitableModel`, `contextCreationFailed`, `outOfMemory`."""
        if lib.llama_model_has_encoder(model.handle) and lib.llama_model_has_decoder(model.handle):
            raise SidecarError("unsuitableModel", "llama.cpp makes no embeddings with encoder-decoder models")
        self.pooling = _pooling(model, params.get("pooling"))
        self.whole_texts = self.pooling == "rank"
        """Whether each text must be in one batch."""
        params = {"sequences": DEFAULT_TEXTS, "batchSize": DEFAULT_BATCH, **params}
        super().__init__(model, params)
        self.size = self._text_size
        self.max_batch_tokens: int = params["batchSize"]
        """A single text that must be whole may be longer."""
        scores: int = lib.llama_model_n_cls_out(model.handle)
        self.dimensions: int = scores if self.pooling == "rank" else lib.llama_model_n_embd_out(model.handle)

    def _open(self, filled: ContextParams) -> ContextPointer:
        """A llama_context that pools. Only a context can report whether its model reads forward only."""
        handle = self._create(filled)
        if self.whole_texts or (lib.llama_get_memory(handle) and lib.llama_get_causal_attn(handle)):
            return handle
        lib.llama_free(handle)
        self.whole_texts = True
        return self._create(filled)

    def _options(self, filled: ContextParams) -> llama_context_params:
        size = self._text_size = _size(self.model, filled)
        options = super()._options({**filled, "contextSize": size})
        batch = options.n_batch
        # At most one text is unfinished when a batch begins.
        options.n_ctx = max(size, batch) if self.whole_texts else size + batch
        options.n_batch = options.n_ubatch = max(size, batch) if self.whole_texts else batch
        options.n_outputs_max = 0  # every token is an output
        options.embeddings = True
        options.pooling_type = POOLINGS[self.pooling if self.whole_texts else "none"]
        options.kv_unified = True  # with one cache per sequence, llama.cpp would split the batch at each text
        return options

    def describe(self) -> dict[str, object]:
        return {**super().describe(), "batchSize": self.max_batch_tokens, "pooling": self.pooling}

    # ---- a batch ---------------------------------------------------------------------------------

    def add_text(self, place: int, text: TextState, room: int) -> bool:
        """Append a text's next tokens to the batch, up to `room` tokens in the batch, as sequence `place`.

        Returns False if there is no room.
        """
        batch, at = self.batch, self.batch.n_tokens
        chunk = text.tokens[text.done :]
        if self.whole_texts and at + len(chunk) > room and at > 0:
            return False
        if not self.whole_texts:
            chunk = chunk[: room - at]
        for offset, token in enumerate(chunk):
            index = at + offset
            batch.token[index] = token
            batch.pos[index] = text.done + offset
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = place
            batch.logits[index] = True
        batch.n_tokens = at + len(chunk)
        text.chunk, text.batch_index = len(chunk), at
        return bool(chunk)

    def clear_text(self, place: int) -> None:
        """Empty the cache of one text."""
        lib.llama_memory_seq_rm(self.memory, place, -1, -1)

    def clear_texts(self) -> None:
        """Empty the cache."""
        lib.llama_memory_clear(self.memory, False)

    # ---- pooling ---------------------------------------------------------------------------------

    def pool(self, place: int, text: TextState) -> None:
        """Add the vectors of the evaluated batch to those of a text."""
        text.done += text.chunk
        if self.whole_texts and self.pooling != "none":
            text.vectors = [self._copy(lib.llama_get_embeddings_seq(self.handle, place))]
            return
        last = text.batch_index + text.chunk - 1
        if self.pooling == "last":
            text.vectors = [self._token_vector(last)]
        elif self.pooling == "cls":
            text.vectors = text.vectors or [self._token_vector(text.batch_index)]
        else:
            fresh = [self._token_vector(index) for index in range(text.batch_index, last + 1)]
            text.vectors += fresh
            if self.pooling == "mean":
                text.vectors = [array("f", map(sum, zip(*text.vectors, strict=True)))]

    def finished(self, text: TextState) -> list[Vector]:
        """The vectors of a text that is computed: one, or one per token with the pooling `none`."""
        if self.pooling == "mean" and not self.whole_texts:
            return [array("f", [total / text.done for total in text.vectors[0]])]
        return text.vectors

    def _token_vector(self, index: int) -> Vector:
        return self._copy(lib.llama_get_embeddings_ith(self.handle, index))

    def _copy(self, address: FloatPointer) -> Vector:
        vector = array("f")
        vector.frombytes(ctypes.string_at(address, self.dimensions * vector.itemsize))
        return vector


def _size(model: Model, params: ContextParams) -> int:
    """Maximum number of tokens per text: at most as in training, since some models have a table of positions."""
    size = context_options.size_of(model, {**params, "sequences": 1}, DEFAULT_SIZE)
    return min(size, model.context_length_trained or size)


def _pooling(model: Model, asked: str | None) -> str:
    """The pooling to use. Raises SidecarError `unsuitableModel` for `rank` if the model cannot score."""
    own = model.metadata(f"{model.metadata('general.architecture')}.pooling_type")
    pooling = asked or POOLING_NAMES.get(int(own or 0), "none")
    if asked is None and pooling == "none":
        pooling = "mean"
    if pooling == "rank" and not model.has_rank_head:
        problem = f"/pooling: {model.model_id} has no classification head, which makes the scores"
        raise SidecarError("unsuitableModel", problem, pointer="/pooling", value="rank")
    return pooling
