"""One message a line: bytes to objects and back. Pure; does no I/O and knows no method."""

from __future__ import annotations

import json
import math
from typing import Any, Final

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""Default limit of one input line, without its newline."""

MAX_NESTING: Final = 256
"""How deep arrays and objects may lie in each other: well below what the interpreter can follow, so that
whatever could be read can also be looked at, told and sent on."""

BOM: Final = b"\xef\xbb\xbf"


class LineTooLong:
    """Stands in the stream of lines for one that went past the limit and was thrown away."""


TOO_LONG: Final = LineTooLong()


class LineSplitter:
    """Cuts a stream of bytes at newlines; holds at most `limit` bytes of an unfinished line."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._line = bytearray()
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


def decode(line: bytes) -> Any:
    """Parse one line.

    Raises ValueError (also for what is not UTF-8, NaN, Infinity, an integer of thousands of digits,
    or nesting deeper than MAX_NESTING), with a text that can be shown.
    """
    try:
        value = _decoder.decode(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        # Python's own words on integers of thousands of digits advise to call a function of Python's.
        problem = str(error)
        raise ValueError("an integer has too many digits" if "sys." in problem else problem) from None
    if line.count(b"[") + line.count(b"{") > MAX_NESTING and _is_too_deep(value):
        raise ValueError("nested too deeply")
    return value


def _is_too_deep(value: Any) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_NESTING):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for members in inner for each in members if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def encode(message: Any) -> bytes:
    """One ASCII line with its newline. ASCII, so that no reader can split it at U+2028 or cut a character."""
    return _encoder.encode(message).encode("ascii") + b"\n"
