"""What a request for text takes: the tokens of `usage` and the times of `timings`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidecar.core.context.conversation_store import Origin
    from sidecar.core.speculation.speculation import Speculation
    from sidecar.message_handler._types import Timings, Usage


def usage_of(
    prompt: int,
    cached: tuple[int, Origin],
    completed: int,
    reasoning: int,
    forced: int,
    truncated: int,
    speculation: Speculation | None,
) -> Usage:
    """The member `usage` of a result. `cached`: how many tokens of the prompt, and where they were."""
    usage: Usage = {"promptTokens": prompt, "cachedTokens": cached[0], "completionTokens": completed}
    if cached[0]:
        usage["cachedFrom"] = cached[1]
    if reasoning:
        usage["reasoningTokens"] = reasoning
    if forced:
        usage["forcedTokens"] = forced
    if truncated:
        usage["truncatedTokens"] = truncated
    if speculation is not None:
        usage["guessedTokens"] = speculation.drafted
        usage["acceptedTokens"] = speculation.accepted
    return usage


class Stopwatch:
    """When a request arrived, was admitted, and got its tokens, in seconds of the monotonic clock."""

    def __init__(self, arrived: float) -> None:
        self._arrived = arrived
        self._admitted = self._first = self._last = 0.0

    def admit(self) -> bool:
        """Note that the request has a sequence. Returns whether it is the first time."""
        first_time = not self._admitted
        if first_time:
            self._admitted = time.monotonic()
        return first_time

    def count_token(self) -> None:
        """Note that a token was sampled."""
        self._last = time.monotonic()
        if not self._first:
            self._first = self._last

    def timings(self, completed: int) -> Timings:
        """The member `timings` of a result with this many tokens."""
        now = time.monotonic()
        admitted = self._admitted or now
        first = self._first or now
        generated = self._last - self._first if self._first else 0.0
        rate = (completed - 1) / generated if completed > 1 and generated > 0 else None
        return {
            "queueMs": _ms(admitted - self._arrived),
            "promptMs": _ms(first - admitted),
            "timeToFirstTokenMs": _ms(first - self._arrived) if self._first else None,
            "generateMs": _ms(generated),
            "tokensPerSecond": round(rate, 2) if rate is not None else None,
        }


def _ms(seconds: float) -> float:
    return round(max(seconds, 0.0) * 1000, 3)
