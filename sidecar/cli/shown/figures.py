"""Sizes, speeds and times as people write them: three digits, decimal units."""

from __future__ import annotations

import time
from typing import Final

UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
MINUTE_S: Final = 60
HOUR_S: Final = 60 * MINUTE_S
DAY_S: Final = 24 * HOUR_S


def _unit(count: float) -> tuple[float, int, str]:
    """(divisor, decimals, unit) that write `count` bytes with three digits."""
    divisor, names = 1.0, list(UNITS)
    while len(names) > 1 and count >= 999.5 * divisor:  # 999.5 would be written as 1000
        divisor *= 1000
        names.pop(0)
    if names[0] == "B":
        return divisor, 0, "B"
    value = count / divisor
    return divisor, 2 if value < 9.995 else 1 if value < 99.95 else 0, names[0]


def size(count: float) -> str:
    """A number of bytes: 105 MB, 1.26 GB."""
    divisor, decimals, unit = _unit(count)
    return f"{count / divisor:.{decimals}f} {unit}"


def share(done: float, total: float | None) -> str:
    """Bytes of a total, in one unit and with constant width: 0.35 of 1.26 GB."""
    if total is None:
        return size(done)
    divisor, decimals, unit = _unit(total)
    whole = f"{total / divisor:.{decimals}f}"
    return f"{done / divisor:{len(whole)}.{decimals}f} of {whole} {unit}"


def duration(seconds: float) -> str:
    """A waiting time, rounded up: 52 s, 2 min 05 s, 1 h 12 min, 4 days."""
    whole = -int(-seconds // 1)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min {whole % MINUTE_S:02} s"
    if whole < 2 * DAY_S:
        return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S:02} min"
    return f"{whole // DAY_S} days"


def ago(milliseconds: float | None, now_s: float | None = None) -> str:
    """The time since a moment in milliseconds since 1970; a date if it is long ago; None: never."""
    if milliseconds is None:
        return "never"
    then = milliseconds / 1000
    past = (time.time() if now_s is None else now_s) - then
    if past < MINUTE_S:
        return "just now"
    if past < HOUR_S:
        return f"{past // MINUTE_S:.0f} min ago"
    if past < 2 * DAY_S:
        return f"{past // HOUR_S:.0f} h ago"
    if past < 30 * DAY_S:
        return f"{past // DAY_S:.0f} days ago"
    return time.strftime("%Y-%m-%d", time.localtime(then))


def counted(count: int, noun: str) -> str:
    """1 file, 2 files."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def weights(count: int) -> str:
    """A number of weights as in model names: 135 M, 7.62 B."""
    divisor, decimals, unit = _unit(count)
    letter = {"B": "", "kB": " K", "MB": " M", "GB": " B", "TB": " T", "PB": " P"}[unit]
    return f"{count / divisor:.{decimals}f}{letter}"
