"""The progress of a download: one line that is redrawn on a terminal, or a line from time to time in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TextIO

from sidecar.cli.shown.figures import duration, share, size
from sidecar.cli.shown.terminal import Marks, cells, marks, pad, printable, shorten, width

if TYPE_CHECKING:
    from sidecar.message_handler._types import (
        DownloadProgress,
        EmbedProgress,
        Info,
        LoadProgress,
        Progress,
        PromptProgress,
        VerifyProgress,
    )

    FileProgress = DownloadProgress | VerifyProgress
    WorkProgress = LoadProgress | PromptProgress | EmbedProgress

VERBS: Final = {
    **{"download": "Fetching", "verify": "Checking"},
    **{"load": "Loading", "prompt": "Reading", "embed": "Computing"},
}
LINE_STEP: Final = 0.1
LINE_PAUSE_S: Final = 10.0
"""In a log: a new line after each tenth of the bytes, and after this pause."""
MIN_BAR: Final = 8
MAX_BAR: Final = 40
GAP: Final = "  "


class ProgressBar:
    """Shows the progress of files, and on a terminal that of work. `clear` removes it from a terminal."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._marks = marks(stream)
        self._clock = clock
        self._drawn = False
        self._logged: dict[str, tuple[float, float]] = {}
        """Type → fraction and time of its last line in a log."""

    def notified(self, method: str, params: Any) -> None:  # Progress or Info, as the method says
        """Show a notification of the program."""
        if method == "progress":
            progress: Progress = params
            if progress["progressType"] == "download" or progress["progressType"] == "verify":
                self._show(progress)
            elif progress["progressType"] in ("load", "prompt", "embed"):
                self._show_work(progress)
        elif method == "info":
            info: Info = params
            if info["level"] in ("warning", "error"):
                self.clear()
                self._write(printable(info["message"]) + "\n")

    def wait(self, text: str) -> None:
        """Show `text` until there is progress."""
        columns = width(self._stream)
        if columns is None:
            self._write(text + "\n")
        else:
            self._draw(shorten(text, columns, self._marks.ellipsis), columns)

    def clear(self) -> None:
        """Remove the line."""
        columns = width(self._stream)
        if self._drawn and columns is not None:
            self._draw("", columns)
        self._drawn = False

    def _show(self, progress: FileProgress) -> None:
        columns = width(self._stream)
        if columns is not None:
            self._draw(bar_line(progress, columns, self._marks), columns)
        elif self._is_due(progress):
            self._write(log_line(progress) + "\n")

    def _show_work(self, progress: WorkProgress) -> None:
        """Work takes seconds, so a log does not have it; what is done at once would only flicker."""
        columns = width(self._stream)
        begun = progress["progressType"] == "load" or 0 < (progress["progress"] or 0) < 1
        if columns is not None and begun:
            parts = {"verb": VERBS[progress["progressType"]], **_percent(progress["progress"])}
            self._draw(_fitting(parts, progress["progress"], columns, self._marks), columns)

    def _is_due(self, progress: FileProgress) -> bool:
        kind, now = progress["progressType"], self._clock()
        fraction = progress["progress"] or 0.0
        before = self._logged.get(kind)
        step = int(fraction / LINE_STEP + 1e-9)
        if before is not None:
            due = step > int(before[0] / LINE_STEP + 1e-9) or now - before[1] >= LINE_PAUSE_S
            if not due:
                return False
        self._logged[kind] = (fraction, now)
        return True

    def _draw(self, text: str, columns: int) -> None:
        # Spaces overwrite the old line on every console. The cursor stays at the left, so that the next line
        # overwrites an echoed ^C, too.
        self._write("\r" + pad(text, columns) + "\r")
        self._drawn = True

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _percent(fraction: float | None) -> dict[str, str]:
    return {} if fraction is None else {"percent": f"{int(fraction * 100 + 1e-9):3d} %"}


def _figures(progress: FileProgress) -> dict[str, str]:
    """The parts of a line by name; unknown ones are left out."""
    figures = {"verb": VERBS[progress["progressType"]], "name": printable(progress["file"])}
    figures |= _percent(progress["progress"])
    if progress["progressType"] == "download":
        figures["bytes"] = share(progress["downloadedBytes"], progress["totalBytes"])
        if progress["bytesPerSecond"]:
            figures["speed"] = f"{size(progress['bytesPerSecond'])}/s"
        if progress["etaMs"]:
            figures["left"] = f"{duration(progress['etaMs'] / 1000)} left"
    else:
        figures["bytes"] = share(progress["verifiedBytes"], progress["totalBytes"])
    if progress["fileCount"] > 1:
        figures["count"] = f"file {progress['fileIndex']} of {progress['fileCount']}"
    return figures


def bar_line(progress: FileProgress, columns: int, signs: Marks) -> str:
    """The line for a terminal."""
    return _fitting(_figures(progress), progress["progress"], columns, signs)


def _fitting(figures: dict[str, str], fraction: float | None, columns: int, signs: Marks) -> str:
    """The most important parts that fit."""
    chosen: dict[str, str] = {}
    room = columns + len(GAP)
    for part in ("percent", "left", "bytes", "speed", "bar", "count", "verb", "name"):
        if part == "bar" and fraction is None:
            continue
        text = " " * MIN_BAR if part == "bar" else figures.get(part, "")
        if text and cells(text) + len(GAP) <= room:
            chosen[part] = text
            room -= cells(text) + len(GAP)
    if fraction is not None and "bar" in chosen:
        length = min(MAX_BAR, MIN_BAR + room)
        filled = int(fraction * length + 1e-9)
        chosen["bar"] = signs.full * filled + signs.empty * (length - filled)
    order = ("verb", "name", "count", "bar", "percent", "bytes", "speed", "left")
    line = GAP.join(chosen[part] for part in order if part in chosen)
    return shorten(line, columns, signs.ellipsis)


def log_line(progress: FileProgress) -> str:
    """The line for a log."""
    figures = _figures(progress)
    shown = [
        figures[part].strip() for part in ("percent", "bytes", "speed", "left", "count") if part in figures
    ]
    return f"{figures['verb']} {figures['name']}: {', '.join(shown)}"
