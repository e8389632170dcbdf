"""One message per line: bytes to objects and back. No I/O, and no knowledge of methods."""

from __future__ import annotations

import json
import math
from typing import Any, Final

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""Default limit of an input line, without its newline."""

MAX_NESTING: Final = 256
"""Maximum depth of nested arrays and objects: well below the interpreter's recursion limit, so that every message that
was read can also be validated, logged and sent on."""

BOM: Final = b"\xef\xbb\xbf"


class LineTooLong:
    """Takes the place of a line that was longer than the limit and was dropped."""


TOO_LONG: Final = LineTooLong()


class LineSplitter:
    """Cuts a stream of bytes at newlines; holds at most `limit` bytes of an unfinished line."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._line = bytearray()
        self._skipping = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[bytes | LineTooLong]:
        """Add bytes; returns the lines that they complete, without line ends and without blank lines."""
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
        """The last line, if the stream ended without a newline."""
        return self._finish() or None

    def _add(self, piece: bytes) -> None:
        if self._skipping or len(self._line) + len(piece) > self._limit:
            self._skipping = True
            self._line = bytearray()
        else:
            self._line += piece

    def _finish(self) -> bytes | LineTooLong:
        skipped, line = self._skipping, bytes(self._line)
        self._line, self._skipping = bytearray(), False
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


def decode(line: bytes) -> Any:  # any JSON value
    """Parse one line. Raises ValueError, with a text that can be shown: not UTF-8, or as `parse_json` does."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None
    return parse_json(text)


def parse_json(text: str) -> Any:  # any JSON value
    """Parse strict JSON.

    Raises ValueError, with a text that can be shown, for invalid JSON, NaN, Infinity, a number that is too large, an
    integer of thousands of digits, and nesting deeper than MAX_NESTING.
    """
    try:
        value = _decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        # For an integer of thousands of digits, Python's message advises a Python function.
        problem = str(error)
        raise ValueError("an integer has too many digits" if "sys." in problem else problem) from None
    if text.count("[") + text.count("{") > MAX_NESTING and _is_too_deep(value):
        raise ValueError("nested too deeply")
    return value


def _is_too_deep(value: object) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_NESTING):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for members in inner for each in members if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def encode(message: object) -> bytes:
    """One line with its newline. ASCII, so that no reader splits it at U+2028 or within a character."""
    return _encoder.encode(message).encode("ascii") + b"\n"
