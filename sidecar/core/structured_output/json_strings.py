"""GBNF of JSON strings with a length, a format or a pattern."""

from __future__ import annotations

from typing import Final

from sidecar.core.structured_output.json_patterns import pattern_rule

CHARACTER: Final = r'[ !#-\[\]-\uD7FF\uE000-\U0010FFFF] | "\\" (["\\/bfnrt] | "u" char-code)'
"""A character of a string: any except quote, backslash and control characters; or an escape. It excludes half
surrogate pairs, because they are not characters: a parser may refuse them or count two of them as one."""

CHARACTER_CODE: Final = "[0-9a-cefA-CEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}"
"""The four hexadecimal digits of an escape, without half surrogate pairs."""

MAX_LENGTH: Final = 2000
"""llama.cpp's limit of repetitions. Longer strings are composed of pieces of this length."""

MAX_BOUND: Final = 20_000
"""Largest number of characters or items. Higher limits are lowered to it: each step takes a rule in llama.cpp."""

_DATE: Final = (
    '[1-9] [0-9]{3} "-" (("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
    ' | ("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
)
_TIME: Final = (
    '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{3})?'
    ' ("Z" | [+-] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])'
)
_BYTE: Final = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9]{2} | [1-9]? [0-9])'
_LABEL: Final = "[a-z0-9] ([a-z0-9-]{0,30} [a-z0-9])?"
_HOST: Final = f'{_LABEL} ("." {_LABEL}){{1,4}}'

FORMATS: Final = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f'({_DATE}) "T" {_TIME}',
    "uuid": '[0-9a-f]{8} ("-" [0-9a-f]{4}){3} "-" [0-9a-f]{12}',
    "ipv4": f'{_BYTE} ("." {_BYTE}){{3}}',
    "hostname": _HOST,
    "email": f'[a-zA-Z0-9_+-]{{1,32}} ("." [a-zA-Z0-9_+-]{{1,32}}){{0,3}} "@" {_HOST}',
    "uri": f'"http" "s"? "://" {_HOST} (":" [1-9] [0-9]{{0,3}})? ("/" [a-zA-Z0-9._~-]{{0,64}}){{0,16}}',
}
"""Format → GBNF of the text between the quotes. Each allows a part of what the format allows."""


def free_string(low: int, high: int | None) -> str:
    """GBNF of a string of `low` to `high` characters (None: no limit)."""
    return rf'"\"" {repeated("char", low, high)} "\""'


def format_string(name: str) -> str:
    """GBNF of a string of a format, which must be one of FORMATS."""
    return rf'"\"" ({FORMATS[name]}) "\""'


def pattern_string(pattern: str) -> str:
    """GBNF of a string that contains a match of a regular expression. Raises PatternError."""
    return rf'"\"" ({pattern_rule(pattern)}) "\""'


def repeated(symbol: str, low: int, high: int | None) -> str:
    """GBNF of `low` to `high` repetitions of a symbol (None: no limit)."""
    if high == 0:
        return '""'
    if high is None:
        whole, rest = divmod(low, MAX_LENGTH)
        return f"{symbol}{{{MAX_LENGTH}}} " * whole + f"{symbol}{{{rest},}}"
    fixed, optional = repeated(symbol, low, None), min(high, MAX_BOUND) - low
    fixed = fixed[: fixed.rindex(",}")] + "}" if low else ""
    pieces, last = divmod(optional, MAX_LENGTH)
    tail = f"{symbol}{{0,{last}}}" if last else '""'
    for _ in range(pieces):  # a piece that another one follows is complete
        tail = f"({symbol}{{{MAX_LENGTH}}} {tail} | {symbol}{{0,{MAX_LENGTH}}})"
    return f"{fixed} {tail}".strip()
