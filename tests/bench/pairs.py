"""Compares us with a peer by readings in turn: ours, the peer's, ours, the peer's, …, ours.

The speed of a machine drifts while a benchmark runs. Two figures that were read minutes apart say more about
the machine than about the programs. So each reading of the peer lies between two of ours, and is compared
with their geometric mean: a machine that becomes steadily faster or slower does not move the ratio.
"""

from __future__ import annotations

import math
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

Figures = Mapping[str, float]
"""Name → what one reading found under it."""

PAIRS = 15
LEAST_PAIRS = 3
"""As many are read in any case, also when the time is up."""

READING_S = 300.0
"""Of one reading, at most: a program may hang. Where there are no signals, as on Windows, nothing ends it."""


class Paired(NamedTuple):
    """The result of a comparison."""

    ours: float
    """Median of our readings."""
    theirs: float
    """Median of the peer's readings."""
    ratio: float
    """Median of the ratios, ours to theirs, of neighbouring readings."""
    low: float
    """Lower quartile of the ratios."""
    high: float
    """Upper quartile of the ratios."""
    swing: float
    """Half the distance between the quartiles of the peer's own readings, as a share of its median."""
    pairs: int


class Limits(NamedTuple):
    """When a comparison ends: after this number of pairs, or earlier when the time is up."""

    pairs: int = PAIRS
    seconds: float = math.inf
    """math.inf: the number of pairs alone counts."""

    def within(self, seconds: float) -> Limits:
        """The same, with at most this number of seconds, if there is a limit at all."""
        return self if self.seconds == math.inf else self._replace(seconds=min(self.seconds, seconds))


DEFAULT = Limits()


def compare(ours: Sequence[float], theirs: Sequence[float]) -> Paired:
    """Compare readings that were made in turn; ours are one more than theirs."""
    around = [math.sqrt(before * after) for before, after in pairwise(ours)]
    ratios = [mine / other for mine, other in zip(around, theirs, strict=True)]
    low, ratio, high = quartiles(ratios)
    theirs_low, theirs_median, theirs_high = quartiles(theirs)
    swing = (theirs_high - theirs_low) / 2 / theirs_median
    return Paired(statistics.median(ours), theirs_median, ratio, low, high, swing, len(ratios))


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile; of one value three times that value."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high


def paired(ours: Callable[[], float], theirs: Callable[[], float], limits: Limits = DEFAULT) -> Paired:
    """Read in turn and compare. Each function makes one short reading and returns its figure."""
    return paired_figures(lambda: {"": ours()}, lambda: {"": theirs()}, limits)[""]


def paired_figures(
    ours: Callable[[], Figures], theirs: Callable[[], Figures], limits: Limits = DEFAULT
) -> dict[str, Paired]:
    """The same for readings that find several figures at once; those that both find are compared."""
    end = time.perf_counter() + limits.seconds

    def read(one: Callable[[], Figures], whose: str) -> Figures:
        with _limited(f"a reading of {whose}"):
            return one()

    mine: list[Figures] = [read(ours, "ours")]
    others: list[Figures] = []
    while len(others) < limits.pairs and (len(others) < LEAST_PAIRS or time.perf_counter() < end):
        others.append(read(theirs, "the peer's"))
        mine.append(read(ours, "ours"))
    return {
        name: compare([figures[name] for figures in mine], [figures[name] for figures in others])
        for name in mine[0]
        if name in others[0]
    }


@contextmanager
def _limited(what: str) -> Iterator[None]:
    """Raises TimeoutError in a block that takes longer than READING_S."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise TimeoutError(f"{what} did not end within {READING_S:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, READING_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
