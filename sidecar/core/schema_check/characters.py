"""Sets of characters, as a regular expression of ECMAScript names them."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

Ranges = list[tuple[int, int]]
"""Ranges of code points, both ends included."""

LAST: Final = 0x10FFFF
"""The last code point."""

DIGITS: Final[Ranges] = [(48, 57)]
WORD: Final[Ranges] = [(48, 57), (65, 90), (95, 95), (97, 122)]
LINE_ENDS: Final[Ranges] = [(10, 10), (13, 13), (0x2028, 0x2029)]
SPACES: Final[Ranges] = [
    *[(9, 13), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029)],
    *[(0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)],
]
WHITE_SPACE: Final[Ranges] = [*(pair for pair in SPACES if pair != (0xFEFF, 0xFEFF)), (0x85, 0x85)]
"""The property White_Space, which is not quite what `\\s` matches."""

CATEGORIES: Final = {
    "L": "Letter", "LC": "Cased_Letter", "Lu": "Uppercase_Letter", "Ll": "Lowercase_Letter",
    "Lt": "Titlecase_Letter", "Lm": "Modifier_Letter", "Lo": "Other_Letter",
    "M": "Mark", "Mn": "Nonspacing_Mark", "Mc": "Spacing_Mark", "Me": "Enclosing_Mark",
    "N": "Number", "Nd": "Decimal_Number", "Nl": "Letter_Number", "No": "Other_Number",
    "P": "Punctuation", "Pc": "Connector_Punctuation", "Pd": "Dash_Punctuation", "Ps": "Open_Punctuation",
    "Pe": "Close_Punctuation", "Pi": "Initial_Punctuation", "Pf": "Final_Punctuation",
    "Po": "Other_Punctuation",
    "S": "Symbol", "Sm": "Math_Symbol", "Sc": "Currency_Symbol", "Sk": "Modifier_Symbol", "So": "Other_Symbol",
    "Z": "Separator", "Zs": "Space_Separator", "Zl": "Line_Separator", "Zp": "Paragraph_Separator",
    "C": "Other", "Cc": "Control", "Cf": "Format", "Cs": "Surrogate", "Co": "Private_Use", "Cn": "Unassigned",
}  # fmt: skip
"""General categories of Unicode. A name of one letter means all those that begin with it."""

OTHER_NAMES: Final = {"Combining_Mark": "M", "digit": "Nd", "punct": "P", "cntrl": "Cc"}

SINGLE: Final = frozenset(name for name in CATEGORIES if len(name) == 2 and name != "LC")


class Characters:
    """A set of characters: those in some ranges and those of some categories, or all others."""

    def __init__(
        self, ranges: Ranges, categories: frozenset[str] = frozenset(), *, negated: bool = False
    ) -> None:
        merged = union(ranges)
        self._starts = [low for low, _ in merged]
        self._ends = [high for _, high in merged]
        self._categories = categories
        if categories:
            from unicodedata import category  # 1 MB, for a rare syntax

            self._category = category
        self._negated = negated
        self.ignore_case = False

    def __contains__(self, character: str) -> bool:
        found = self._found(character)
        if not found and self.ignore_case:
            found = any(
                len(other) == 1 and self._found(other) for other in (character.lower(), character.upper())
            )
        return found is not self._negated

    @property
    def parts(self) -> tuple[Ranges, frozenset[str], bool]:
        """Its ranges, its categories, and whether it has all other characters instead."""
        return list(zip(self._starts, self._ends, strict=True)), self._categories, self._negated

    def _found(self, character: str) -> bool:
        code = ord(character)
        at = bisect_right(self._starts, code)
        if at and code <= self._ends[at - 1]:
            return True
        return bool(self._categories) and self._category(character) in self._categories


def union(ranges: Ranges) -> Ranges:
    """The same characters in the fewest ranges, in order."""
    merged: Ranges = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], high)
        else:
            merged.append((low, high))
    return merged


def complement(ranges: Ranges) -> Ranges:
    """All other characters."""
    found, at = [], 0
    for low, high in union(ranges):
        if low > at:
            found.append((at, low - 1))
        at = high + 1
    if at <= LAST:
        found.append((at, LAST))
    return found


def property_of(name: str) -> tuple[Ranges, frozenset[str]] | None:
    """The characters of a property, as in `\\p{name}`; None if it is not known here."""
    key, equals, value = name.rpartition("=")
    if equals and key not in ("gc", "General_Category"):
        return None
    ranges = {
        "Any": [(0, LAST)],  # Unicode's name, not typing's
        "ASCII": [(0, 127)],
        "White_Space": WHITE_SPACE,
        "space": WHITE_SPACE,
    }
    if not equals and value in ranges:
        return ranges[value], frozenset()
    if not equals and value == "Assigned":
        return [], SINGLE - {"Cn"}
    short = OTHER_NAMES.get(value) or next((k for k, long in CATEGORIES.items() if value in (k, long)), None)
    if short is None:
        return None
    if short == "LC":
        return [], frozenset(("Lu", "Ll", "Lt"))
    return [], frozenset(single for single in SINGLE if single.startswith(short))
