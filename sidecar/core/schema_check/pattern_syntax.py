"""The syntax of regular expressions in JSON Schema: ECMAScript's with the flag `u`, and what is common besides.

Besides: needless backslashes and lone braces, which ECMAScript allows without that flag, and Python's `(?P<name>…)`,
`\\A`, `\\Z` and leading `(?i)`, which schemas made by Python programs have.
"""

from __future__ import annotations

import re
from typing import Final

from sidecar.core.schema_check.characters import (
    DIGITS,
    LAST,
    LINE_ENDS,
    SINGLE,
    SPACES,
    WORD,
    Characters,
    Ranges,
    complement,
    property_of,
)
from sidecar.core.schema_check.pattern_tree import (
    Choice,
    Group,
    Look,
    Node,
    One,
    Parsed,
    Place,
    Reference,
    Repeat,
    Sequence,
)

MAX_CHARS: Final = 5000
"""Longest expression, in characters."""

MAX_NESTING: Final = 64
"""Largest nesting of groups."""

_GROUP: Final = re.compile(r"\((?:\?P?<(?P<name>[^<>=!][^<>]*)>|(?!\?))")
_BOUNDS: Final = re.compile(r"\{(\d{1,9})(,?)(\d{1,9})?\}")
_FLAGS: Final = re.compile(r"\(\?(?P<on>[ims]*)(?:-(?P<off>[ims]+))?(?P<end>[:)])")
_LOOK: Final = {"(?=": (False, False), "(?!": (False, True), "(?<=": (True, False), "(?<!": (True, True)}
_CONTROLS: Final = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_SHORTHANDS: Final = {"d": DIGITS, "w": WORD, "s": SPACES}
_HEX: Final = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,8})\}")


class PatternError(Exception):
    """The expression is not one of ECMAScript, or has a part that is not supported."""


