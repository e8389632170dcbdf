"""The progress of a long command: one changing line on a terminal, else a line every ten seconds."""

from __future__ import annotations

import re
import sys
import time

# ninja prints "[12/90] …", make "[ 13%] …".
_NINJA = re.compile(r"^\s*\[(\d+)/(\d+)\]")
_MAKE = re.compile(r"^\s*\[\s*(\d+)%\]")

REDRAW_SECONDS = 0.2
LINE_SECONDS = 10.0


def fraction(line: str) -> float | None:
    """The finished share of a build, 0 to 1, from a line of its output; None if the line has none."""
    if match := _NINJA.match(line):
        return int(match[1]) / max(1, int(match[2]))
    if match := _MAKE.match(line):
        return int(match[1]) / 100
    return None


def clock(seconds: float) -> str:
    """Seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class Progress:
    """Shows `what`, the finished share and the time since the start."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._terminal = sys.stdout.isatty()
        self._started = time.monotonic()
        self._shown = self._started - LINE_SECONDS
        self._done: float | None = None

    def feed(self, line: str) -> None:
        """Takes a line of the command's output."""
        done = fraction(line)
        if done is not None:
            self._done = done
        if time.monotonic() - self._shown >= (REDRAW_SECONDS if self._terminal else LINE_SECONDS):
            self._show()

    def finish(self, outcome: str) -> None:
        """Ends the line with the outcome."""
        end = f"{self._what}: {outcome} after {clock(time.monotonic() - self._started)}"
        self._print(end, last=True)

    def _show(self) -> None:
        self._shown = time.monotonic()
        share = "" if self._done is None else f" {self._done:4.0%}"
        text = f"{self._what}:{share} {clock(self._shown - self._started)}"
        self._print(text)

    def _print(self, text: str, last: bool = False) -> None:
        if self._terminal:  # spaces cover the rest of a longer line
            print(f"\r{text:<60}", end="\n" if last else "", flush=True)
        else:
            print(text, flush=True)
