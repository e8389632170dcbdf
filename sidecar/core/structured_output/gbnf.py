"""Checks a GBNF grammar before llama.cpp gets it, and finds the position of an error.

llama.cpp's parser does not report a position, and hangs when something empty is repeated. The syntax is that of
llama-grammar.cpp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sidecar.core.structured_output.grammar_rules import GrammarError, Item, Rule, check_rules, check_work

MAX_REPETITIONS: Final = 2000
"""llama.cpp's own limit. It also limits the product of nested repetitions."""

MAX_DEPTH: Final = 64
"""Largest nesting of brackets. llama.cpp's parser is recursive."""

MAX_ELEMENTS: Final = 200_000
"""Maximum number of characters and references, counted with repetitions. Each request makes a copy of the grammar."""

WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
DIGITS: Final = frozenset("0123456789")
HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")
ESCAPED: Final = {"t": "\t", "r": "\r", "n": "\n", **{c: c for c in '\\"[]-'}}
HEX_LENGTHS: Final = {"x": 2, "u": 4, "U": 8}

TokenCount = Callable[[str], int]
"""Counts the tokens of a text in the model's vocabulary, with special tokens parsed."""


def check(text: str, token_count: TokenCount, limit_work: bool = False) -> bool:
    """Returns whether the grammar has token symbols (`<…>`). Raises GrammarError if it is wrong.

    `limit_work`: refuse a grammar that takes llama.cpp long, too.
    """
    parser = _Parser(text, token_count)
    rules = parser.parse()
    check_rules(rules)
    if limit_work:
        check_work(rules)
    return parser.has_tokens


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """The line and the column of an offset. Both count from 1."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


class _Parser:
    """Follows llama_grammar_parser step by step, so that it refuses everything that llama.cpp refuses."""

    def __init__(self, text: str, token_count: TokenCount) -> None:
        self.has_tokens = False
        self._text = text + "\0"
        self._at = 0
        self._token_count = token_count
        self._rules: dict[str, Rule] = {}
        self._symbols: set[str] = set()
        self._elements = 0

    def parse(self) -> dict[str, Rule]:
        if "\0" in self._text[:-1]:
            raise GrammarError("a NUL character", self._text.index("\0"))
        try:
            self._text.encode()
        except UnicodeEncodeError as error:
            raise GrammarError("half of a surrogate pair, which is not a character", error.start) from None
        self._space(newlines=True)
        while self._next != "\0":
            self._rule()
        return self._rules

    @property
    def _next(self) -> str:
        return self._text[self._at]

    def _fail(self, problem: str) -> GrammarError:
        found = "the end" if self._next == "\0" else repr(self._next)
        return GrammarError(f"{problem}, not {found}", self._at)

    def _space(self, *, newlines: bool) -> None:
        while self._next in (" \t#\r\n" if newlines else " \t#"):
            if self._next == "#":
                while self._next not in "\r\n\0":
                    self._at += 1
            else:
                self._at += 1

    def _word(self, letters: frozenset[str], what: str) -> str:
        start = self._at
        while self._next in letters:
            self._at += 1
        if self._at == start:
            raise self._fail(f"expected {what}")
        return self._text[start : self._at]

    def _rule(self) -> None:
        start = self._at
        name = self._word(WORD, "the name of a rule")
        self._space(newlines=False)
        self._symbols.add(name)
        if not self._text.startswith("::=", self._at):
            raise self._fail("expected '::='")
        self._at += 3
        self._space(newlines=True)
        self._rules[name] = self._alternatives(name, start, depth=0)
        if self._text.startswith("\r\n", self._at):
            self._at += 2
        elif self._next in "\r\n":
            self._at += 1
        elif self._next != "\0":
            raise self._fail("expected a symbol, '|' or the end of the line")
        self._space(newlines=True)

    def _alternatives(self, name: str, offset: int, depth: int) -> Rule:
        rule = Rule(offset, [self._sequence(name, depth)])
        while self._next == "|":
            self._at += 1
            self._space(newlines=True)
            rule.alternatives.append(self._sequence(name, depth))
        return rule

    def _sequence(self, name: str, depth: int) -> list[Item]:
        items: list[Item] = []
        last: list[Item] = []
        weight = 1
        """How many rules the last symbol stands for, as llama.cpp counts them."""
        while True:
            start, sign = self._at, self._next
            if sign in "*+?{":
                low, high = self._repetition()
                if not last:
                    raise GrammarError(f"{sign!r} has nothing before it to repeat", start)
                weight *= high or low or 1
                if weight > MAX_REPETITIONS:
                    raise GrammarError(f"more than {MAX_REPETITIONS} repetitions", start)
                del items[len(items) - len(last) :]
                last = self._repeated(name, last, low, high)
            elif sign == "(":
                before = len(self._symbols)
                last = [self._group(name, depth)]
                weight = max(1, len(self._symbols) - before)
            elif sign in '"[<!.' or sign in WORD:
                last, weight = self._symbol(sign), 1
            else:
                return items
            items += last
            self._count(len(last))
            self._space(newlines=depth > 0)

    def _symbol(self, sign: str) -> list[Item]:
        start = self._at
        if sign == '"':
            return self._literal()
        if sign == "[":
            return [self._class()]
        if sign in "<!":
            return [self._token()]
        if sign == ".":
            self._at += 1
            return [Item(start)]
        name = self._word(WORD, "the name of a rule")
        self._symbols.add(name)
        return [Item(start, name)]

    def _count(self, elements: int) -> None:
        self._elements += elements
        if self._elements > MAX_ELEMENTS:
            raise GrammarError(f"the grammar has more than {MAX_ELEMENTS} symbols", self._at)

    def _group(self, name: str, depth: int) -> Item:
        start = self._at
        if depth == MAX_DEPTH:
            raise GrammarError(f"more than {MAX_DEPTH} nested brackets", start)
        self._at += 1
        self._space(newlines=True)
        symbol = self._new_symbol(name)
        self._rules[symbol] = self._alternatives(name, start, depth + 1)
        if self._next != ")":
            raise self._fail("expected ')'")
        self._at += 1
        return Item(start, symbol)

    def _new_symbol(self, name: str) -> str:
        symbol = f"{name}_{len(self._symbols)}"
        self._symbols.add(symbol)
        return symbol

    def _repeated(self, name: str, last: list[Item], low: int, high: int | None) -> list[Item]:
        """The items that replace the last symbol when it is repeated."""
        optional = 1 if high is None else high - low
        if optional < 0:
            raise GrammarError(f"{low} is more than {high}", self._at - 1)
        for _ in range(optional):
            self._new_symbol(name)
        self._count(len(last) * (low + optional))
        if len(last) == 1 and (last[0].low, last[0].high) == (1, 1):
            return [Item(last[0].offset, last[0].rule, low, high)]
        symbol = self._new_symbol(name)  # llama.cpp has no such rule: here one item stands for several
        self._rules[symbol] = Rule(last[0].offset, [last])
        return [Item(last[0].offset, symbol, low, high)]

    def _repetition(self) -> tuple[int, int | None]:
        sign = self._next
        self._at += 1
        if sign != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        self._space(newlines=True)
        low = self._number()
        high: int | None = low
        if self._next == ",":
            self._at += 1
            self._space(newlines=True)
            high = self._number() if self._next in DIGITS else None
        if self._next != "}":
            raise self._fail("expected '}'")
        self._at += 1
        return low, high

    def _number(self) -> int:
        start = self._at
        digits = self._word(DIGITS, "a number")
        if len(digits) > 9 or int(digits) > MAX_REPETITIONS:
            raise GrammarError(f"more than {MAX_REPETITIONS} repetitions", start)
        self._space(newlines=True)
        return int(digits)

    def _literal(self) -> list[Item]:
        self._at += 1
        items = []
        while self._next != '"':
            items.append(Item(self._at))
            self._character()
        self._at += 1
        return items

    def _class(self) -> Item:
        start = self._at
        self._at += 2 if self._text.startswith("[^", self._at) else 1
        if self._next == "]":
            raise GrammarError("a class without characters", start)
        while self._next != "]":
            first_at, first = self._at, self._character()
            self._count(1)
            if self._next == "-" and self._text[self._at + 1] != "]":
                self._at += 1
                if self._character() < first:
                    raise GrammarError("a range that ends before it begins", first_at)
        self._at += 1
        return Item(start)

    def _character(self) -> int:
        start, sign = self._at, self._next
        if sign == "\0":
            raise GrammarError("the grammar ends inside a literal", start)
        self._at += 1
        if sign != "\\":
            return ord(sign)
        kind = self._next
        self._at += 1
        if kind in HEX_LENGTHS:
            length = HEX_LENGTHS[kind]
            digits = self._text[self._at : self._at + length]
            if len(digits) != length or not HEX_DIGITS.issuperset(digits):
                raise GrammarError(f"expected {length} hexadecimal digits after \\{kind}", start)
            self._at += length
            return int(digits, 16)
        if kind not in ESCAPED:
            raise GrammarError(
                'an unknown escape; known are \\x \\u \\U \\t \\r \\n \\\\ \\" \\[ \\] \\-', start
            )
        return ord(ESCAPED[kind])

    def _token(self) -> Item:
        start = self._at
        self._at += 1 if self._next == "!" else 0
        end = self._text.find(">", self._at)
        if self._next != "<" or end < 0:
            raise GrammarError("expected <token> or <[id]>", start)
        written = self._text[self._at : end + 1]
        number = written[2:-2]
        if written.startswith("<["):
            if not written.endswith("]>") or not DIGITS.issuperset(number) or not 0 < len(number) < 10:
                raise GrammarError("expected the id of a token: <[id]>", start)
        elif self._token_count(written) != 1:
            raise GrammarError(f"{written} is not a token of this model", start)
        self._at = end + 1
        self.has_tokens = True
        return Item(start)
