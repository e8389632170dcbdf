"""One message a line: bytes to objects and back. Pure; does no I/O and knows no method."""

from __future__ import annotations

import json
import math
from typing import Any, Final

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""Default limit of one input line, without its newline."""

BOM: Final = b"\xef\xbb\xbf"


class LineTooLong:
    """Stands in the stream of lines for one that went past the limit and was thrown away."""


TOO_LONG: Final = LineTooLong()


class LineSplitter:
    """Cuts a stream of bytes at newlines; holds at most `limit` bytes of an unfinished line."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._skipping = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[bytes | LineTooLong]:
        """Take the next bytes; return the lines they complete, without line ends, blank ones left out."""
        lines: list[bytes | LineTooLong] = []
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            self._add(piece)
            line = self._finish()
            if line:
                lines.append(line)
        self._add(rest)
        return lines

    def end(self) -> bytes | LineTooLong | None:
        """The last line, if the stream ended without a newline behind it."""
        return self._finish() or None

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            self._skipping = True
            self._parts.clear()
        elif piece:
            self._parts.append(piece)

    def _finish(self) -> bytes | LineTooLong:
        skipped, line = self._skipping, b"".join(self._parts)
        self._parts.clear()
        self._size, self._skipping = 0, False
        if self._at_start:
            line, self._at_start = line.removeprefix(BOM), False
        return TOO_LONG if skipped else line.strip(b" \t\r")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_encoder = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def decode(line: bytes) -> Any:
    """Parse one line.

    Raises ValueError (also for what is not UTF-8, NaN, Infinity, an integer of thousands of digits,
    or nesting deeper than the interpreter follows), with a text that can be shown.
    """
    try:
        return _decoder.decode(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def encode(message: Any) -> bytes:
    """One ASCII line with its newline. ASCII, so that no reader can split it at U+2028 or cut a character."""
    return _encoder.encode(message).encode("ascii") + b"\n"
