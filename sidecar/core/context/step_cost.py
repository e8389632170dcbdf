"""The cost of one more token in a step, learned from how long the steps of a context take.

On most machines a step waits for memory, and further tokens are nearly free. Where it waits for the processor, each
token costs nearly as much as the first. Draft tokens then cost more than they save if few are accepted.
"""

from __future__ import annotations

from typing import Final

from sidecar.core.context.thread_count import MAX_TOKENS

MAX_DRAFT_TOKENS: Final = 16
"""Most draft tokens per request and step. With this many, a step takes twice as long as with one token on a CPU."""

FORGETTING: Final = 0.98
"""Weight of each step relative to the next one: steps get slower as a context fills up."""

MAX_COST: Final = 0.9
"""Upper bound of the cost: one more token never repeats the work that is done once per step."""

MIN_SPREAD: Final = 0.05
"""Below this variance of the steps' sizes nothing can be learned from them."""


class StepCost:
    """Fits a line to the times of steps by their numbers of tokens: least squares, recent steps count most."""

    def __init__(self) -> None:
        self._weight = self._tokens = self._seconds = self._squares = self._products = 0.0

    def record(self, tokens: int, seconds: float) -> None:
        """Add the time of a step with this many tokens."""
        if tokens > MAX_TOKENS:  # most tokens of a prompt need no logits, so they are cheaper
            return
        self._weight = FORGETTING * self._weight + 1
        self._tokens = FORGETTING * self._tokens + tokens
        self._seconds = FORGETTING * self._seconds + seconds
        self._squares = FORGETTING * self._squares + tokens * tokens
        self._products = FORGETTING * self._products + tokens * seconds

    def of_one_more(self, tokens: int) -> float:
        """Cost of one more token, as a share of what each token of a step with `tokens` tokens costs.

        Draft tokens save time only if at least this share of them is accepted. 0 while it is not known.
        """
        spread = self._weight * self._squares - self._tokens**2
        if spread <= MIN_SPREAD * self._weight**2:
            return 0.0
        slope = (self._weight * self._products - self._tokens * self._seconds) / spread
        mean = self._tokens / self._weight
        whole = self._seconds / self._weight + slope * (tokens - mean)
        return min(max(slope * tokens / whole, 0.0), MAX_COST) if whole > 0 else MAX_COST
