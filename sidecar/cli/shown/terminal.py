"""What a console can show: its width, its characters, and text that is safe to print."""

from __future__ import annotations

import os
import sys
import unicodedata
from dataclasses import dataclass
from typing import Final, TextIO

DEFAULT_COLUMNS: Final = 80
MIN_COLUMNS: Final = 10
TURNING: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Unicode's classes of characters that turn the direction of what follows."""


@dataclass(frozen=True)
class Marks:
    """Characters that are not ASCII, or their replacements."""

    full: str
    empty: str
    ellipsis: str


FINE: Final = Marks("█", "░", "…")
PLAIN: Final = Marks("#", "-", "...")


def marks(stream: TextIO) -> Marks:
    """FINE if the stream's encoding has these characters, else PLAIN, as on a cp1252 console."""
    try:
        "".join((FINE.full, FINE.empty, FINE.ellipsis)).encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return FINE


def width(stream: TextIO) -> int | None:
    """Columns of the terminal minus one, since many terminals wrap at the last; None if it is not a terminal."""
    if not stream.isatty():
        return None
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdigit() and int(wanted) > 0:
        columns = int(wanted)
    else:
        try:
            columns = os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):
            columns = 0
    return max(MIN_COLUMNS, columns or DEFAULT_COLUMNS) - 1


def printable(text: str) -> str:
    """`text` without characters that move the cursor or change colours or direction: names come from files."""
    return "".join(character if character.isprintable() else "?" for character in text)


def cells(text: str) -> int:
    """The columns that a text takes."""
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, limit: int, ellipsis: str) -> str:
    """`text` in at most `limit` columns. A longer text loses its middle: file names differ at their ends."""
    if cells(text) <= limit:
        return text
    room = limit - cells(ellipsis)
    if room < 2:
        return _head(text, limit)
    head = _head(text, room // 3)
    tail = _head(text[::-1], room - cells(head))[::-1]
    return head + ellipsis + tail


def _head(text: str, limit: int) -> str:
    taken = 0
    for position, character in enumerate(text):
        taken += _cells(character)
        if taken > limit:
            return text[:position]
    return text


def pad(text: str, columns: int, right: bool = False) -> str:
    """`text` filled with spaces to this many columns."""
    spaces = " " * (columns - cells(text))
    return spaces + text if right else text + spaces


def speakable(text: str) -> str:
    """What a model says, without characters that control the terminal: only lines, tabs and visible signs."""
    return "".join(_spoken(character) for character in text)


def _spoken(character: str) -> str:
    if character in "\n\t" or character.isprintable():
        return character
    if character == "\r":
        return ""
    # Signs such as emoji are joined by invisible characters; those that turn the direction of writing are not needed.
    joins = unicodedata.category(character) == "Cf" and unicodedata.bidirectional(character) not in TURNING
    return character if joins or unicodedata.category(character) == "Zs" else "?"


def dims(stream: TextIO) -> bool:
    """Whether the stream is a terminal that shows dimmed text, and its user wants that (no-color.org)."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.platform != "win32" or "WT_SESSION" in os.environ  # an older console would show the codes
