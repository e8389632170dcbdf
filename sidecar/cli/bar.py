"""The progress of a download for people: one line that is redrawn, or now and then a line in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TextIO

from sidecar.cli.figures import duration, share, size
from sidecar.cli.terminal import Marks, cells, marks, pad, printable, shorten, width

VERBS: Final = {"download": "Fetching", "verify": "Checking"}
LINE_STEP: Final = 0.1
LINE_PAUSE_S: Final = 10.0
"""Where nothing can be redrawn: a line every tenth, and after this pause."""
MIN_BAR: Final = 8
MAX_BAR: Final = 40
GAP: Final = "  "


class ProgressBar:
    """Shows `progress` of the types download and verify. `clear` leaves no trace of it on a terminal."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._marks = marks(stream)
        self._clock = clock
        self._drawn = False
        self._told: dict[str, tuple[float, float]] = {}
        """Type → the fraction and the time of its last line."""

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """Take a notification of the program."""
        if method == "progress" and params["progressType"] in VERBS:
            self._show(params)
        elif method == "info" and params["level"] in ("warning", "error"):
            self.clear()
            self._write(printable(params["message"]) + "\n")

    def wait(self, text: str) -> None:
        """Say what is being waited for, until there is progress."""
        columns = width(self._stream)
        if columns is None:
            self._write(text + "\n")
        else:
            self._draw(shorten(text, columns, self._marks.ellipsis), columns)

    def clear(self) -> None:
        """Take the line away."""
        columns = width(self._stream)
        if self._drawn and columns is not None:
            self._draw("", columns)
        self._drawn = False

    def _show(self, progress: dict[str, Any]) -> None:
        columns = width(self._stream)
        if columns is not None:
            self._draw(bar_line(progress, columns, self._marks), columns)
        elif self._is_due(progress):
            self._write(log_line(progress) + "\n")

    def _is_due(self, progress: dict[str, Any]) -> bool:
        kind, now = progress["progressType"], self._clock()
        fraction = progress["progress"] or 0.0
        before = self._told.get(kind)
        step = int(fraction / LINE_STEP + 1e-9)
        if before is not None:
            due = step > int(before[0] / LINE_STEP + 1e-9) or now - before[1] >= LINE_PAUSE_S
            if not due:
                return False
        self._told[kind] = (fraction, now)
        return True

    def _draw(self, text: str, columns: int) -> None:
        # Spaces blot out what was there, on every console. The cursor rests at the left: a ^C that is
        # echoed is blotted out, too.
        self._write("\r" + pad(text, columns) + "\r")
        self._drawn = True

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _figures(progress: dict[str, Any]) -> dict[str, str]:
    """What there is to say, by name; only what is known."""
    done = progress["downloadedBytes" if progress["progressType"] == "download" else "verifiedBytes"]
    said = {"verb": VERBS[progress["progressType"]], "name": printable(progress["file"])}
    if progress["progress"] is not None:
        said["percent"] = f"{int(progress['progress'] * 100 + 1e-9):3d} %"
    said["bytes"] = share(done, progress["totalBytes"])
    if progress.get("bytesPerSecond"):
        said["speed"] = f"{size(progress['bytesPerSecond'])}/s"
    if progress.get("etaMs"):
        said["left"] = f"{duration(progress['etaMs'] / 1000)} left"
    if progress["fileCount"] > 1:
        said["count"] = f"file {progress['fileIndex']} of {progress['fileCount']}"
    return said


def bar_line(progress: dict[str, Any], columns: int, signs: Marks) -> str:
    """The line for a terminal: as much as fits, the most telling first."""
    said = _figures(progress)
    chosen: dict[str, str] = {}
    room = columns + len(GAP)
    for part in ("percent", "left", "bytes", "speed", "bar", "count", "verb", "name"):
        if part == "bar" and progress["progress"] is None:
            continue
        text = " " * MIN_BAR if part == "bar" else said.get(part, "")
        if text and cells(text) + len(GAP) <= room:
            chosen[part] = text
            room -= cells(text) + len(GAP)
    if "bar" in chosen:
        length = min(MAX_BAR, MIN_BAR + room)
        filled = int(progress["progress"] * length + 1e-9)
        chosen["bar"] = signs.full * filled + signs.empty * (length - filled)
    order = ("verb", "name", "count", "bar", "percent", "bytes", "speed", "left")
    line = GAP.join(chosen[part] for part in order if part in chosen)
    return shorten(line, columns, signs.ellipsis)


def log_line(progress: dict[str, Any]) -> str:
    """The line for a log."""
    said = _figures(progress)
    parts = [said[part].strip() for part in ("percent", "bytes", "speed", "left", "count") if part in said]
    return f"{said['verb']} {said['name']}: {', '.join(parts)}"
