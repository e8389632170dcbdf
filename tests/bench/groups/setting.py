"""What every group is given, and how it compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from pairs import Figures, Limits, paired, paired_figures
from pipe import Program
from table import Row

SETTLE_S = 0.3
"""After each reading of a peer: a thread of llama-server spins for 0.2 s after it has answered, at our cost."""

T = TypeVar("T")


class Setting(NamedTuple):
    """The program, the model, and how long to measure."""

    program: Program
    model: str
    say: Callable[[str], None]
    """Shows progress."""
    limits: Limits
    """Of each comparison."""
    quick: bool
    """Leave out what takes long."""

    def within(self, seconds: float) -> Setting:
        """The same with at most this number of seconds per comparison."""
        return self._replace(limits=self.limits.within(seconds))

    def compare(
        self, what: str, unit: str, peer: str, ours: Callable[[], float], theirs: Callable[[], float]
    ) -> Row:
        """Read us and a peer in turn."""
        self.say(f"{what}, compared with {peer}")
        return Row.of(what, unit, peer, paired(ours, _settled(theirs), self.limits))

    def compare_figures(
        self,
        figures: Mapping[str, tuple[str, str]],
        peer: str,
        ours: Callable[[], Figures],
        theirs: Callable[[], Figures],
    ) -> list[Row]:
        """The same for readings of several figures; `figures`: name → (what it is, unit)."""
        self.say(f"{', '.join(what for what, _ in figures.values())}, compared with {peer}")
        found = paired_figures(ours, _settled(theirs), self.limits)
        return [Row.of(*figures[name], peer, found[name]) for name in figures if name in found]


def _settled(read: Callable[[], T]) -> Callable[[], T]:
    """The same, followed by a pause in which the processors become free."""

    def read_and_wait() -> T:
        found = read()
        time.sleep(SETTLE_S)
        return found

    return read_and_wait
