"""Conversations whose sequence another one has taken: their caches in memory, up to a number of bytes.

An app has more conversations than a context has sequences. To copy a cache out and back takes milliseconds, to evaluate
its tokens again takes seconds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sidecar.core.context import sequence_state
from sidecar.core.context.checkpoints import Checkpoint, last_within
from sidecar.core.context.context import Context
from sidecar.core.context.sequence import Sequence, shared_length
from sidecar.core.model.adapters import Scales

MIN_KEPT_TOKENS: Final = 128
"""A shorter conversation is evaluated again sooner than it is worth its memory."""


class Held(NamedTuple):
    """A conversation: what Sequence says about it, and llama.cpp's data."""

    tokens: list[int]
    scales: Scales
    checkpoints: list[Checkpoint]
    oldest: int
    """The oldest position in layers with a window: llama.cpp copies the window only (llama-kv-cache.cpp)."""
    data: bytearray

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data) + sum(len(each.data) for each in self.checkpoints)


class ConversationStore:
    """The conversations of one context. Only the compute thread uses it. The one put in first goes first."""

    def __init__(self, context: Context, max_bytes: int) -> None:
        self._context = context
        self._max_bytes = max_bytes
        self._held: list[Held] = []

    def put(self, sequence: Sequence) -> None:
        """Keep what a sequence holds, which is about to be removed, if there is room for it."""
        context = self._context
        if sequence.shifted or len(sequence.tokens) < MIN_KEPT_TOKENS:
            return
        copies = list(sequence.checkpoints.all)
        size = sequence_state.size(context, sequence) + sum(len(each.data) for each in copies)
        if size > self._max_bytes:
            return
        # What the new one begins with is in it.
        self._held = [each for each in self._held if not _begins(each, sequence)]
        while self._held and sum(each.size for each in self._held) + size > self._max_bytes:
            del self._held[0]
        oldest = max(context.oldest(sequence), len(sequence.tokens) - context.window) if context.window else 0
        data = sequence_state.copy_out(context, sequence)
        if data:
            self._held.append(Held(list(sequence.tokens), sequence.scales, copies, oldest, data))

    def find(self, tokens: list[int], scales: Scales) -> tuple[Held | None, int]:
        """The conversation that can begin most of these tokens, and how many of them."""
        best, most = None, 0
        for held in self._held:
            if held.scales != scales:
                continue
            shared = shared_length(held.tokens, tokens)
            if not self._context.can_cut(len(held.tokens), held.oldest, shared):
                shared = last_within(held.checkpoints, shared)
            if shared > most:
                best, most = held, shared
        return best, most

    def take_back(self, held: Held, sequence: Sequence) -> None:
        """Put a conversation into a sequence. The sequence is empty afterwards if llama.cpp refuses it."""
        self._held = [each for each in self._held if each is not held]
        if sequence_state.copy_in(self._context, sequence, held.data, held.tokens, held.scales):
            sequence.checkpoints.all = held.checkpoints


def _begins(held: Held, sequence: Sequence) -> bool:
    """Whether a conversation is the beginning of what a sequence holds."""
    same = held.scales == sequence.scales
    return same and shared_length(held.tokens, sequence.tokens) == len(held.tokens)
