"""From JSON schemas and their parts to grammars."""

from __future__ import annotations

import re
from typing import Any

import pytest
from schema_cases import REFUSED, SATISFIABLE

from sidecar.core.structured_output import gbnf
from sidecar.core.structured_output.grammar_rules import GrammarError
from sidecar.core.structured_output.json_numbers import integers
from sidecar.core.structured_output.json_patterns import PatternError, pattern_rule
from sidecar.core.structured_output.json_schema import MAX_SCHEMAS, json_grammar
from sidecar.core.structured_output.json_strings import repeated
from sidecar.core.structured_output.schema_keywords import Unsatisfiable, Unsupported


@pytest.mark.parametrize("name", SATISFIABLE)
def test_every_schema_makes_a_grammar_that_can_be_followed(name: str) -> None:
    assert gbnf.check(json_grammar(SATISFIABLE[name], ""), lambda _: 0) is False


@pytest.mark.parametrize(("schema", "kind", "pointer"), REFUSED, ids=lambda value: str(value)[:50])
def test_a_schema_that_cannot_be_enforced_is_refused(schema: Any, kind: str, pointer: str) -> None:
    with pytest.raises((Unsupported, Unsatisfiable, GrammarError)) as error:
        gbnf.check(json_grammar(schema, ""), lambda _: 0)
    if not isinstance(error.value, GrammarError):
        assert error.value.pointer == pointer
        assert isinstance(error.value, Unsupported) == (kind == "unsupportedSchema")


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 0),
        (0, 9),
        (3, 117),
        (10, 99),
        (99, 1001),
        (-5, 5),
        (-120, -7),
        (None, 12),
        (None, -12),
        (995, 1005),
    ],
)
def test_integers_are_exactly_those_within(low: int | None, high: int) -> None:
    rule = integers(low, high)
    assert rule is not None
    # What integers() writes is a regular expression, except for its quotes and spaces.
    expression = re.compile(re.sub(r'[" ]', "", rule))
    numbers = range(-1300, 1300)
    expected = {n for n in numbers if (low is None or low <= n) and n <= high}
    assert {n for n in numbers if expression.fullmatch(str(n))} == expected
    assert not expression.fullmatch("007")


def test_no_integers() -> None:
    assert integers(3, 2) is None


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 3), (2, 2), (0, None), (5, None), (1999, 2001), (0, 4500), (2500, 4700), (4001, None)],
)
def test_repetitions_are_put_together_from_pieces(low: int, high: int | None) -> None:
    expression = re.compile(re.sub(r'[" ]', "", repeated("x", low, high)).replace("{0}", "{0,0}"))
    for length in {0, max(low - 1, 0), low, low + 1, 1999, 2000, 2001, high or 9000, (high or 9000) + 1}:
        fits = low <= length and (high is None or length <= high)
        assert bool(expression.fullmatch("x" * length)) == fits, length


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("^ab$", "[a] [b]"),
        ("ab", "char* [a] [b] char*"),
        ("^a|b$", "[a] char* | char* [b]"),
        ("^(?:ab)*c?$", "([a] [b])* [c]?"),
        ("^[0-9a-f]{2,}$", "[0-9a-f]{2,}"),
        ("^\\d{3}$", "[0-9]{3}"),
        ('^"$', '"\\\\\\""'),
        ("^\\\\$", '"\\\\\\\\"'),
        ("^\\n$", '"\\\\n"'),
        ("^((a|b)c)+?$", "(([a] | [b]) [c])+"),
        ("^$", '""'),
    ],
)
def test_patterns(pattern: str, rule: str) -> None:
    assert pattern_rule(pattern) == rule


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?<n>a)",
        "(a",
        "a)",
        "[a",
        "[z-a]",
        "*",
        "a**",
        "a{2,1}",
        "a{1001}",
        "a{x}",
        "\\b",
        "\\1",
        "a^b",
        "a$b",
        "(a*)*",
        "(a|b?)+",
        "\\p{L}",
        "\\",
        "[]",
        "(" * 40 + "a" + ")" * 40,
    ],
)
def test_patterns_that_are_not_supported(pattern: str) -> None:
    with pytest.raises(PatternError):
        pattern_rule(pattern)


def test_a_schema_has_a_largest_size() -> None:
    wide = {"type": "object", "properties": {f"p{n}": {"type": "null"} for n in range(MAX_SCHEMAS)}}
    with pytest.raises(Unsupported, match="subschemas"):
        json_grammar(wide, "")
    deep: Any = {}
    for _ in range(100):
        deep = {"type": "array", "items": deep}
    with pytest.raises(Unsupported, match="nested schemas"):
        json_grammar(deep, "")
    growing = {"allOf": [{"$ref": "#"}, {"properties": {"a": {"$ref": "#"}}}]}
    with pytest.raises(Unsupported):
        json_grammar(growing, "")
