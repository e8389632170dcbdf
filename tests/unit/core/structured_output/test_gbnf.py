"""What is wrong with a grammar is found before llama.cpp sees it, with the place where it is."""

from __future__ import annotations

import pytest

from sidecar.core.structured_output.gbnf import MAX_DEPTH, check, line_and_column
from sidecar.core.structured_output.grammar_rules import GrammarError


def one_token(text: str) -> int:
    return 1 if text == "<|im_end|>" else 3


GOOD = [
    'root ::= "a"',
    "root ::= [a-z]+ [^\\n\\]] [\\]\\-x-]",
    '# a comment\nroot ::= x | y # another\nx ::= ""\n\n  y ::= [0-9]{2,}',
    'root ::= (\n  item ("," item)*\n)?\nitem ::= "x"{3} | .',
    'root ::=\n  "a" |\n  "b"\r\n',
    'root ::= "\\x41\\u00e9\\U0001F600\\t\\"\\\\"',
    'root ::= "(" root ")" | ""',
    'root ::= "a" b\nb ::= "c"\nb ::= "d"',
    "root ::= " + "(" * MAX_DEPTH + '"a"' + ")" * MAX_DEPTH,
    'root ::= "a"{2000} ("b"{40}){50}',
]


@pytest.mark.parametrize("grammar", GOOD)
def test_a_good_grammar_passes(grammar: str) -> None:
    assert check(grammar, one_token) is False


def test_it_returns_whether_a_grammar_has_token_symbols() -> None:
    assert check('root ::= "a" <|im_end|> <[12]> !<|im_end|>', one_token) is True


BAD: list[tuple[str, int, int, str]] = [
    ("", 1, 1, "no rule 'root'"),
    ('start ::= "a"', 1, 1, "no rule 'root'"),
    ('root ::= "a', 1, 12, "inside a literal"),
    ("root ::= [a-z", 1, 14, "inside a literal"),
    ('root ::= "a"\nx = "b"', 2, 3, "expected '::='"),
    ('root ::= "a" )', 1, 14, "expected a symbol"),
    ('root ::= ("a"', 1, 14, "not the end"),
    ('root ::= "a"\n  | nothing', 2, 3, "expected the name of a rule"),
    ('root ::= "a" |\n  nothing', 2, 3, "no rule 'nothing'"),
    ('root ::= "é" \\', 1, 14, "expected a symbol"),
    ('root ::= "\\q"', 1, 11, "unknown escape"),
    ('root ::= "\\x4"', 1, 11, "2 hexadecimal digits"),
    ("root ::= []", 1, 10, "class without characters"),
    ("root ::= [a-fz-x]", 1, 14, "ends before it begins"),
    ("root ::= *", 1, 10, "nothing before it"),
    ('root ::= "a"{2001}', 1, 14, "2000 repetitions"),
    ('root ::= "a"{5,3}', 1, 17, "5 is more than 3"),
    ('root ::= "a"{x}', 1, 14, "expected a number"),
    ('root ::= ("a" | "b"{0,50}){100}', 1, 27, "2000 repetitions"),
    ("root ::= <nothing>", 1, 10, "not a token of this model"),
    ("root ::= <[x]>", 1, 10, "the id of a token"),
    ('root ::= "a" root', 1, 1, "is endless"),
    ('root ::= "b" | root "a"', 1, 16, "begins with itself"),
    ('root ::= a\na ::= b "x"\nb ::= a | "y"', 3, 7, "begins with itself"),
    ('root ::= e root | "a"\ne ::= "x"?', 1, 12, "begins with itself"),
    ('root ::= ("a"?)*', 1, 10, "may be empty"),
    ('root ::= e+\ne ::= f\nf ::= "" | "a"', 1, 10, "may be empty"),
    ("root ::= " + "(" * (MAX_DEPTH + 1) + '"a"', 1, 10 + MAX_DEPTH, "nested brackets"),
    ('root ::= "a\0"', 1, 12, "NUL"),
    ('root ::= "\ud800"', 1, 11, "surrogate"),
]


@pytest.mark.parametrize(("grammar", "line", "column", "problem"), BAD)
def test_an_error_is_reported_with_its_position(grammar: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(GrammarError, match=problem) as error:
        check(grammar, one_token)
    assert line_and_column(grammar, error.value.offset) == (line, column)


def test_a_grammar_has_a_largest_size() -> None:
    with pytest.raises(GrammarError, match="more than 200000 symbols"):
        check('root ::= "' + "a" * 200_001 + '"', one_token)
