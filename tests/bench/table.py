"""Prints what was measured: one line per figure and peer, with the ratio and how sure it is."""

from __future__ import annotations

from typing import Any, NamedTuple

from pairs import Paired

HEADS = ("", "", "sidecar", "peer", "its figure", "ratio", "quartiles", "swing", "pairs")
BUSY = 0.2
"""Swing of a peer above which something else was using the processors."""

LEFT = {0, 1, 3}
"""Columns of words; the others hold numbers."""


class Row(NamedTuple):
    """One line. Without a peer it is a figure of ours alone."""

    what: str
    unit: str
    ours: float | None
    peer: str = ""
    theirs: float | None = None
    paired: Paired | None = None
    """None where ratios need no pairs, as of sizes."""

    @classmethod
    def of(cls, what: str, unit: str, peer: str, paired: Paired) -> Row:
        """A line of a comparison."""
        return cls(what, unit, paired.ours, peer, paired.theirs, paired)

    @property
    def ratio(self) -> float | None:
        """Ours to theirs."""
        if self.paired:
            return self.paired.ratio
        return self.ours / self.theirs if self.ours is not None and self.theirs else None


def show(rows: list[Row]) -> None:
    """Print the table, and what its columns mean."""
    lines = [HEADS, *map(_cells, rows)]
    used = [column for column in range(len(HEADS)) if column < 3 or any(cells[column] for cells in lines[1:])]
    widths = {column: max(len(cells[column]) for cells in lines) for column in used}
    for cells in lines:
        line = [
            cells[column].ljust(width) if column in LEFT else cells[column].rjust(width)
            for column, width in widths.items()
        ]
        print("  ".join(line).rstrip())
    if any(row.paired for row in rows):
        print(
            "\nratio: sidecar to peer, the median of all pairs of neighbouring readings, with its quartiles."
        )
        print("Higher is better where the unit is a speed, lower where it is a time or a size.")
    for line in swings(rows):
        print(line)
    print(flush=True)


def swings(rows: list[Row]) -> list[str]:
    """One sentence per peer: how much its own readings moved."""
    worst: dict[str, float] = {}
    for row in rows:
        if row.paired:
            worst[row.peer] = max(worst.get(row.peer, 0.0), row.paired.swing)
    return [
        f"{peer} itself swung by up to ±{100 * swing:.0f} % (quartiles) during the run."
        + (" The machine was busy: repeat it." if swing > BUSY else "")
        for peer, swing in worst.items()
    ]


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """The rows as objects."""
    return [
        {**row._asdict(), "paired": row.paired and row.paired._asdict(), "ratio": row.ratio} for row in rows
    ]


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    cells = (row.what, row.unit, _number(row.ours), row.peer, _number(row.theirs), ratio)
    if row.paired is None:
        return (*cells, "", "", "")
    paired = row.paired
    quartiles = f"{paired.low:.2f} to {paired.high:.2f}"
    return (*cells, quartiles, f"±{100 * paired.swing:.0f} %", str(paired.pairs))


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"
