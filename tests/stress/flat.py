"""Whether a measured curve is flat: the slope of its second half, with its confidence."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import NamedTuple

BLOCKS = 12
"""Neighbouring samples depend on each other; means of so many blocks hardly do."""

T_95 = 2.228
"""Student's t for 95 % and BLOCKS − 2 degrees of freedom."""


class Slope(NamedTuple):
    """Growth over the measured time."""

    growth: float
    """Expected growth from the beginning to the end."""
    margin: float
    """With 95 % confidence it is right within ± this."""

    def grows(self, allowed: float) -> bool:
        """Whether it surely grows, and by more than is allowed."""
        return self.growth > allowed and self.growth > self.margin


def second_half(values: Sequence[float]) -> Sequence[float]:
    """What was measured after the program had warmed up."""
    return values[len(values) // 2 :]


def slope(values: Sequence[float]) -> Slope:
    """Of values measured at equal distances. Raises ValueError for too few."""
    if len(values) < BLOCKS:
        raise ValueError(f"{len(values)} values are too few for a slope, less than {BLOCKS}")
    edges = [round(n * len(values) / BLOCKS) for n in range(BLOCKS + 1)]
    means = [statistics.fmean(values[a:b]) for a, b in itertools.pairwise(edges)]
    places = [n + 0.5 for n in range(BLOCKS)]
    line = statistics.linear_regression(places, means)
    errors = [mean - line.slope * x - line.intercept for x, mean in zip(places, means, strict=True)]
    variance = sum(error**2 for error in errors) / (BLOCKS - 2)
    spread = sum((x - BLOCKS / 2) ** 2 for x in places)
    return Slope(line.slope * BLOCKS, T_95 * (variance / spread) ** 0.5 * BLOCKS)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie, or the largest; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
