"""What every group is given, and how it compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pairs import Figures, Limits, paired, paired_figures
from pipe import Program
from table import Row


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
        return Row.of(what, unit, peer, paired(ours, theirs, self.limits))

    def compare_figures(
        self,
        figures: Mapping[str, tuple[str, str]],
        peer: str,
        ours: Callable[[], Figures],
        theirs: Callable[[], Figures],
    ) -> list[Row]:
        """The same for readings of several figures; `figures`: name → (what it is, unit)."""
        self.say(f"{', '.join(what for what, _ in figures.values())}, compared with {peer}")
        found = paired_figures(ours, theirs, self.limits)
        return [Row.of(*figures[name], peer, found[name]) for name in figures if name in found]
