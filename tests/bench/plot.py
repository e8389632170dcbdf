"""Draws how cost grows, for the README: `.github/bench.svg` and `.github/bench.png`.

The page behind the picture may be light or dark: the ground is transparent, and every colour between the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peers  # noqa: F401  puts build/ on the path
from growth import PROMPTS, STREAMS, Growth
from table import NAMES

import pins  # isort: skip
from checkout import VENV  # isort: skip
from steps import Step, digest, ensure  # isort: skip

if TYPE_CHECKING:
    from growth import Curve

FILES = [Path(__file__).parents[2] / ".github" / f"bench.{kind}" for kind in ("svg", "png")]
INK = "#808890"
COLOURS = {"ours": "#e8590c", "library": "#868e96", "server": "#3b8bdb", "node": "#37a158"}
MARKS = {"ours": "o", "library": "s", "server": "^", "node": "D"}


def prepare() -> None:
    """Install matplotlib, as it is pinned."""
    requirements = pins.pinned(pins.PLOT)
    key = digest(requirements)
    ensure([Step(VENV / "stamps" / "plot", lambda: key, lambda: pins.install(requirements, "matplotlib"))])


def draw(growth: Growth) -> None:
    """Write the files."""
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
        _curves(left, growth.streams, STREAMS)
        left.set(title="Tokens a second, all streams together", xlabel="streams")
        costs = {who: {n: 1000 / rate for n, rate in curve.items()} for who, curve in growth.prompts.items()}
        _curves(right, costs, PROMPTS)
        right.set(title="Milliseconds a token of the prompt", xlabel="tokens in the prompt")
        handles, labels = (part[::-1] for part in left.get_legend_handles_labels())
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        for file in FILES:
            dated = {"metadata": {"Date": None}} if file.suffix == ".svg" else {"dpi": 160}
            figure.savefig(file, transparent=True, **dated)
        plt.close(figure)


def _curves(axes: Any, curves: Mapping[str, Curve], sizes: tuple[int, ...]) -> None:
    for who, curve in reversed(curves.items()):  # ours on top
        axes.plot(
            sizes,
            [curve[size] for size in sizes],
            label="llama.cpp's bench tools" if who == "library" else NAMES[who],
            color=COLOURS[who],
            marker=MARKS[who],
            markersize=5,
            linewidth=2.6 if who == "ours" else 1.6,
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=INK, alpha=0.25, linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
