"""Which request gets which sequence of a context, and which requests wait.

Interactive requests come before background ones. If no sequence is free, an interactive request takes the one
of a background request. A request gets the sequence whose cache shares most of its prompt; if none shares more
than a few tokens, it gets one beside those that run, which has been unused for longest. If another sequence holds
more of the prompt, its cache is copied; a conversation whose sequence another one has taken comes back from memory
(conversation_store.py). A request waits while another one evaluates the same prefix.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sidecar.core.context import sequence_state
from sidecar.core.context.context import Context
from sidecar.core.context.conversation_store import ConversationStore, Origin
from sidecar.core.context.sequence import Sequence, shared_length
from sidecar.message_handler.notifier import send_progress
from sidecar.message_handler.writer import Writer

if TYPE_CHECKING:
    from sidecar.core.scheduling.generation import Generation
    from sidecar.core.scheduling.saver import Saver  # brings OpenSSL

MIN_COPIED_TOKENS: Final = 64
"""A copy must save at least this many prompt tokens: it moves the whole sequence, which takes as long as the
evaluation of 10 to 60 tokens."""

MIN_DECIDING_TOKENS: Final = 16
"""A common prefix of fewer tokens than this, and than half of the prompt, does not decide which sequence a request
gets. Otherwise such prefixes would spread requests over all sequences, and llama.cpp computes only neighbours
together (llama_batch_allocr::split_equal): it reads all weights once per group of neighbours."""


class Slots:
    """The requests of one context: those that run, each in its sequence, and those that wait for one."""

    def __init__(self, context: Context, store: ConversationStore, saver: Saver | None = None) -> None:
        self._context = context
        self._store = store
        self._saver = saver
        self._placing: tuple[Generation, Sequence] | None = None
        """The request that `choose` has given a sequence, until `settle`."""
        self._alone = -1
        """The sequence that had the last step of its own."""
        self._cached = 0
        """How many of its tokens `bring` has found."""
        self._origin: Origin = "sequence"
        """Where it has found them."""
        self._waiting: list[Generation] = []
        self.running: list[Generation] = []
        """In the order of their sequences."""
        self.changes = 0
        """Counts what may let a waiting request have a sequence."""

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Generation]:
        """All requests."""
        return iter([*self.running, *self._waiting])

    def add(self, generation: Generation) -> None:
        """Queue a request after those of its priority, or before those that arrived later."""
        ahead = [
            g for g in self._waiting if (g.priority, g.arrived) <= (generation.priority, generation.arrived)
        ]
        self._waiting.insert(len(ahead), generation)
        self.changes += 1

    def remove(self, generation: Generation) -> bool:
        """Remove a waiting or running request. Returns False if it is not there."""
        if generation in self._waiting:
            self._waiting.remove(generation)
            return True
        if generation not in self.running:
            return False
        self._release(generation)
        return True

    def _release(self, generation: Generation) -> Sequence:
        """Take back the sequence of a request."""
        self.running.remove(generation)
        self.changes += 1
        if generation.media is not None:
            generation.media.release()
        sequence = generation.sequence
        assert sequence is not None
        generation.sequence = None
        sequence.in_use = False
        sequence.last_used = time.monotonic()
        if self._saver is not None:
            self._saver.note(sequence)
        return sequence

    def choose(self) -> bool:
        """Give the next request that can have one a sequence. Returns False if there is none.

        The compute thread calls this, `bring` and `settle` between two steps, for one request after the other.
        Only `bring` copies caches. It needs no lock: nobody else changes a cache.
        """
        for generation in self._waiting:
            if self._comes_from_another(generation):
                continue
            free = [s for s in self._context.sequences if not s.in_use] or self._preempt(generation)
            while free and not self._has_room(generation):
                free = self._preempt(generation) and free
            if not free:
                return False
            near = self._neighbours()
            best = max(free, key=lambda s: (self._deciding(s, generation), s.index in near, -s.last_used))
            self._waiting.remove(generation)
            generation.sequence, best.in_use = best, True
            self.running.append(generation)
            self.running.sort(key=_place_of)
            self._placing = generation, best
            return True
        return False

    def _preempt(self, generation: Generation) -> list[Sequence]:
        """Take the sequence of a less urgent request, which continues later. Returns [] if there is none."""
        yielding = max(self.running, key=lambda g: (g.priority, g.arrived))
        if yielding.priority <= generation.priority:
            return []
        sequence = self._release(yielding)
        yielding.queue_position = None
        self.add(yielding)
        return [sequence]

    def _has_room(self, generation: Generation) -> bool:
        """Whether the pool, if there is one, has room for a further request."""
        pool, running = self._context.shared_tokens, self.running
        return not pool or not running or sum(map(_needed, [*running, generation])) <= pool

    def shrink(self) -> None:
        """While the pool is too small for the running requests, let the youngest of the least urgent wait."""
        while self._context.shared_tokens and len(self.running) > 1 and not self._has_room_now():
            yielding = max(self.running, key=lambda g: (g.priority, g.arrived))
            self._release(yielding)
            yielding.queue_position = None
            self.add(yielding)

    def _has_room_now(self) -> bool:
        return sum(map(_needed, self.running)) <= self._context.shared_tokens

    def make_room(self) -> None:
        """Move conversations without a request out of the pool, until the running ones have room in it."""
        if not self._context.shared_tokens:
            return
        idle = sorted(
            (s for s in self._context.sequences if not s.in_use and s.tokens), key=lambda s: s.last_used
        )
        left = (
            self._context.shared_tokens - sum(map(_needed, self.running)) - sum(len(s.tokens) for s in idle)
        )
        for sequence in idle:
            if left >= 0:
                return
            left += len(sequence.tokens)
            self._put_away(sequence)
            self._context.clear_sequence(sequence)

    def _put_away(self, sequence: Sequence) -> None:
        """Keep what a sequence holds, which is about to be removed."""
        copy = self._store.put(sequence)
        if self._saver is not None:
            self._saver.forget(sequence, copy)

    def bring(self) -> None:
        """Bring what is known of the chosen request's prompt into its sequence."""
        assert self._placing is not None
        self.make_room()
        generation, best = self._placing
        scales, context = generation.scales, self._context
        # The last token is always evaluated: its logits give the next one.
        tokens = generation.tokens[:-1]
        donor = max(context.sequences, key=lambda s: context.reusable(s, tokens, scales))
        own, offered = context.reusable(best, tokens, scales), context.reusable(donor, tokens, scales)
        held, stored = self._store.find(tokens, scales)
        if own < len(best.tokens) // 2:  # it is another conversation
            self._put_away(best)
        self._origin = "sequence"
        if held is not None and stored >= max(own, offered) + MIN_COPIED_TOKENS:
            self._store.take_back(held, best)
            own, self._origin = stored, held.origin
        elif offered >= own + MIN_COPIED_TOKENS:
            own = max(own, sequence_state.copy_prefix(context, donor, best, offered))
        if context.model.has_state_beyond_kv:
            generation.common = max(shared_length(s.tokens, tokens) for s in context.sequences)
        self._cached = context.keep_prefix(best, own)
        if self._cached and context.model.has_state_beyond_kv:
            context.take_checkpoint(best)  # of the turns before, in case this one is edited
        best.scales = scales

    def settle(self) -> None:
        """Begin the chosen request, unless it was removed meanwhile."""
        placing, self._placing = self._placing, None
        if placing is not None and placing[0].sequence is placing[1]:
            placing[1].checkpoints.kept = placing[0].system_end
            placing[0].admit(self._cached, self._origin)
            self._store.report()

    def _deciding(self, sequence: Sequence, generation: Generation) -> int:
        """Length of the common prefix; 0 if it is too short to decide."""
        shared = self._context.reusable(sequence, generation.tokens, generation.scales)
        return shared if shared >= min(MIN_DECIDING_TOKENS, len(generation.tokens) // 2) else 0

    def _neighbours(self) -> set[int]:
        """The places beside the running requests, if what lies there is kept in memory when it is taken.

        llama.cpp computes all sequences of a pool together, and a reproducible context each alone.
        """
        context = self._context
        matter = context.cache_bytes and not (context.shared_tokens or context.piece)
        places = map(_place_of, self.running) if matter else ()
        return {beside for place in places for beside in (place - 1, place + 1)}

    def _comes_from_another(self, generation: Generation) -> bool:
        """Whether another request is evaluating the same prefix, so that waiting for it saves work."""
        if self._context.model.has_state_beyond_kv:
            return False
        for other in self.running:
            if other.prompt_done or other.scales != generation.scales:
                continue
            common = shared_length(other.prompt, generation.tokens)
            assert other.sequence is not None
            if common >= len(other.sequence.tokens) + MIN_COPIED_TOKENS:
                return self._most_reusable(generation) < common - MIN_COPIED_TOKENS
        return False

    def _most_reusable(self, generation: Generation) -> int:
        context = self._context
        return max(context.reusable(s, generation.tokens, generation.scales) for s in context.sequences)

    def next_alone(self, generations: list[Generation]) -> list[Generation]:
        """Those that have the next step, if each has steps of its own: one, in the order of the sequences."""
        places = [_place_of(generation) for generation in generations]
        self._alone = next(
            (place for place in sorted(places) if place > self._alone), min(places, default=-1)
        )
        return [generation for generation in generations if _place_of(generation) == self._alone]

    def send_progress(self, writer: Writer) -> None:
        """Send progress of type `queue` for the requests whose position has changed."""
        for position, generation in enumerate(self._waiting):
            if generation.queue_position != position:
                generation.queue_position = position
                send_progress(writer, generation.job.id, "queue", None, position=position, wake=False)


def _needed(generation: Generation) -> int:
    """Tokens of the pool that a request has, or needs in the next step."""
    drafts = 0 if generation.speculation is None else generation.speculation.limit
    return len(generation.tokens) + drafts + 1


def _place_of(generation: Generation) -> int:
    assert generation.sequence is not None
    return generation.sequence.index
