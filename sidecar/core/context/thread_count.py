"""How many threads compute, where other programs want the processors, too.

ggml's threads wait for each other after every operation. If one of them has to wait for a processor, all
do, and instead of half the speed there is a hundredth: with 2 threads on 2 cores beside programs that keep
both busy 2 tokens a second, with one thread 40. So when steps take far longer than they can, fewer threads
go on, and after a while one step tries again with all.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

MAX_TOKENS: Final = 31
"""Larger steps are prompts: they have so much to do between two waits that they suffer less."""

LOOK_BACK: Final = 4
SLOW: Final = 3.0
"""So many times the best time make a slow step; contexts that fill up get slower by less."""

DRIFT: Final = 1.002
"""By this factor the best time is taken to be longer with each step: what is long ago may never come again."""

FIRST_RETRY_S: Final = 5.0
MAX_RETRY_S: Final = 60.0


class Pace:
    """Of one context and its draft's, which compute in turns. `use` sets the number of threads."""

    def __init__(
        self, threads: int, use: Callable[[int], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._all = self.threads = threads
        self._use = use
        self._clock = clock
        self._best: dict[tuple[int, bool], float] = {}
        """Shortest step with all threads, in seconds, by the size of its batch."""
        self._probed: set[tuple[int, bool]] = set()
        """Sizes for which one step with half the threads has shown what all could do at best."""
        self._recent: deque[float] = deque(maxlen=LOOK_BACK)
        """How many times the best time the last steps took, as far as fewer threads do not explain it."""
        self._retry_s = FIRST_RETRY_S
        self._retry_at = 0.0

    def note(self, tokens: int, seconds: float, draft: bool = False) -> None:
        """A step, perhaps the draft's, took so long. May change the number of threads for the next."""
        if self._all == 1 or tokens > MAX_TOKENS:
            return
        size = tokens.bit_length(), draft  # guesses make a number of each step, and few steps of each number
        best = self._best.get(size, seconds)
        if self.threads == self._all:
            best = min(seconds, best * DRIFT)
        elif size not in self._probed:
            # With half the threads a step takes twice as long, if all of them were ever running.
            best = min(best, seconds * self.threads / self._all)
            self._probed.add(size)
            self._set(self._all)
        self._best[size] = best
        self._recent.append(seconds / best * self.threads / self._all)
        trying = self.threads == self._all and self._retry_at > 0
        if trying and self._recent[-1] > SLOW:
            self._retry_s = min(2 * self._retry_s, MAX_RETRY_S)
            self._go_on_with(max(self._all // 2, 1))
        elif self._is_slow() and self.threads > 1:
            self._go_on_with(self.threads // 2)
        elif trying:
            self._retry_at, self._retry_s = 0.0, FIRST_RETRY_S
        elif self.threads < self._all and self._clock() >= self._retry_at:
            self._set(self._all)
        elif size not in self._probed and len(self._recent) == LOOK_BACK:
            self._set(self._all // 2)

    def _is_slow(self) -> bool:
        return len(self._recent) == LOOK_BACK and sum(self._recent) > SLOW * LOOK_BACK

    def _go_on_with(self, threads: int) -> None:
        self._set(threads)
        self._retry_at = self._clock() + self._retry_s

    def _set(self, threads: int) -> None:
        self._recent.clear()
        self.threads = threads
        self._use(threads)
