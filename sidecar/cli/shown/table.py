"""A table that fits the terminal: less important columns are left out, then the first is shortened."""

from __future__ import annotations

from typing import Final, NamedTuple

from sidecar.cli.shown.terminal import cells, pad, shorten

GAP: Final = "  "
MIN_FIRST: Final = 32
"""Width that the first column keeps; other columns are left out first."""


class Column(NamedTuple):
    """A column. `rank` 0 is always shown; of the others, the highest rank is left out first."""

    title: str
    rank: int = 0
    right: bool = False


def table(columns: list[Column], rows: list[list[str]], limit: int | None, ellipsis: str) -> list[str]:
    """The lines of a table, at most `limit` characters wide; None: any width."""
    texts = [[column.title for column in columns], *rows]
    widths = [max(cells(row[index]) for row in texts) for index in range(len(columns))]
    shown = list(range(len(columns)))
    if limit is not None:
        widths[0], first = min(widths[0], MIN_FIRST), widths[0]
        for index in sorted(shown[1:], key=lambda index: -columns[index].rank):
            if _total(widths, shown) > limit and columns[index].rank:
                shown.remove(index)
        widths[0] = max(1, min(first, widths[0] + limit - _total(widths, shown)))
    lines = []
    for row in texts:
        padded = [pad(shorten(row[i], widths[i], ellipsis), widths[i], columns[i].right) for i in shown]
        lines.append(GAP.join(padded).rstrip())
    return lines


def _total(widths: list[int], shown: list[int]) -> int:
    return sum(widths[index] for index in shown) + len(GAP) * (len(shown) - 1)
