"""`dev.py stress`: runs groups of hostile inputs, kills and long work, one after another, and counts.

Prints one table in Markdown, writes it to out/stress/, and exits with 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests/support", "tests/stress", "tests", "build")]

from outcome import ENGINES_LOST, Outcome  # noqa: E402

OUT = ROOT / "out" / "stress"
SEED = 1
SAY_S = 60.0
"""Seconds between two lines of progress where output is not a terminal."""


class Group(NamedTuple):
    """How long a group may take."""

    full_s: float
    """Without --minutes. A group ends earlier, when it has its full count."""
    share: float
    """Its part of --minutes, relative to the others."""


GROUPS = {
    "lines": Group(7200, 2),
    "damaged_models": Group(7200, 2),
    "media": Group(3600, 1),
    "fuzz": Group(8400, 2),
    "calls": Group(7200, 1),
    "kills": Group(7200, 2),
    "soak": Group(3600, 3),
    "surroundings": Group(1800, 3),
}


class Ran(NamedTuple):
    """What a group found, and how long it took."""

    name: str
    outcome: Outcome
    seconds: float
    seed: int


def main() -> int:
    """Run the groups that are asked for; returns the exit status."""
    options = _arguments()
    shares = sum(GROUPS[name].share for name in options.only)
    ran = []
    for name in options.only:
        group = GROUPS[name]
        seconds = 60 * options.minutes * group.share / shares if options.minutes else group.full_s
        ran.append(_run(name, seconds, options.seed))
    report = "\n".join([*_table(ran), *_faults(ran)])
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "table.md").write_text(report + "\n", encoding="utf-8")
    print(f"\n{report}", flush=True)
    if options.plot:
        _plot()
    return 1 if any(each.outcome.faults for each in ran) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py stress", description=__doc__)
    parser.add_argument("--minutes", type=float, help="share this time among the groups (else: full counts)")
    parser.add_argument("--only", default=",".join(GROUPS), help=f"of {', '.join(GROUPS)}; with commas")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of what is random (default: {SEED})")
    parser.add_argument("--plot", action="store_true", help="draw what the last soak measured, in .github/")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(GROUPS):
        parser.error(f"there is no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    return options


def _plot() -> None:
    sys.path.insert(0, str(ROOT / "tests" / "bench"))
    import plot
    import soak
    import soak_plot

    plot.prepare()
    soak_plot.draw(soak.SAMPLES)


def _run(name: str, seconds: float, seed: int) -> Ran:
    started = time.monotonic()
    Outcome.latest = None
    with _progress(name, seconds):
        try:
            outcome: Outcome = importlib.import_module(name).run(seconds, seed)
        except Exception:
            outcome = Outcome.latest or Outcome()
            outcome.faults.append(f"the group itself failed: {traceback.format_exc()}")
    return Ran(name, outcome, time.monotonic() - started, seed)


@contextlib.contextmanager
def _progress(name: str, seconds: float) -> Iterator[None]:
    """A line that says how far a group is, again and again."""
    started, ended, on_terminal = time.monotonic(), threading.Event(), sys.stdout.isatty()

    def line() -> str:
        now = Outcome.latest
        counts = f"{now.tried} tried, {len(now.faults)} faults" if now else "starts"
        return f"{name}: {counts}, {time.monotonic() - started:.0f} of at most {seconds:.0f} s"

    def say() -> None:
        while not ended.wait(1.0 if on_terminal else SAY_S):
            print(f"\r\033[K{line()}" if on_terminal else line(), end="" if on_terminal else "\n", flush=True)

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        print(f"\r\033[K{line()}" if on_terminal else line(), flush=True)


def _table(ran: list[Ran]) -> list[str]:
    lines = [
        "| group | tried | faults | engines lost | figures | seconds | seed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, outcome, seconds, seed in ran:
        figures = dict(outcome.figures)
        lost = figures.pop(ENGINES_LOST, "–")
        shown = "; ".join(f"{what}: {figure}" for what, figure in figures.items())
        counts = f"{outcome.tried:,} | {len(outcome.faults)} | {lost}"
        lines.append(f"| {name} | {counts} | {shown} | {seconds:.0f} | {seed} |")
    return lines


def _faults(ran: list[Ran]) -> list[str]:
    """Each fault, and the command that repeats its group."""
    lines = []
    for name, outcome, _, seed in ran:
        if outcome.faults:
            lines += ["", f"{name}: `python build/dev.py stress --only {name} --seed {seed}`"]
            lines += [f"* {fault}" for fault in outcome.faults]
    return lines


if __name__ == "__main__":
    sys.exit(main())
