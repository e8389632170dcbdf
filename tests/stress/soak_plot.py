"""Draws what a soak measured: `.github/soak.svg` and `.github/soak.png`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import flat

ROOT = Path(__file__).parents[2]
FILES = [ROOT / ".github" / f"soak.{kind}" for kind in ("svg", "png")]
INK = "#808890"
COLOURS = {
    "router": "#e8590c",
    "engine": "#3b8bdb",
    "ping": "#37a158",
    "abort": "#e8590c",
    "bare child": "#868e96",
}
POINTS = 60
"""Of each curve of times: the 99th percentile of a part of the run."""


def draw(samples: Path) -> None:
    """Write the files from what soak.py kept."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    data = json.loads(samples.read_text(encoding="utf-8"))
    colours = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    more = {"svg.fonttype": "none", "svg.hashsalt": "soak", "font.size": 9}
    with pyplot.rc_context({**dict.fromkeys(colours, INK), **more}):
        figure, axes = pyplot.subplots(2, 3, figsize=(10, 5), layout="constrained", sharex=True)
        at = [sample["at"] / 60 for sample in data["samples"]]
        for plot, process in zip((axes[0][0], axes[0][1]), ("router", "engine"), strict=True):
            values = [sample[process]["rss"] / 1e6 for sample in data["samples"]]
            plot.plot(at, values, color=COLOURS[process], label=process, linewidth=1)
            _finish(plot, "resident memory, MB")
        for plot, what in ((axes[0][2], "descriptors"), (axes[1][2], "threads")):
            for process in ("router", "engine"):
                values = [sample[process][what] for sample in data["samples"]]
                plot.plot(at, values, color=COLOURS[process], label=process, linewidth=1)
            _finish(plot, what)
        aborts = sorted(taken for each in data["aborts"].values() for taken in each)
        for plot, name, times in ((axes[1][0], "ping", data["pings"]), (axes[1][1], "abort", aborts)):
            _times(plot, name, times, data["seconds"])
            _times(plot, "bare child", data["echoes"], data["seconds"])
            _finish(plot, f"{name}, p99 in ms")
        for plot in axes[1]:
            plot.set_xlabel("minutes")
        for file in FILES:
            figure.savefig(file, transparent=True, metadata={"Date": None} if file.suffix == ".svg" else None)


def _times(plot: Any, name: str, times: list[list[float]], seconds: float) -> None:
    """The 99th percentile in each part of the run that has a value."""
    width = seconds / POINTS
    parts: dict[int, list[float]] = {}
    for at, ms in times:
        parts.setdefault(int(at / width), []).append(ms)
    shown = sorted(parts)
    values = [flat.percentile(parts[part], 0.99) for part in shown]
    plot.plot(
        [(part + 0.5) * width / 60 for part in shown], values, color=COLOURS[name], label=name, linewidth=1
    )


def _finish(plot: Any, title: str) -> None:
    plot.set_title(title)
    plot.set_ylim(bottom=0)
    plot.patch.set_alpha(0)
    plot.legend(frameon=False)
