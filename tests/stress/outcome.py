"""What one group of the stress run found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

ENGINES_LOST = "engines lost"
"""The figure that has a column of its own in the table."""

MOST_FAULTS = 50
"""Faults that are kept: after so many a group has nothing new to say."""


@dataclass
class Outcome:
    """Counts of one group: how much it tried, what must not happen and did, and other figures for the table."""

    tried: int = 0
    """Inputs, kills or steps: what the group counts."""
    faults: list[str] = field(default_factory=list)
    """One line for each, with what repeats it (seed, bytes, command). Empty when all is well."""
    figures: dict[str, str] = field(default_factory=dict)
    """More for the table, with units in the words."""

    latest: ClassVar[Outcome | None] = None
    """That of the group that runs, for the line of progress."""

    def __post_init__(self) -> None:
        Outcome.latest = self

    def fault(self, text: str) -> None:
        """Note a fault, if there are not too many already."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(text)

    @property
    def is_full(self) -> bool:
        """Whether no more faults are kept: the group may stop."""
        return len(self.faults) >= MOST_FAULTS
