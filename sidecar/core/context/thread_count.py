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


class ThreadCount:
    """The number of threads of a context and of its draft model's context, which compute in turns."""

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._all = self.threads = threads
        self._clock = clock
        self._subscribers: list[Callable[[int], None]] = []
        self._best: dict[tuple[int, bool], float] = {}
        """Shortest step with all threads, in seconds, per size of batch and model."""
        self._probed: set[tuple[int, bool]] = set()
        """The keys of `_best` for which one step with half the threads has shown the best possible time."""
        self._recent: deque[float] = deque(maxlen=LOOK_BACK)
        """Times of the last steps in multiples of the best; what fewer threads explain is taken out."""
        self._retry_s = FIRST_RETRY_S
        self._retry_at = 0.0

    def subscribe(self, use: Callable[[int], None]) -> None:
        """Call `use` with the number of threads after each change."""
        self._subscribers.append(use)

    def record(self, tokens: int, seconds: float, draft: bool = False) -> None:
        """A step, perhaps the draft's, took so long. May change the number of threads for the next."""
        if self._all == 1 or tokens > MAX_TOKENS:
            return
        size = tokens.bit_length(), draft  # draft tokens make steps of many sizes
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
        for use in self._subscribers:
            use(threads)
