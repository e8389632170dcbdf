"""A grammar restricts the generated text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Once
from driver import Message, Refused, Sidecar
from real.conftest import run_chains
from samplings import SAMPLINGS

pytestmark = pytest.mark.real

PROMPT = "The capital of France is"
HOT = {"temperature": 2, "topK": 0, "topP": 1, "minP": 0}

GREEDY = {
    "never what it would say": 'root ::= "<" [0-9a-f]{4,8} ">"',
    "now and then what it would say": 'root ::= " " [A-Z] [a-z]+ (" " [a-z]+){2,5} "!"',
    "always what it would say": "root ::= [^\\x00]*",
    "characters of several bytes": 'root ::= "é😀" [\\u3041-\\u3096]{4} "日本"',
    "choices": 'root ::= " " ("Rome" | "London" | "Lyon") "."',
    "recursion": 'root ::= " " list\nlist ::= "(" (list | [a-z]+) ("," list)? ")"',
}
"""Name → a grammar that llama.cpp's own sampler before a greedy one also follows."""


def complete(worded: Sidecar, grammar: str, **params: Any) -> Message:
    asked = {"contextId": "context-1", "prompt": PROMPT, "maxTokens": 12, "grammar": grammar, **params}
    return worded.call("complete", asked)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def by_hand(worded_path: str, once: Once) -> dict[str, list[int]]:
    jobs = [
        {"prompt": PROMPT, "maxTokens": 12, "chain": [["grammar", "vocab", text, "root"], ["greedy"]]}
        for text in GREEDY.values()
    ]
    results = once("grammars by hand", lambda: run_chains(worded_path, jobs, exact=True))
    return {name: result["tokens"] for name, result in zip(GREEDY, results, strict=True)}


@pytest.mark.parametrize("name", GREEDY)
def test_the_most_likely_text_that_the_grammar_allows(
    worded: Sidecar, worded_anew: Callable[..., str], by_hand: dict[str, list[int]], name: str
) -> None:
    result = complete(worded, GREEDY[name], temperature=0, contextId=worded_anew())
    assert (
        result["text"] == worded.call("detokenize", {"modelId": "model-1", "tokens": by_hand[name]})["text"]
    )


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("grammar", "expression"),
    [
        ('root ::= "yes" | "no"', "yes|no"),
        ('root ::= [0-9]{3} ("-" [a-z]{2})*', r"\d{3}(-[a-z]{2})*"),
        ("root ::= [α-ω]{2,5} [^\\x00-\\x7F]", r"[α-ω]{2,5}[^\x00-\x7f]"),
        ('root ::= "<|im_start|>" [a-z]{1,3}', r"<\|im_start\|>[a-z]{1,3}"),
    ],
    ids=["choice", "repetition", "several bytes", "the name of a control token"],
)
def test_an_ended_text_is_one_of_the_grammar(
    worded: Sidecar, grammar: str, expression: str, seed: int
) -> None:
    result = complete(worded, grammar, **HOT, seed=seed, maxTokens=30)
    if result["finishReason"] == "stop":
        assert re.fullmatch(expression, result["text"])
    else:
        assert result["finishReason"] == "length"
    again = complete(worded, grammar, **HOT, seed=seed, maxTokens=30)
    assert again["text"] == result["text"], "the seed does not repeat it"


@pytest.mark.parametrize(
    "params",
    SAMPLINGS,
    ids=str,
)
def test_every_sampler_works_under_a_grammar(worded: Sidecar, params: dict[str, Any]) -> None:
    for seed in range(2):
        result = complete(worded, 'root ::= "#" [0-9]{2} "#"', **params, seed=seed)
        assert re.fullmatch("#[0-9]{2}#", result["text"])
        assert result["finishReason"] == "stop"


def test_tokens_in_a_grammar(worded: Sidecar) -> None:
    (paris,) = worded.call("tokenize", {"modelId": "model-1", "text": " Paris"})["tokens"]
    assert complete(worded, f"root ::= <[{paris}]> !<[{paris}]>", temperature=0)["text"].startswith(" Paris")
    silent = complete(worded, 'root ::= "a" <|im_start|> "b"', temperature=0)
    assert silent["text"] == "ab"


def test_parallel_streams_follow_their_own_grammars(worded: Sidecar) -> None:
    grammars = ['root ::= "a"{5}', "root ::= [0-9]{5}", 'root ::= "x" "y"{4}', None]
    requests = []
    for grammar in grammars:
        held = {} if grammar is None else {"grammar": grammar}
        asked = {"contextId": "context-2", "prompt": PROMPT, "maxTokens": 12, "seed": 3, **held}
        requests.append(worded.send("complete", asked))
    texts = [worded.result(request)["text"] for request in requests]
    assert texts[0] == "aaaaa"
    assert re.fullmatch("[0-9]{5}", texts[1])
    assert texts[2] == "xyyyy"
    assert len(texts[3]) > 5


def test_stop_strings_and_lengths_still_end_it(worded: Sidecar) -> None:
    result = complete(worded, "root ::= [0-9]{12}", stop="5", logitBias=[["5", 100]])
    assert (result["finishReason"], result["stopString"]) == ("stop", "5")
    assert complete(worded, "root ::= [0-9]{12}", maxTokens=2)["finishReason"] == "length"


def test_a_wrong_grammar_is_reported_with_line_and_column(worded: Sidecar) -> None:
    with pytest.raises(Refused) as refused:
        complete(worded, 'root ::= "a" |\n  nothing')
    assert refused.value.kind == "invalidGrammar"
    data = refused.value.data
    assert (data["pointer"], data["line"], data["column"]) == ("/grammar", 2, 3)
    assert "line 2, column 3: there is no rule 'nothing'" in refused.value.error["message"]
    assert complete(worded, 'root ::= "a"')["text"] == "a"


def test_a_text_that_cannot_continue_is_reported(worded: Sidecar) -> None:
    with pytest.raises(Refused) as refused:
        complete(worded, 'root ::= "q"+', logitBias=[["q", False], ["qq", False]])
    assert refused.value.kind == "noTokenAllowed"
    assert complete(worded, 'root ::= "q"{3}')["text"] == "qqq"
