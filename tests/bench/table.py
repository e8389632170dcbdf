"""What the benchmark shows: rows of figures, ours beside the peers' and the ratios."""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    """One thing that was measured, by everybody that can do it; None for the others."""

    what: str
    unit: str
    ours: float | None
    library: float | None = None
    """llama.cpp's own tools; in the table of downloads huggingface_hub."""
    server: float | None = None
    node: float | None = None


PEERS = {"library": 10, "server": 13, "node": 15}
"""Field → width of its column."""

NAMES = {"ours": "sidecar", "library": "llama.cpp", "server": "llama-server", "node": "node-llama-cpp"}


def show(rows: list[Row], library: str = NAMES["library"]) -> None:
    """Print the table, with the peers that have a figure in it.

    Ratios are ours to theirs: of tokens a second more is better, of milliseconds and megabytes less.
    """
    peers = [peer for peer in PEERS if any(getattr(row, peer) is not None for row in rows)]
    width = max(len(row.what) for row in rows)
    names = {**NAMES, "library": library}
    heads = [f"{names[peer]:>{PEERS[peer]}} {'ratio':>6}" for peer in peers]
    print(" ".join([f"{'':{width}} {'':9} {names['ours']:>9}", *heads]))
    for row in rows:
        cells = [_number(row.ours, 9)]
        for peer in peers:
            theirs = getattr(row, peer)
            cells += [_number(theirs, PEERS[peer]), _ratio(row.ours, theirs)]
        print(f"{row.what:{width}} {row.unit:9} {' '.join(cells)}".rstrip())
    print(flush=True)


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """The rows as objects, with the peers' names."""
    return [{NAMES.get(field, field): value for field, value in row._asdict().items()} for row in rows]


def _number(value: float | None, width: int) -> str:
    if value is None:
        return " " * width
    return f"{value:{width}.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _ratio(mine: float | None, theirs: float | None) -> str:
    return f"{mine / theirs:6.2f}" if mine is not None and theirs else " " * 6
