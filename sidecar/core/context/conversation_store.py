"""Conversations whose sequence another one has taken: their caches in memory, up to a number of bytes.

An app has more conversations than a context has sequences. To copy a cache out and back takes milliseconds, to evaluate
its tokens again takes seconds. The compute thread copies; other threads may add what they have read from a disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Several
from typing import Final, Literal, NamedTuple

from sidecar.core.context import sequence_state
from sidecar.core.context.checkpoints import Checkpoint
from sidecar.core.context.context import Context
from sidecar.core.context.sequence import Sequence, shared_length
from sidecar.core.media import media_id
from sidecar.core.model.adapters import Scales
from sidecar.hardware.heap import give_large_blocks_back

MIN_KEPT_TOKENS: Final = 128
"""A shorter conversation is evaluated again sooner than it is worth its memory."""


Origin = Literal["sequence", "memory", "disk"]
"""Where computed tokens were: `cachedFrom` of Usage."""


class Held(NamedTuple):
    """A conversation: what Sequence says about it, and llama.cpp's data."""

    tokens: list[int]
    scales: Scales
    checkpoints: list[Checkpoint]
    oldest: int
    """The oldest position in layers with a window: llama.cpp copies the window only (llama-kv-cache.cpp)."""
    data: bytearray
    aligned: int = 0
    """As Sequence has it."""
    origin: Origin = "memory"

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data) + sum(len(each.data) for each in self.checkpoints)


def copy_of(context: Context, sequence: Sequence, max_bytes: int) -> Held | None:
    """What a sequence holds; None if that is not worth keeping, or has more bytes. Only the compute thread calls it."""
    if sequence.shifted or len(sequence.tokens) < MIN_KEPT_TOKENS:
        return None
    copies = list(sequence.checkpoints.all)
    size = sequence_state.size(context, sequence) + sum(len(each.data) for each in copies)
    if size > max_bytes:
        return None
    oldest = max(context.oldest(sequence), sequence.end - context.window) if context.window else 0
    data = sequence_state.copy_out(context, sequence)
    tokens, aligned = list(sequence.tokens), sequence.aligned
    return Held(tokens, sequence.scales, copies, oldest, data, aligned) if data else None


def usable(
    context: Context,
    held: Several[int],
    aligned: int,
    oldest: int,
    checkpoints: Several[int],
    tokens: Several[int],
) -> int:
    """How many of these tokens a conversation can begin that holds others, and checkpoints of these lengths."""
    shared = context.whole_pieces(held, shared_length(held, tokens), aligned)
    if shared == len(held) or context.can_cut(oldest, media_id.position(held, shared)):
        return shared
    return max((length for length in checkpoints if length <= shared), default=0)


class ConversationStore:
    """The conversations of one context. The one put in first goes first."""

    def __init__(self, context: Context, tell: Callable[[Mapping[str, int]], None]) -> None:
        """`tell` gets the schema's `CacheStatus` whenever it changes."""
        give_large_blocks_back()
        self._context = context
        self._max_bytes = context.cache_bytes
        self._tell = tell
        self._lock = threading.Lock()
        self._held: list[Held] = []
        self._guest: Held | None = None
        """One from the disk that is larger than the store. It stays until a request takes it, or another such one
        comes: there are at most `cacheBytes` and one conversation."""
        self._hits = {"memory": 0, "disk": 0}
        self._on_disk: tuple[int, int] | None = None
        self._told: Mapping[str, int] = {}

    @property
    def _all(self) -> list[Held]:
        return self._held if self._guest is None else [*self._held, self._guest]

    def put(self, sequence: Sequence) -> Held | None:
        """Keep what a sequence holds, which is about to be removed, if there is room for it. Returns its copy."""
        held = copy_of(self._context, sequence, self._max_bytes)
        if held is not None:
            self.add(held)
        return held

    def report(self, on_disk: tuple[int, int] | None = None) -> None:
        """Tell sizes and hits if they have changed. `on_disk`: how many conversations a disk has, and their bytes."""
        with self._lock:
            self._on_disk = on_disk or self._on_disk
            figures = {
                "memoryConversations": len(self._all),
                "memoryBytes": sum(each.size for each in self._all),
                "memoryHits": self._hits["memory"],
            }
            if self._on_disk is not None:
                count, size = self._on_disk
                figures |= {
                    "diskConversations": count,
                    "diskBytes": size,
                    "diskHits": self._hits["disk"],
                }
            if figures == self._told:
                return
            self._told = figures
        self._tell(figures)

    def add(self, held: Held) -> None:
        """Keep a conversation in place of older ones. One from the disk may be larger than the store: see `_guest`."""
        with self._lock:
            if held.size > self._max_bytes:
                self._guest = held if held.origin == "disk" else self._guest
                return
            # What the new one begins with is in it.
            self._held = [each for each in self._held if not _begins(each, held)]
            while sum(each.size for each in self._held) + held.size > self._max_bytes:
                del self._held[0]
            self._held.append(held)

    def find(self, tokens: list[int], scales: Scales) -> tuple[Held | None, int]:
        """The conversation that can begin most of these tokens, and how many of them."""
        with self._lock:
            found = [each for each in self._all if each.scales == scales]
        best, most = None, 0
        for held in found:
            lengths = [each.length for each in held.checkpoints]
            count = usable(self._context, held.tokens, held.aligned, held.oldest, lengths, tokens)
            if count > most:
                best, most = held, count
        return best, most

    def take_back(self, held: Held, sequence: Sequence) -> None:
        """Put a conversation into a sequence. The sequence is empty afterwards if llama.cpp refuses it."""
        with self._lock:
            self._held = [each for each in self._held if each is not held]
            self._guest = None if self._guest is held else self._guest
            self._hits[held.origin] += 1
        if sequence_state.copy_in(self._context, sequence, held.data, held.tokens, held.scales):
            sequence.checkpoints.all, sequence.aligned = list(held.checkpoints), held.aligned


def _begins(held: Held, other: Held) -> bool:
    """Whether a conversation is the beginning of another one."""
    return held.scales == other.scales and shared_length(held.tokens, other.tokens) == len(held.tokens)
