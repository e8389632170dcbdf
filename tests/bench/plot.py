"""Draws how cost grows: `.github/bench.svg` and `.github/bench.png`.

The page behind the picture may be light or dark: the ground is transparent, and the colours are visible on both.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from groups.growth import LONGEST, PROMPTS, PROMPTS_WHAT, STREAMS, STREAMS_WHAT
from peers import llama_tools, node_llama_cpp, server
from table import Row

import pins  # of build/
from checkout import VENV  # of build/
from steps import Step, digest, ensure  # of build/

FILES = [Path(__file__).parents[2] / ".github" / f"bench.{kind}" for kind in ("svg", "png")]
INK = "#808890"
OURS = "sidecar"
TOOLS = "llama.cpp's bench tools"
LOOKS = {
    OURS: ("#e8590c", "o"),
    TOOLS: ("#868e96", "s"),
    server.NAME: ("#3b8bdb", "^"),
    node_llama_cpp.NAME: ("#37a158", "D"),
}
"""Who → colour and mark."""

Curve: TypeAlias = "dict[int, float]"
"""Number of streams, or length of the prompt → tokens per second."""


def prepare() -> None:
    """Install matplotlib, as it is pinned."""
    requirements = pins.pinned(pins.PLOT)
    key = digest(requirements)
    ensure([Step(VENV / "stamps" / "plot", lambda: key, lambda: pins.install(requirements, "matplotlib"))])


def curves(rows: list[Row], what: str, sizes: tuple[int, ...]) -> dict[str, Curve]:
    """Who → curve, of the rows that growth.py makes; ours is the median of our readings against all peers."""
    found: dict[str, Curve] = {OURS: {}}
    for size in sizes:
        of_size = [row for row in rows if row.what == what.format(size)]
        found[OURS][size] = statistics.median(row.ours for row in of_size if row.ours is not None)
        for row in of_size:
            name = TOOLS if row.peer in (llama_tools.BENCH, llama_tools.BATCHED) else row.peer
            if row.theirs is not None:
                found.setdefault(name, {})[size] = row.theirs
    return found


def draw(rows: list[Row]) -> None:
    """Write the files from the rows of the groups `streams` and `prompts`."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    settings = {
        "font.size": 10,
        "font.family": ["DejaVu Sans", "sans-serif"],
        "svg.fonttype": "path",  # the same on every machine
        "svg.hashsalt": "bench",  # the same figures make the same file
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), INK
        ),
    }
    with plt.rc_context(settings):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.9), layout="constrained")
        _curves(left, curves(rows, STREAMS_WHAT, STREAMS), STREAMS)
        left.set(title="Tokens per second, all streams together", xlabel="streams")
        lengths = (*PROMPTS, LONGEST)
        speeds = curves(rows, PROMPTS_WHAT, lengths)
        costs = {who: {n: 1000 / speed for n, speed in curve.items()} for who, curve in speeds.items()}
        _curves(right, costs, lengths)
        right.set(title="Milliseconds per token of the prompt", xlabel="tokens in the prompt")
        handles, labels = (part[::-1] for part in left.get_legend_handles_labels())
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        for file in FILES:
            dated = {"metadata": {"Date": None}} if file.suffix == ".svg" else {"dpi": 160}
            figure.savefig(file, transparent=True, **dated)
        plt.close(figure)


def _curves(axes: Any, found: Mapping[str, Curve], sizes: tuple[int, ...]) -> None:
    for who, curve in reversed(found.items()):  # ours on top
        colour, mark = LOOKS[who]
        axes.plot(
            list(curve),
            list(curve.values()),
            label=who,
            color=colour,
            marker=mark,
            markersize=5,
            linewidth=2.6 if who == OURS else 1.6,
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=INK, alpha=0.25, linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
