"""Regular expressions and Lark's grammars: which texts they allow, and where they are wrong."""

from __future__ import annotations

import itertools
import random
import re

import pytest
from byte_model import MODEL, accepts

from sidecar.core.structured_output.regex_and_lark import of_lark, of_regex
from sidecar.message_handler.errors import SidecarError


@pytest.mark.parametrize(
    ("expression", "allowed", "refused"),
    [
        ("[a-f]{2}", ["ab"], ["a", "abc", "xab"]),
        ("^(a|bc)$", ["a", "bc"], ["ab"]),
        ("^a|b$", ["a", "b"], ["ax", "xb"]),
        ("(?i:^a|b$)", ["A", "b"], ["ax", "xb"]),
        ("(?:^(?:^ab$)$)", ["ab"], ["a", "abc"]),
        (r"\d+(?:\.\d+)?", ["1", "12.5"], ["1.", "٣"]),
        (r"\p{Lu}é\u{1F600}", ["Ñé😀"], ["ñé😀"]),
        ("(?i)yes", ["YES", "yEs"], ["no"]),
        ('a"\\\\/\\n', ['a"\\/\n'], ["a"]),
        ("[^]", ["\n", "x"], ["", "xx"]),
        ("(?:a|b)c", ["ac", "bc"], ["a", "abc"]),
        ("x(?:(?:ab|c))(?:d|e)+", ["xabd", "xcde"], ["xab", "e", "xcd|"]),
        (r"[^\Sa]", ["\n", " "], ["a", "\ud7ff", "\ue000"]),
    ],
)
def test_a_regular_expression_matches_whole_texts(
    expression: str, allowed: list[str], refused: list[str]
) -> None:
    matcher = of_regex(MODEL, expression)
    assert [text for text in allowed if not accepts(matcher, text)] == []
    assert [text for text in refused if accepts(matcher, text)] == []


@pytest.mark.parametrize(
    ("expression", "column"), [("(a", 3), ("a)", 2), ("ab[z-a]", 7), ("(?=a)b", 1), (r"(a)\1", 1), ("a^b", 1)]
)
def test_a_wrong_expression_is_refused_with_its_place(expression: str, column: int) -> None:
    with pytest.raises(SidecarError) as refused:
        of_regex(MODEL, expression)
    assert refused.value.kind == "invalidGrammar"
    assert (refused.value.details["line"], refused.value.details["pointer"]) == (1, "/regex")
    assert refused.value.details["column"] == column


GROUPS = ("({})", "(?:{})", "(?:{})", "({})*", "(?:{})+", "(?:{}){{0,2}}")


def made_expression(chance: random.Random, depth: int = 3) -> str:
    """A random expression over a and b."""
    if not depth or chance.random() < 0.2:
        return chance.choice(["a", "b", "ab", "[ab]", "[^a]", ""])
    one, other = (made_expression(chance, depth - 1) for _ in range(2))
    return one + other if chance.random() < 0.5 else chance.choice(GROUPS).format(f"{one}|{other}")


def test_expressions_mean_what_they_mean_elsewhere() -> None:
    chance = random.Random(1)
    texts = ["".join(text) for length in range(5) for text in itertools.product("ab", repeat=length)]
    for _ in range(80):
        expression = made_expression(chance)
        expected = [text for text in texts if re.fullmatch(expression, text)]
        try:
            matcher = of_regex(MODEL, expression)
        except SidecarError:
            assert expected == [], expression
            continue
        assert [text for text in texts if accepts(matcher, text)] == expected, expression


@pytest.mark.parametrize("expression", [r"[^\s\S]", "[]", r"a[^\w\W]b"])
def test_an_expression_that_matches_nothing(expression: str) -> None:
    with pytest.raises(SidecarError, match="no text"):
        of_regex(MODEL, expression)


SUM = 'start: sum\nsum: NUMBER | sum "+" NUMBER\nNUMBER: /[0-9]+/\n'


@pytest.mark.parametrize(
    ("grammar", "allowed", "refused"),
    [
        (SUM, ["1", "1+22+3"], ["+", "1+"]),
        ('start: a\na: "(" a ")" | "x" | a a', ["x", "((x)x)"], ["(x"]),
        ('start: "n=" %json {"type": "integer"}', ["n=5"], ["n=a"]),
    ],
    ids=["left-recursive", "ambiguous", "with a schema"],
)
def test_a_grammar_of_lark(grammar: str, allowed: list[str], refused: list[str]) -> None:
    matcher = of_lark(MODEL, grammar)
    assert [text for text in allowed if not accepts(matcher, text)] == []
    assert [text for text in refused if accepts(matcher, text)] == []


@pytest.mark.parametrize(
    ("grammar", "line", "column", "cause"),
    [
        ("start: foo\n", 1, 8, 'unknown name: "foo"'),
        ("start: a\na: b 'x\n", 2, 6, "lexer error"),
        ('start: "a" (\n', 1, 13, "Expected token ')'"),
        ('root: "a"\n', 1, 1, "no start rule found"),
        ("start: a\na: a", 1, 1, "no text"),
        ('start: start "a" | start "b"', 1, 1, "no text"),
    ],
)
def test_a_wrong_grammar_is_refused_with_its_place(grammar: str, line: int, column: int, cause: str) -> None:
    with pytest.raises(SidecarError) as refused:
        of_lark(MODEL, grammar)
    details = refused.value.details
    assert refused.value.kind == "invalidGrammar"
    assert (details["line"], details["column"]) == (line, column)
    assert cause in str(details["cause"])


@pytest.mark.parametrize(
    ("grammar", "line", "column"), [('start: "a"\n\0 | "b"', 2, 1), ('start: "\ud800"', 1, 9)]
)
def test_a_character_that_would_cut_a_grammar_off_is_refused(grammar: str, line: int, column: int) -> None:
    with pytest.raises(SidecarError) as refused:
        of_lark(MODEL, grammar)
    details = refused.value.details
    assert (refused.value.kind, details["line"], details["column"]) == ("invalidGrammar", line, column)
