"""A grammar that makes llama.cpp follow too many ways at once is refused; usual ones are not."""

from __future__ import annotations

import pytest

from sidecar.core.structured_output import gbnf
from sidecar.core.structured_output.grammar_rules import MAX_CHAIN, GrammarError

CHAIN = "root ::= r0\n{}\nr{} ::= [a]"


def chain(length: int) -> str:
    return CHAIN.format("\n".join(f"r{n} ::= r{n + 1}" for n in range(length)), length)


TOO_MUCH = {
    "optional symbols": "root ::= " + '"a"? ' * 20_000,
    "twice as many ways with each rule": (
        "root ::= r0\n" + "\n".join(f"r{n} ::= r{n + 1} r{n + 1}" for n in range(40)) + '\nr40 ::= "a"?'
    ),
    "the same, and nothing is empty": (
        "root ::= r0\n" + "\n".join(f"r{n} ::= r{n + 1} | r{n + 1}" for n in range(40)) + '\nr40 ::= "a"'
    ),
    "a chain of rules": chain(MAX_CHAIN + 1),
}
USUAL = {
    "JSON": r"""root ::= object
value ::= object | array | string | "true"
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" [^"]* "\"" ws
ws ::= [ \t\n]*""",
    "many words": "root ::= word+\nword ::= " + " | ".join(f'"w{n} "' for n in range(5000)),
    "many optional members": "root ::= " + " ".join(f'("m{n}")?' for n in range(300)),
    "repetitions": 'root ::= ("a" "b"?){0,900} "c"',
    "a short chain": chain(MAX_CHAIN // 2),
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_too_many_ways_are_refused(case: str) -> None:
    with pytest.raises(GrammarError):
        gbnf.check(TOO_MUCH[case], lambda _: 1, limit_work=True)


@pytest.mark.parametrize("case", USUAL)
def test_usual_grammars_are_taken(case: str) -> None:
    assert not gbnf.check(USUAL[case], lambda _: 1, limit_work=True)
