"""GBNF of integers and numbers within bounds."""

from __future__ import annotations

import math

MAX_DIGITS = 16
"""Maximum number of digits of an integer without bounds. More do not fit into a double, which most JSON parsers use."""

MAX_BOUND = 1_000_000
"""Largest bound of numbers. Up to here no fraction with our number of digits is rounded past the bound."""

FRACTION = '("." [0-9]{1,9})?'
NONZERO_FRACTION = '"." "0"{0,5} [1-9] [0-9]{0,3}'
ZERO_FRACTION = '("." "0")?'


def integers(low: int | None, high: int | None) -> str | None:
    """GBNF of the integers from `low` to `high`, both included (None: no bound); None if there are none."""
    if low is not None and high is not None and low > high:
        return None
    parts = []
    if low is None or low < 0:
        most = None if low is None else -low
        least = 1 if high is None or high >= 0 else -high
        if most is None or most >= least:
            parts.append(f'"-" ({_digits(least, most)})')
    if high is None or high >= 0:
        parts.append(_digits(max(low or 0, 0), high))
    return " | ".join(parts) if parts else None


def numbers(low: float | None, high: float | None, above: bool, below: bool) -> str | None:
    """GBNF of the numbers from `low` to `high` (whole numbers, None: no bound); None if there are none.

    `above` excludes `low`, `below` excludes `high`. Only without any bound may numbers have an exponent.
    """
    if low is None and high is None:
        whole = f'("0" | [1-9] [0-9]{{0,{MAX_DIGITS - 1}}})'
        return f'"-"? {whole} ("." [0-9]{{1,{MAX_DIGITS}}})? ([eE] [-+]? [0-9]{{1,2}})?'
    if low is not None and high is not None and (low > high or (low == high and (above or below))):
        return None
    parts = []
    if low is None or low < 0:
        # Negative numbers are those between -high and -low with a minus sign.
        outer = (None if low is None else int(-low), above)
        inner = (0, True) if high is None or high >= 0 else (int(-high), below)
        parts += [f'"-" ({part})' for part in _magnitudes(*inner, *outer)]
    if high is None or high >= 0:
        inner = (int(low), above) if low is not None and low >= 0 else (0, False)
        parts += _magnitudes(*inner, None if high is None else int(high), below)
    return " | ".join(parts) if parts else None


def _magnitudes(low: int, above: bool, high: int | None, below: bool) -> list[str]:
    """GBNF of the numbers from `low` ≥ 0 to `high`: an integer part, perhaps with a fraction."""
    if high is not None and low == high:
        return [] if above or below else [f'"{low}" {ZERO_FRACTION}']
    parts = []
    if above:
        parts.append(f'"{low}" {NONZERO_FRACTION}')
    first = low + 1 if above else low
    if high is None:
        parts.append(f"({_digits(first, None)}) {FRACTION}")
    elif first <= high - 1:
        parts.append(f"({_digits(first, high - 1)}) {FRACTION}")
    if high is not None and not below:
        parts.append(f'"{high}" {ZERO_FRACTION}')
    return parts


def _digits(low: int, high: int | None) -> str:
    """GBNF of the integers from `low` ≥ 0 to `high` ≥ low, without leading zeros."""
    parts = []
    if low == 0:
        parts.append('"0"')
        low = 1
    if high is None:
        length = len(str(low))
        parts += _same_length(str(low), "9" * length)
        parts.append(f"[1-9] [0-9]{{{length},{max(length, MAX_DIGITS - 1)}}}")
        return " | ".join(parts)
    for length in range(len(str(low)), len(str(high)) + 1):
        bottom, top = max(low, 10 ** (length - 1)), min(high, 10**length - 1)
        if bottom <= top:
            parts += _same_length(str(bottom), str(top))
    return " | ".join(parts)


def _same_length(low: str, high: str) -> list[str]:
    """GBNF of the integers between two with the same number of digits."""
    rest = len(low) - 1
    if low == high:
        return [f'"{low}"']
    if rest == 0:
        return [f"[{low}-{high}]"]
    if low[1:] == "0" * rest and high[1:] == "9" * rest:
        return [f"[{low[0]}-{high[0]}] [0-9]{{{rest}}}"]
    if low[0] == high[0]:
        return [f'"{low[0]}" ({" | ".join(_same_length(low[1:], high[1:]))})']
    parts = []
    first, last = int(low[0]), int(high[0])
    if low[1:] != "0" * rest:
        parts.append(f'"{low[0]}" ({" | ".join(_same_length(low[1:], "9" * rest))})')
        first += 1
    if high[1:] != "9" * rest:
        last -= 1
    if first <= last:
        parts.append(f"[{first}-{last}] [0-9]{{{rest}}}")
    if high[1:] != "9" * rest:
        parts.append(f'"{high[0]}" ({" | ".join(_same_length("0" * rest, high[1:]))})')
    return parts


def lowest_integer(minimum: float, exclusive: bool) -> int:
    """The first integer that a lower bound allows."""
    return math.floor(minimum) + 1 if exclusive else math.ceil(minimum)


def highest_integer(maximum: float, exclusive: bool) -> int:
    """The last integer that an upper bound allows."""
    return math.ceil(maximum) - 1 if exclusive else math.floor(maximum)
