"""Who waits for a sequence of a context, who gets one, and which.

Interactive requests come before background ones, and take a sequence from one of those if none is free.
A request gets the sequence whose cache shares most of its prompt, or, if none shares more than a few tokens,
the one that was not used for longest; if another one, free or not, holds more of it, that is copied. One
whose prompt is being evaluated for somebody else this moment waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sidecar.core.context.context import Context, Sequence, shared_length
from sidecar.message_handler.notifier import send_progress
from sidecar.message_handler.writer import Writer

if TYPE_CHECKING:
    from sidecar.core.scheduling.generation import Generation

MIN_COPIED_TOKENS: Final = 64
"""A common prefix that is shorter than this by so much is evaluated rather than copied: a copy moves the
whole sequence, which took as long as evaluating 10 to 60 tokens."""

MIN_DECIDING_TOKENS: Final = 16
"""A common prefix of fewer tokens than this, and than half of the prompt, does not decide which sequence a request
gets. It would spread requests over the sequences, and llama.cpp computes only neighbours together
(llama_batch_allocr::split_equal): it reads all weights once for each group of them. Those that were given back
together are taken again together."""


class Queue:
    """The requests that wait for one context, in the order in which they are to be served."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: list[Generation] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Generation]:
        return iter(list(self._waiting))

    def add(self, generation: Generation) -> None:
        """Queue a request behind those of its priority, or in front of them if it had begun already."""
        ahead = [
            g for g in self._waiting if (g.priority, g.arrived) <= (generation.priority, generation.arrived)
        ]
        self._waiting.insert(len(ahead), generation)

    def remove(self, generation: Generation) -> None:
        """Take a request out, if it is in."""
        if generation in self._waiting:
            self._waiting.remove(generation)

    def admit(self) -> None:
        """Give sequences to those who can have one now. Called between two steps, by the compute thread."""
        for generation in list(self._waiting):
            if self._comes_from_another(generation):
                continue
            free = [s for s in self._context.sequences if s.generation is None] or self._freed_for(generation)
            if not free:
                return
            self._waiting.remove(generation)
            self._place(generation, free)

    def _freed_for(self, generation: Generation) -> list[Sequence]:
        """A sequence of a request that is less urgent, which goes back to the queue and goes on later."""
        running = [s.generation for s in self._context.sequences if s.generation is not None]
        yielding = max(running, key=lambda g: (g.priority, g.arrived))
        if yielding.priority <= generation.priority:
            return []
        sequence = yielding.suspend()
        self.add(yielding)
        return [sequence]

    def _place(self, generation: Generation, free: list[Sequence]) -> None:
        tokens, scales, context = generation.tokens, generation.scales, self._context
        # The last token is always evaluated: its logits give the next one.
        most = len(tokens) - 1
        best = max(free, key=lambda s: (self._deciding(s, generation), -s.last_used))
        donor = max(context.sequences, key=lambda s: context.reusable(s, tokens, scales))
        own = min(context.reusable(best, tokens, scales), most)
        offered = min(context.reusable(donor, tokens, scales), most)
        if offered >= own + MIN_COPIED_TOKENS and context.can_copy(donor, offered):
            own = context.copy_prefix(donor, best, offered)
        generation.admit(best, context.keep_prefix(best, own))

    def _deciding(self, sequence: Sequence, generation: Generation) -> int:
        """The common prefix, if it is long enough to decide."""
        shared = self._context.reusable(sequence, generation.tokens, generation.scales)
        return shared if shared >= min(MIN_DECIDING_TOKENS, len(generation.tokens) // 2) else 0

    def _comes_from_another(self, generation: Generation) -> bool:
        """Whether somebody's prompt that is being evaluated begins as this one does, and is not yet that far."""
        if self._context.model.has_state_beyond_kv:
            return False
        for sequence in self._context.sequences:
            other = sequence.generation
            if other is None or other.prompt_done or other.scales != generation.scales:
                continue
            common = shared_length(other.prompt, generation.tokens)
            if common >= len(sequence.tokens) + MIN_COPIED_TOKENS:
                return self._most_reusable(generation) < common - MIN_COPIED_TOKENS
        return False

    def tell(self, writer: Writer) -> None:
        """Progress of type `queue` for those whose place has changed."""
        for position, generation in enumerate(self._waiting):
            if generation.queue_position != position:
                generation.queue_position = position
                send_progress(writer, generation.job.id, "queue", None, position=position, wake=False)

    def _most_reusable(self, generation: Generation) -> int:
        context = self._context
        return max(context.reusable(s, generation.tokens, generation.scales) for s in context.sequences)
