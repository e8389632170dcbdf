"""What one group of the stress run found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Counts of one group: how much it tried, what must not happen and did, and other figures for the table."""

    tried: int = 0
    """Inputs, kills or steps: what the group counts."""
    faults: list[str] = field(default_factory=list)
    """One line for each, with what repeats it (seed, bytes, command). Empty when all is well."""
    figures: dict[str, str] = field(default_factory=dict)
    """More for the table, with units in the words."""
