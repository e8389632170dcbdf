"""What one token more costs in a step, learned from how long the steps of a context take.

Where memory is what a step waits for, as on most machines, the tokens behind the first are nearly free; where it is
the processor, each costs nearly as much as the first. Guesses that are not often enough right do not pay there.
"""

from __future__ import annotations

from typing import Final

from sidecar.core.context.thread_count import MAX_TOKENS

FORGETTING: Final = 0.98
"""Weight of each step against the one after it: contexts that fill up get slower."""

HIGHEST: Final = 0.9
"""The most that a token more is taken to cost: it never needs what is done once a step."""

LEAST_SPREAD: Final = 0.05
"""Variance of the steps' sizes below which nothing can be learned from them."""


class Price:
    """A line through the steps' times by their numbers of tokens: least squares, the last steps counting most."""

    def __init__(self) -> None:
        self._weight = self._tokens = self._seconds = self._squares = self._products = 0.0

    def note(self, tokens: int, seconds: float) -> None:
        """A step with so many tokens took so long."""
        if tokens > MAX_TOKENS:  # most tokens of a prompt need no logits, so they are cheaper
            return
        self._weight = FORGETTING * self._weight + 1
        self._tokens = FORGETTING * self._tokens + tokens
        self._seconds = FORGETTING * self._seconds + seconds
        self._squares = FORGETTING * self._squares + tokens * tokens
        self._products = FORGETTING * self._products + tokens * seconds

    def of_one_more(self, tokens: int) -> float:
        """Its cost as a share of what each token costs in a step with so many; 0 as long as that is not known.

        So at least this share of guesses must be right for them to pay.
        """
        spread = self._weight * self._squares - self._tokens**2
        if spread <= LEAST_SPREAD * self._weight**2:
            return 0.0
        slope = (self._weight * self._products - self._tokens * self._seconds) / spread
        mean = self._tokens / self._weight
        whole = self._seconds / self._weight + slope * (tokens - mean)
        return min(max(slope * tokens / whole, 0.0), HIGHEST) if whole > 0 else HIGHEST
