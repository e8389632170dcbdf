"""Chooses how many threads compute when other programs use the processors, too.

ggml's threads wait for each other after every operation. If one of them waits for a processor, all of them do, and the
speed falls to a hundredth instead of a half. With 2 threads on 2 cores that other programs keep busy, a model
makes 2 tokens per second; with one thread it makes 40. So when steps take far longer than the best ones, fewer
threads compute. After a while one step tries all of them again. If it is quicker than all steps with fewer, the steps
have become longer themselves: a long conversation came after a short one. Prompts always have all threads: on
processors that other programs keep busy, a prompt of 512 tokens was never slower with two threads than with one.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

MAX_TOKENS: Final = 31
"""Steps with more tokens are prompts. They compute longer between two waits, so they suffer less."""

AVERAGED_STEPS: Final = 4
"""Steps over which slowness is averaged."""

PROBED_STEPS: Final = 2
"""Steps before the one with half the threads. Few, since each may take seconds when the threads are stuck."""

SLOW: Final = 3.0
"""A step is slow if it takes this many times the best time. Contexts that fill up get slower by less."""

DRIFT: Final = 1.002
"""The best time grows by this factor per step, since an old one may no longer be possible."""

FIRST_RETRY_S: Final = 2.0
MAX_RETRY_S: Final = 60.0


class ThreadCount:
    """The number of threads of a context and of its draft model's context, which compute in turns."""

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._all = self.threads = threads
        self._clock = clock
        self._best: dict[tuple[int, bool], float] = {}
        """Shortest step with all threads, in seconds per token, per size class of the batch and per model."""
        self._steps: Counter[tuple[int, bool]] = Counter()
        """How many steps with all threads each key of `_best` had. The first one may have read the model from disk."""
        self._probed: set[tuple[int, bool]] = set()
        """The keys of `_best` for which a step with half the threads has shown the possible best time."""
        self._asked: set[tuple[int, bool]] = set()
        """The keys that have asked for such a step. The step that comes next may have another key."""
        self._recent: deque[float] = deque(maxlen=AVERAGED_STEPS)
        """Times of the last steps in multiples of the best, corrected for fewer threads."""
        self._reduced: dict[tuple[int, bool], float] = {}
        """Shortest step with fewer threads since the last reduction, in seconds per token."""
        self._retry_s = FIRST_RETRY_S
        self._retry_at = 0.0
        """When all threads are tried again; 0: they are not reduced."""

    def of_step(self, tokens: int) -> int:
        """The number of threads for a step with this many tokens."""
        return self._all if tokens > MAX_TOKENS else self.threads

    def record(self, tokens: int, seconds: float, draft: bool = False) -> None:
        """Add the time of a step, perhaps of the draft model. May change the number of threads for the next step."""
        if self._all == 1 or tokens > MAX_TOKENS:
            return
        size = tokens.bit_length(), draft  # draft tokens make steps of many sizes, too few of each
        seconds /= tokens  # steps of a size class have up to twice as many tokens as others of it
        best = self._best.get(size, seconds)
        if self.threads == self._all:
            self._steps[size] += 1
            longer = self._retry_at > 0 and seconds < self._reduced.get(size, 0.0)
            best = seconds if longer else min(seconds, best * DRIFT)
        elif self._retry_at > 0:
            self._reduced[size] = min(seconds, self._reduced.get(size, seconds))
        elif size not in self._probed:
            # With half the threads a step takes twice as long, if all of them ever had a processor.
            possible = seconds * self.threads / self._all
            self._probed.add(size)
            if best > SLOW * possible and self._steps[size] >= PROBED_STEPS:
                self._reduce(self.threads)
            else:
                self._set(self._all)
            best = min(best, possible)
        self._best[size] = best
        self._recent.append(seconds / best * self.threads / self._all)
        self._adapt(size)

    def _adapt(self, size: tuple[int, bool]) -> None:
        trying = self.threads == self._all and self._retry_at > 0
        if trying and self._recent[-1] > SLOW:
            self._retry_s = min(2 * self._retry_s, MAX_RETRY_S)
            self._reduce(max(self._all // 2, 1))
        elif self._is_slow() and self.threads > 1:
            self._reduce(self.threads // 2)
        elif trying:
            self._retry_at, self._retry_s = 0.0, FIRST_RETRY_S
        elif self.threads < self._all and self._clock() >= self._retry_at:
            self._set(self._all)
        elif not self._retry_at and size not in self._asked and self._steps[size] >= PROBED_STEPS:
            self._asked.add(size)
            self._set(self._all // 2)

    def _is_slow(self) -> bool:
        return len(self._recent) == AVERAGED_STEPS and sum(self._recent) > SLOW * AVERAGED_STEPS

    def _reduce(self, threads: int) -> None:
        """Compute with fewer threads until the next try with all of them."""
        self._reduced.clear()
        self._set(threads)
        self._retry_at = self._clock() + self._retry_s

    def _set(self, threads: int) -> None:
        self._recent.clear()
        self.threads = threads
