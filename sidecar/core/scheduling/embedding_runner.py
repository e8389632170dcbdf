"""Runs the requests of an embedding context: fills its batches with texts, and gives each request its vectors.

The requests take turns, one text each, so that a short one does not wait for a long list.
"""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.core.context.context import DECODE_ABORTED
from sidecar.core.embedding.embedding_context import EmbeddingContext, TextState
from sidecar.core.embedding.request import TextsRequest
from sidecar.core.scheduling.runner import PROMPT_CHUNK_WHILE_STREAMING
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError


class EmbeddingRunner:
    """See `Runner`."""

    def __init__(self, context: EmbeddingContext) -> None:
        self.context = context
        self._requests: list[TextsRequest] = []
        self._texts: list[TextState | None] = [None] * len(context.sequences)
        """The started texts, each at the index of its sequence."""
        self._in_batch: list[tuple[int, TextState]] = []
        """The texts of the current batch with their indices."""
        self._room = 0
        """Maximum number of tokens in the next batch."""

    # ---- requests --------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        return len(self._requests)

    def add(self, request: TextsRequest) -> None:
        self._requests.append(request)

    def interrupt(self, request: TextsRequest) -> None:
        if any(text.request is request for _, text in self._in_batch):
            self.context.abort_flag.set()  # the other texts of the batch are computed again
        elif not request.ended:
            request.abort()

    def drop_unwanted(self) -> None:
        for request in self._requests:
            if request.ended:
                continue
            if request.job.cancelled:
                request.abort()
            elif request.job.late:
                request.expire()
        self._forget_ended()

    def _forget_ended(self) -> None:
        self._requests = [request for request in self._requests if not request.ended]
        for place, text in enumerate(self._texts):
            if text is not None and text.request.ended:
                self._release(place)

    def _release(self, place: int) -> None:
        self._texts[place] = None
        self.context.clear_text(place)

    def has_work(self) -> bool:
        return bool(self._requests)

    def is_idle(self) -> bool:
        return not self._requests

    def is_streaming(self) -> bool:
        return False

    def send_deltas(self) -> None:
        """Vectors come all at once, with the result."""

    def close(self) -> None:
        for request in self._requests:
            request.abort()
        self._requests.clear()
        self.context.free()

    # ---- a step ----------------------------------------------------------------------------------

    def admit(self) -> bool:
        return False  # `fill` begins texts

    def place(self) -> None:
        """Texts share no caches."""

    def plan(self, others_streaming: bool) -> bool:
        self._room = self.context.max_batch_tokens
        if others_streaming:
            self._room = min(self._room, PROMPT_CHUNK_WHILE_STREAMING)
        return True

    def draft(self) -> None:
        """Embeddings need no draft tokens."""

    def fill(self) -> bool:
        """Fill the batch, started texts first."""
        self._forget_ended()
        self.context.abort_flag.clear()
        self.context.clear_batch()
        begun = [(place, text) for place, text in enumerate(self._texts) if text is not None]
        for place, text in sorted(begun, key=lambda placed: -placed[1].done):
            self._add_text(place, text)
        free = [place for place, text in enumerate(self._texts) if text is None]
        for request, index in _in_order(self._requests):
            if not free or self.context.batch.n_tokens >= self._room:
                break
            text = TextState(request, index)
            if not self._add_text(free[0], text):
                break
            self._texts[free.pop(0)] = text
            request.begin(index)
        return bool(self._in_batch)

    def _add_text(self, place: int, text: TextState) -> bool:
        added = self.context.add_text(place, text, self._room)
        if added:
            self._in_batch.append((place, text))
        return added

    def compute(self) -> None:
        code = self.context.decode()
        if code == 0:
            for place, text in self._in_batch:
                self.context.pool(place, text)
                if text.done == len(text.tokens):
                    self._release(place)
                    text.request.add_vectors(text.index, self.context.finished(text))
            return
        self._start_again()
        if code != DECODE_ABORTED:
            log.log("warning", "llama_decode failed", code=code, context=self.context.context_id)
            cause = f"llama_decode returned {code}"
            for request in {text.request for _, text in self._in_batch}:
                request.fail(SidecarError("decodeFailed", "The batch could not be evaluated", cause=cause))

    def _start_again(self) -> None:
        """Compute all started texts from their first token: an aborted batch leaves parts of them in the cache."""
        self.context.clear_texts()
        for text in self._texts:
            if text is not None:
                text.done = 0
                text.vectors.clear()

    def end(self) -> None:
        self._in_batch = []
        self._forget_ended()


def _in_order(requests: list[TextsRequest]) -> Iterator[tuple[TextsRequest, int]]:
    """The texts that have not started, background requests last."""
    for background in (False, True):
        yield from _in_turns([request for request in requests if request.background == background])


def _in_turns(requests: list[TextsRequest]) -> Iterator[tuple[TextsRequest, int]]:
    """The texts that have not started: the next one of each request, then the second one of each, and so on."""
    turns = [(request, iter(range(request.begun, len(request.texts)))) for request in requests]
    while turns:
        request, rest = turns.pop(0)
        index = next(rest, None)
        if index is not None:
            yield request, index
            turns.append((request, rest))
