"""Structure beside other work: a schema that compiles for long, drafts, a context that shifts, an abort."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf_files
import pytest
from conftest import Start
from driver import Sidecar
from process_work import ABORTED, EXACT

pytestmark = pytest.mark.real

NAMES = [f"p{n}" for n in range(5000)]
HUGE = {
    "type": "object",
    "properties": {name: {"type": ["string", "integer"]} for name in NAMES},
    "required": NAMES,
}
"""Takes more than a second to compile; the made model's tokens take no time."""

LARGE = {"properties": {f"{number}" + "x" * 5000: {} for number in range(1000)}}
DEEP: Any = {}
for _ in range(80):
    DEEP = {"items": DEEP}

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "5 MB": ({"jsonSchema": LARGE}, "schemaTooComplex"),
    "deep": ({"jsonSchema": DEEP}, "schemaTooComplex"),
    "a circle": ({"jsonSchema": {"$ref": "#"}}, "unsatisfiableSchema"),
    "outside": ({"jsonSchema": {"$ref": "file:///etc/passwd"}}, "unsupportedSchema"),
    "a pattern that explodes": ({"regex": "(((a{0,9000}){0,9000}){0,9000}b?){0,9000}c"}, ""),
    "an empty language": ({"regex": r"[^\s\S]"}, "invalidGrammar"),
    "no value": ({"jsonSchema": {"allOf": [{"type": "string"}, {"type": "null"}]}}, "unsatisfiableSchema"),
    "left recursion": ({"grammar": 'root ::= root "a" | "a"'}, "invalidGrammar"),
    "recursion without an end": ({"grammar": 'start: start "a"', "grammarSyntax": "lark"}, "invalidGrammar"),
}
"""Params, and the kind of error with which they are refused at once. llguidance makes the states of a pattern one by
one, so that one is followed. The nesting of a message has a limit of its own."""

ITEMS = r"(item [a-z]{3}, ){500}"
BEGUN = re.compile(r"(item [a-z]{3}, )*(item [a-z]{3},?|item [a-z]{0,2}|i?t?e?m? ?)")
"""The beginning of such a text."""


def complete(**params: Any) -> dict[str, Any]:
    return {"contextId": "context-1", "prompt": "Once", "temperature": 0, "maxTokens": 8, **params}


def kind_of(response: Any) -> str:
    """The kind of an error; "" if there is none."""
    return response["error"]["data"]["kind"] if "error" in response else ""


def answered(sidecar: Sidecar, *requests: Any) -> list[Any]:
    """These requests in the order of their responses."""
    for request in requests:
        sidecar.response(request)
    return [message["id"] for message in sidecar.messages if message.get("id") in requests]


def test_others_go_on_while_a_huge_schema_compiles(made: Sidecar) -> None:
    huge = made.send("complete", complete(jsonSchema=HUGE))
    free = made.send("complete", complete(contextId="context-2"))
    held = made.send("complete", complete(contextId="context-2", regex="[a-z]{5}"))
    order = answered(made, free, held, huge)
    assert order[-1] == huge
    assert made.result(free)["usage"]["completionTokens"] == 8
    assert re.fullmatch("[a-z]{5}", made.result(held)["text"])
    assert made.result(huge)["text"].startswith("{")


def test_bad_schemas_and_grammars_cost_nothing_else(made: Sidecar) -> None:
    (plain,) = answers = [made.call("complete", complete(contextId="context-2", maxTokens=200))["text"]]
    streams = [made.send("complete", complete(contextId="context-2", maxTokens=200)) for _ in range(2)]
    refused = {name: made.send("complete", complete(**params)) for name, (params, _) in BAD.items()}
    kinds = {name: kind_of(made.response(request)) for name, request in refused.items()}
    answers += [made.result(request)["text"] for request in streams]
    assert kinds == {name: kind for name, (_, kind) in BAD.items()}
    assert answers == [plain] * 3


def test_an_abort_while_a_schema_compiles_costs_nothing_else(made: Sidecar) -> None:
    slow = {**HUGE, "required": NAMES[1:]}  # another one: the first may be kept
    huge = made.send("complete", complete(jsonSchema=slow, maxTokens=10**9, contextOverflow="shift"))
    made.call("abort", {"requestId": huge})
    after = made.send("complete", complete(regex="[0-9]{4}"))
    assert made.response(huge)["error"]["code"] == ABORTED
    assert re.fullmatch("[0-9]{4}", made.result(after)["text"])


def test_a_text_under_a_grammar_goes_on_in_a_context_that_shifts(
    anew: Callable[..., str], made: Sidecar
) -> None:
    texts = []
    for params in ({}, {"speculation": "lookup"}, {"forcedTokens": False}):
        context = anew(contextSize=256)
        asked = complete(contextId=context, regex=ITEMS, maxTokens=420, contextOverflow="shift", **params)
        result = made.call("complete", asked)
        assert result["finishReason"] == "length"
        assert result["usage"]["completionTokens"] == 420
        assert result["usage"]["truncatedTokens"] > 100
        assert BEGUN.fullmatch(result["text"]), result["text"]
        assert ("forcedTokens" in result["usage"]) == ("forcedTokens" not in params)
        texts.append(result["text"])
    assert texts[0] == texts[1], "look-up changes nothing"


def test_drafts_of_a_model_pass_through_the_mask(start: Start, tmp_path: Path) -> None:
    sidecar = start()
    made_path = gguf_files.ascii_model(tmp_path / "sure.gguf", {"output_norm.weight": (-30.0, 30.0)})
    sidecar.call("loadModel", {"path": made_path, "draftPath": made_path})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 1024, "sequences": 2, **EXACT})
    for seed in range(2):
        asked = complete(regex=ITEMS, maxTokens=120, seed=seed, temperature=seed)
        plain = sidecar.send("complete", {**asked, "speculation": "none"})
        drafted = sidecar.send("complete", asked)
        results = [sidecar.result(request) for request in (plain, drafted)]
        assert results[0]["text"] == results[1]["text"]
        assert BEGUN.fullmatch(results[0]["text"])
        assert results[1]["usage"]["guessedTokens"] > 0
        assert all(result["usage"]["forcedTokens"] > 40 for result in results)
