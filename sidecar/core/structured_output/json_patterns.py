"""From a regular expression (`pattern`) to GBNF of the text between the quotes of a JSON string.

It supports what is regular and means the same in JavaScript and Python: characters, classes, groups,
alternatives, repetitions, and `^` and `$` at the ends. Where an end has no anchor, any text may stand there,
as JSON Schema requires.
"""

from __future__ import annotations

from typing import Final

Ranges = list[tuple[int, int]]
"""Ranges of code points, both ends included."""

LAST: Final = 0x10FFFF
"""The last code point."""

SURROGATES: Final = (0xD800, 0xDFFF)

MAX_DEPTH: Final = 32
"""Largest nesting of groups."""

MAX_REPEATS: Final = 1000
"""Largest bound of a repetition."""

SHORTHANDS: Final[dict[str, Ranges]] = {
    "d": [(48, 57)],
    "w": [(48, 57), (65, 90), (95, 95), (97, 122)],
    "s": [(9, 13), (32, 32)],
}
CONTROLS: Final = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "0": 0}
JSON_ESCAPES: Final = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 34: '\\"', 92: "\\\\"}
"""Code point → what follows the backslash in JSON, escaped for a GBNF literal."""

SPECIAL: Final = frozenset("^$.*+?()[]{}|\\/")


class PatternError(Exception):
    """A part of the regular expression that is not supported."""


def pattern_rule(pattern: str) -> str:
    """GBNF of the texts that contain a match of the expression. Raises PatternError."""
    return _Pattern(pattern).whole()


class _Pattern:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    def whole(self) -> str:
        choices = [self._open_choice()]
        while self._accept("|"):
            choices.append(self._open_choice())
        if self._at < len(self._text):
            raise self._error("a bracket that was not opened")
        return " | ".join(choices)

    def _open_choice(self) -> str:
        """An alternative at the top level. Only these may have anchors."""
        start = "" if self._accept("^") else "char* "
        middle, _ = self._sequence(0)
        return start + middle + ("" if self._accept("$") else " char*")

    @property
    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _accept(self, text: str) -> bool:
        found = self._text.startswith(text, self._at)
        self._at += len(text) if found else 0
        return found

    def _error(self, problem: str) -> PatternError:
        return PatternError(f"{problem} at character {self._at + 1} of the pattern")

    def _choices(self, depth: int) -> tuple[str, bool]:
        """GBNF of alternatives, and whether one of them may be empty."""
        choices = [self._sequence(depth)]
        while self._accept("|"):
            choices.append(self._sequence(depth))
        return " | ".join(rule for rule, _ in choices), any(empty for _, empty in choices)

    def _sequence(self, depth: int) -> tuple[str, bool]:
        parts = []
        empty = True
        while self._next not in ("", "|", ")") and not self._at_end_anchor(depth):
            atom, may_be_empty = self._atom(depth)
            low, high = self._quantifier()
            if high is None and may_be_empty:
                raise self._error("an endless repetition of what may be empty")
            empty = empty and (may_be_empty or low == 0)
            bounds = {(1, 1): "", (0, 1): "?", (0, None): "*", (1, None): "+"}
            written = bounds.get((low, high))
            if written is None:
                written = f"{{{low},{'' if high is None else high}}}" if low != high else f"{{{low}}}"
            parts.append(atom + written)
        return " ".join(parts) or '""', empty

    def _at_end_anchor(self, depth: int) -> bool:
        return depth == 0 and self._next == "$" and self._text[self._at + 1 : self._at + 2] in ("", "|")

    def _quantifier(self) -> tuple[int, int | None]:
        low, high = 1, 1
        if self._next in ("*", "+", "?") and self._next:
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[self._next]  # type: ignore[assignment]
            self._at += 1
        elif self._next == "{":
            low, high = self._bounds()  # type: ignore[assignment]
        else:
            return low, high
        if self._accept("+") or self._next in ("*", "{"):
            raise self._error("a repetition of a repetition")
        self._accept("?")  # a lazy repetition matches the same texts
        return low, high

    def _bounds(self) -> tuple[int, int | None]:
        end = self._text.find("}", self._at)
        low, comma, high = self._text[self._at + 1 : max(end, 0)].partition(",")
        if end < 0 or not low.isdecimal() or not (high.isdecimal() or not high):
            raise self._error("a brace that is not a repetition")
        self._at = end + 1
        numbers = int(low), (int(high) if high else None) if comma else int(low)
        if max(numbers[0], numbers[1] or 0) > MAX_REPEATS or (
            numbers[1] is not None and numbers[0] > numbers[1]
        ):
            raise self._error(f"a repetition outside of 0 to {MAX_REPEATS}")
        return numbers

    def _atom(self, depth: int) -> tuple[str, bool]:
        """GBNF of one symbol, and whether it may be empty."""
        sign = self._next
        if self._accept("("):
            if self._accept("?") and not self._accept(":"):
                raise self._error("a look-around or a named group")
            if depth == MAX_DEPTH:
                raise self._error(f"more than {MAX_DEPTH} nested groups")
            inside, empty = self._choices(depth + 1)
            if not self._accept(")"):
                raise self._error("a group without an end")
            return f"({inside})", empty
        if self._accept("["):
            return _characters(self._class()), False
        if self._accept("."):
            return _characters(_complement([(10, 10), (13, 13), (0x2028, 0x2029)], LAST)), False
        if self._accept("\\"):
            return _characters(self._escape()[0]), False
        if sign in SPECIAL and sign not in "/]}":
            raise self._error(f"{sign!r}, which is not supported there,")
        self._at += 1
        return _characters([(ord(sign), ord(sign))]), False

    def _escape(self) -> tuple[Ranges, bool]:
        """The characters of an escape, and whether it is a shorthand for several."""
        sign = self._next
        self._at += 1
        if sign and sign in "dws":
            return SHORTHANDS[sign], True
        if sign and sign in "DWS":  # beyond ASCII, JavaScript and Python do not agree
            return _complement(SHORTHANDS[sign.lower()], 127), True
        if sign and sign in "xu":
            length = 2 if sign == "x" else 4
            digits = self._text[self._at : self._at + length]
            if len(digits) == length and all(digit in "0123456789abcdefABCDEF" for digit in digits):
                self._at += length
                return [(int(digits, 16), int(digits, 16))], False
        elif sign in CONTROLS:
            return [(CONTROLS[sign], CONTROLS[sign])], False
        elif sign and not sign.isalnum():
            return [(ord(sign), ord(sign))], False
        self._at -= 1
        raise self._error(f"the escape \\{sign}")

    def _class(self) -> Ranges:
        negated = self._accept("^")
        ranges: Ranges = []
        shorthand = False
        while not self._accept("]"):
            low, many = self._member()
            shorthand = shorthand or many
            if not many and self._next == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high, many = self._member()
                if many or high[0][0] < low[0][0]:
                    raise self._error("a range that ends before it begins")
                low = [(low[0][0], high[0][0])]
            ranges += low
        return _complement(ranges, 127 if shorthand else LAST) if negated else ranges

    def _member(self) -> tuple[Ranges, bool]:
        sign = self._next
        if not sign:
            raise self._error("a class without an end")
        self._at += 1
        return self._escape() if sign == "\\" else ([(ord(sign), ord(sign))], False)


