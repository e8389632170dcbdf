"""Who waits for a sequence of a context, who gets one, and which.

Interactive requests come before background ones, and take a sequence from one of those if none is free.
A request gets the sequence whose cache shares most of its prompt; if another one, free or not, holds more
of it, that is copied. One whose prompt is being evaluated for somebody else this moment waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sidecar.core.context import Context, Sequence, shared_length

if TYPE_CHECKING:
    from sidecar.core.generation import Generation

MIN_COPIED_TOKENS: Final = 64
"""A common prefix that is shorter than this by so much is evaluated rather than copied: a copy moves the
whole sequence, which took as long as evaluating 10 to 60 tokens."""


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
        tokens, context = generation.tokens, self._context
        # The last token is always evaluated: its logits give the next one.
        most = len(tokens) - 1
        best = max(free, key=lambda s: (s.shared(tokens), -s.last_used))
        donor = max(context.sequences, key=lambda s: s.shared(tokens))
        own, offered = min(best.shared(tokens), most), min(donor.shared(tokens), most)
        if offered >= own + MIN_COPIED_TOKENS and context.can_copy(donor, offered):
            own = context.copy_prefix(donor, best, offered)
        generation.admit(best, context.keep_prefix(best, own))

    def _comes_from_another(self, generation: Generation) -> bool:
        """Whether somebody's prompt that is being evaluated begins as this one does, and is not yet that far."""
        if self._context.model.has_state_beyond_kv:
            return False
        for sequence in self._context.sequences:
            other = sequence.generation
            if other is None or other.prompt_done:
                continue
            common = shared_length(other.prompt, generation.tokens)
            if common >= len(sequence.tokens) + MIN_COPIED_TOKENS:
                return (
                    max(s.shared(generation.tokens) for s in self._context.sequences)
                    < common - MIN_COPIED_TOKENS
                )
        return False