def parse(pattern: str) -> Parsed:
    """The tree of an expression. Raises PatternError."""
    if len(pattern) > MAX_CHARS:
        raise PatternError(f"it has more than {MAX_CHARS} characters")
    parser = _Parser(pattern)
    root = parser.choices(0)
    if parser.at < len(pattern):
        raise parser.error("a bracket that was not opened")
    return Parsed(root, parser.groups, parser.has_references)


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.at = 0
        self.groups = 0
        self.has_references = False
        self._text = pattern
        self._ignore_case = self._multiline = self._dot_all = False
        self._names: dict[str, list[int]] = {}
        self._count = 0
        plain = re.sub(r"\\.|\[\^?(?:\\.|[^\]\\])*\]", " ", pattern, flags=re.DOTALL)
        for self._count, match in enumerate(
            _GROUP.finditer(plain), 1
        ):  # a reference may come before its group
            if match["name"]:
                self._names.setdefault(match["name"], []).append(self._count)

    def error(self, problem: str) -> PatternError:
        return PatternError(f"{problem} at character {self.at + 1}")

    @property
    def _next(self) -> str:
        return self._text[self.at : self.at + 1]

    def _accept(self, text: str) -> bool:
        found = self._text.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def _accept_match(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        match = expression.match(self._text, self.at)
        self.at = match.end() if match else self.at
        return match

    # ---- structure -------------------------------------------------------------------------------

    def choices(self, depth: int) -> Node:
        if depth > MAX_NESTING:
            raise self.error(f"more than {MAX_NESTING} nested groups")
        found = [self._sequence(depth)]
        while self._accept("|"):
            found.append(self._sequence(depth))
        return found[0] if len(found) == 1 else Choice(found)

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self._next not in ("", "|", ")"):
            before = self.groups
            part = self._atom(depth)
            if part is not None:
                parts.append(self._repeated(part, range(before + 1, self.groups + 1)))
        return parts[0] if len(parts) == 1 else Sequence(parts)

    def _repeated(self, part: Node, groups: range) -> Node:
        low, high = 1, None
        if bounds := self._accept_match(_BOUNDS):
            low = int(bounds[1])
            high = int(bounds[3]) if bounds[3] else None if bounds[2] else low
            if high is not None and high < low:
                raise self.error("a repetition that ends before it begins")
        elif self._text.startswith("{,", self.at):
            raise self.error("a repetition without a lower bound")
        elif self._accept("*"):
            low = 0
        elif self._accept("?"):
            low, high = 0, 1
        elif not self._accept("+"):
            return part
        if isinstance(part, Place):
            raise self.error("a repetition of a place")
        lazy = self._accept("?")
        if self._next and self._next in "*+?":
            raise self.error("a repetition of a repetition")
        return Repeat(part, low, high, lazy, groups)

    def _atom(self, depth: int) -> Node | None:
        """One symbol or group; None for flags, which match nothing."""
        sign = self._next
        if sign == "(":
            return self._group(depth)
        if sign == "[":
            return self._class()
        if sign == "\\":
            return self._escape()
        if sign in "*+?":
            raise self.error("a repetition of nothing")
        self.at += 1
        if sign == "^":
            return Place("lineStart" if self._multiline else "start")
        if sign == "$":
            return Place("lineEnd" if self._multiline else "end")
        if sign == ".":
            return One(Characters([] if self._dot_all else LINE_ENDS, negated=True))
        return self._one([(ord(sign), ord(sign))])

    def _one(self, ranges: Ranges, categories: frozenset[str] = frozenset(), negated: bool = False) -> One:
        characters = Characters(ranges, categories, negated=negated)
        characters.ignore_case = self._ignore_case
        return One(characters)

    def _group(self, depth: int) -> Node | None:
        flags = self._ignore_case, self._multiline, self._dot_all
        kind: tuple[bool, bool] | None = None
        number = 0
        for start, look in _LOOK.items():
            if kind is None and self._accept(start):
                kind = look
        if kind is None and (match := self._accept_match(_FLAGS)):
            self._set_flags(match)
            if match["end"] == ")":
                return None
        elif kind is None and self._accept("(?P="):
            return self._named_reference(")")
        elif kind is None:
            if self._accept_match(_GROUP) is None:
                raise self.error("a group of an unknown kind")
            self.groups += 1
            number = self.groups
        part = self.choices(depth + 1)
        if not self._accept(")"):
            raise self.error("a group without an end")
        self._ignore_case, self._multiline, self._dot_all = flags
        if kind is not None:
            return Look(part, *kind)
        return Group(number, part) if number else Sequence([part])

    def _set_flags(self, match: re.Match[str]) -> None:
        if match["end"] == ")" and (match.start() or match["off"] or not match["on"]):
            raise self.error("flags in the middle")
        for value, signs in ((True, match["on"]), (False, match["off"] or "")):
            self._ignore_case = value if "i" in signs else self._ignore_case
            self._multiline = value if "m" in signs else self._multiline
            self._dot_all = value if "s" in signs else self._dot_all

    # ---- escapes and classes ---------------------------------------------------------------------

    def _escape(self) -> Node:
        self.at += 1
        places = {"b": "word", "B": "notWord", "A": "start", "Z": "end", "z": "end"}
        if self._next in places:
            self.at += 1
            return Place(places[self._text[self.at - 1]])
        if self._accept("k<"):
            return self._named_reference(">")
        number = re.compile(r"[1-9]\d{0,3}").match(self._text, self.at)
        if number:
            if int(number[0]) > self._count:
                raise self.error("a reference to a group that is missing")
            self.at = number.end()
            self.has_references = True
            return Reference([int(number[0])], self._ignore_case)
        ranges, categories, _ = self._characters()
        return self._one(ranges, categories)

    def _named_reference(self, end: str) -> Reference:
        name, found, _ = self._text[self.at :].partition(end)
        if not found or name not in self._names:
            raise self.error("a reference to a group that is missing")
        self.at += len(name) + len(end)
        self.has_references = True
        return Reference(self._names[name], self._ignore_case)

    def _characters(self) -> tuple[Ranges, frozenset[str], bool]:
        """The characters of an escape after its backslash, and whether it stands for a set."""
        sign = self._next
        if match := self._accept_match(_HEX):
            code = int(match[1] or match[2] or match[3], 16)
            low = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})").match(self._text, self.at)
            if 0xD800 <= code <= 0xDBFF and low:  # one character, written as two
                self.at = low.end()
                code = 0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00
            if code > LAST:
                raise self.error("a character beyond Unicode")
            return [(code, code)], frozenset(), False
        self.at += 1
        if sign and sign in "pP":
            return self._property(sign == "P")
        if sign and sign.lower() in _SHORTHANDS:
            ranges = _SHORTHANDS[sign.lower()]
            return (ranges if sign.islower() else complement(ranges)), frozenset(), True
        code = _CONTROLS.get(sign, -1)
        if sign == "c" and self._next.isascii() and self._next.isalpha():
            code = ord(self._next) % 32
            self.at += 1
        elif sign == "0" and not self._next.isdecimal():
            code = 0
        elif sign and not sign.isalnum():
            code = ord(sign)
        if code < 0:
            self.at -= 1
            raise self.error(f"the unknown escape \\{sign}")
        return [(code, code)], frozenset(), False

    def _property(self, negated: bool) -> tuple[Ranges, frozenset[str], bool]:
        name = re.compile(r"\{([^{}]*)\}|([A-Z])").match(self._text, self.at)  # \pL is Rust's
        found = property_of(name[1] or name[2] or "") if name else None
        if name is None or found is None:
            raise self.error("an unknown property of characters")
        self.at = name.end()
        ranges, categories = found
        if not negated:
            return ranges, categories, True
        return (complement(ranges), frozenset(), True) if ranges else ([], SINGLE - categories, True)

    def _class(self) -> Node:
        self.at += 1
        negated = self._accept("^")
        ranges: Ranges = []
        categories: frozenset[str] = frozenset()
        while not self._accept("]"):
            member, of_category, is_set = self._member()
            categories |= of_category
            ends = self._text[self.at + 1 : self.at + 2] in ("]", "")
            if self._next == "-" and not ends and not is_set:
                self.at += 1
                high, more, is_set = self._member()
                if is_set:  # `[a-\d]`: the hyphen is itself
                    member, categories = [*member, (45, 45), *high], categories | more
                elif high[0][0] < member[0][0]:
                    raise self.error("a range that ends before it begins")
                else:
                    member = [(member[0][0], high[0][0])]
            ranges += member
        return self._one(ranges, categories, negated)

    def _member(self) -> tuple[Ranges, frozenset[str], bool]:
        sign = self._next
        if not sign:
            raise self.error("a class without an end")
        if self._text.startswith(("&&", "--["), self.at):
            raise self.error("an operation on sets")
        self.at += 1
        if sign != "\\":
            return [(ord(sign), ord(sign))], frozenset(), False
        return ([(8, 8)], frozenset(), False) if self._accept("b") else self._characters()