def _complement(ranges: Ranges, last: int) -> Ranges:
    found, at = [], 0
    for low, high in sorted(ranges):
        if low > at:
            found.append((at, min(low - 1, last)))
        at = max(at, high + 1)
    if at <= last:
        found.append((at, last))
    return [(low, high) for low, high in found if low <= high]


def _characters(ranges: Ranges) -> str:
    """GBNF of one of these characters, as it is written in a JSON string."""
    plain, escaped = [], []
    for low, high in ranges:
        for escape in [code for code in (*range(32), 34, 92) if low <= code <= high]:
            named = JSON_ESCAPES.get(escape)
            escaped.append(f'"\\\\{named or f"u{escape:04x}"}"')
        plain += _without(low, high)
    if not plain and not escaped:
        raise PatternError("a class without characters in the pattern")
    chosen = [f"[{''.join(plain)}]"] if plain else []
    both = [*chosen, *sorted(set(escaped))]
    return both[0] if len(both) == 1 else f"({' | '.join(both)})"


def _without(low: int, high: int) -> list[str]:
    """The part of a range that needs no escape in JSON, as members of a GBNF class."""
    barriers = [(0, 31), (34, 34), (92, 92), SURROGATES]
    parts = []
    for first, last in _complement(barriers, LAST):
        bottom, top = max(first, low), min(last, high)
        if bottom <= top:
            parts.append(_shown(bottom) + (f"-{_shown(top)}" if bottom < top else ""))
    return parts


def _shown(code: int) -> str:
    return chr(code) if code < 128 and chr(code).isalnum() else f"\\U{code:08X}"
