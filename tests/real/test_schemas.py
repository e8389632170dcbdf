"""Texts that are generated under a JSON Schema parse and satisfy it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from driver import Refused, Sidecar
from jsonschema import Draft202012Validator, FormatChecker
from samplings import SAMPLINGS
from schema_cases import PERSON, REFUSED, SATISFIABLE

pytestmark = pytest.mark.real

PATIENCE_S = 240
"""How long a busy machine may take for a text. It only bounds a failure."""

CHAT = {"messages": [{"role": "user", "content": "Invent something."}], "maxTokens": 48}


FORMATS = FormatChecker()


@FORMATS.checks("time", raises=ValueError)
def is_time(text: str) -> bool:
    """RFC 3339's full-time; jsonschema's own check refuses offsets."""
    return datetime.fromisoformat(f"2000-01-01T{text.replace('Z', '+00:00')}").tzinfo is not None


@FORMATS.checks("date-time", raises=ValueError)
def is_date_time(text: str) -> bool:
    """RFC 3339's date-time; jsonschema's own check needs another package."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo is not None


def validate(text: str, schema: Any) -> None:
    Draft202012Validator(schema, format_checker=FORMATS).validate(json.loads(text))


@pytest.mark.parametrize("seed", range(2))
def test_unlikely_random_texts_satisfy_the_schema_too(
    worded: Sidecar, worded_anew: Callable[..., str], seed: int
) -> None:
    hot = {"temperature": 1.8, "topK": 0, "topP": 1, "minP": 0, "seed": seed}
    context = worded_anew(sequences=4)
    names = ["pattern", "others and named ones", "oneOf by a constant", "enum"]
    requests = {
        name: worded.send("chat", {"contextId": context, **CHAT, **hot, "jsonSchema": SATISFIABLE[name]})
        for name in names
    }
    reasons = []
    for name, request in requests.items():
        result = worded.result(request, PATIENCE_S)
        reasons.append(result["finishReason"])
        if result["finishReason"] == "stop":
            validate(result["message"]["content"], SATISFIABLE[name])
        assert worded.streamed(request) == result["message"]["content"]
    assert "stop" in reasons


def test_a_response_format_is_enforced(real: Sidecar) -> None:
    asked = {"contextId": "context-1", **CHAT, "temperature": 0, "maxTokens": 100}
    format_ = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
    by_format = real.call("chat", {**asked, "responseFormat": format_}, PATIENCE_S)
    validate(by_format["message"]["content"], PERSON)
    assert by_format["finishReason"] == "stop"
    by_schema = real.call("chat", {**asked, "jsonSchema": PERSON}, PATIENCE_S)
    assert by_schema["message"]["content"] == by_format["message"]["content"]
    whole = real.call(
        "chat", {**asked, "maxTokens": 40, "responseFormat": {"type": "json_object"}}, PATIENCE_S
    )
    if whole["finishReason"] == "stop":
        assert isinstance(json.loads(whole["message"]["content"]), dict)
    plain = real.call("chat", {**asked, "maxTokens": 5, "responseFormat": {"type": "text"}})
    assert plain["message"]["content"] == real.call("chat", {**asked, "maxTokens": 5})["message"]["content"]


FEW_REFUSED = REFUSED[::8]
"""Unit tests try all of them."""


@pytest.mark.parametrize(("schema", "kind", "pointer"), FEW_REFUSED, ids=lambda value: str(value)[:50])
def test_a_schema_that_cannot_be_enforced_is_refused(
    worded: Sidecar, schema: Any, kind: str, pointer: str
) -> None:
    with pytest.raises(Refused) as refused:
        worded.call(
            "complete", {"contextId": "context-1", "prompt": "x", "maxTokens": 1, "jsonSchema": schema}
        )
    assert refused.value.kind == kind
    assert refused.value.data["pointer"] == "/jsonSchema" + pointer
    if kind == "unsupportedSchema":
        assert "properties" in refused.value.data["allowed"]


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"grammar": 'root ::= "a"', "jsonSchema": True}, "/jsonSchema"),
        ({"jsonSchema": True, "responseFormat": {"type": "json_object"}}, "/responseFormat"),
        ({"jsonSchema": True, "stop": "x"}, "/stop"),
        ({"responseFormat": {"type": "json_object"}, "stop": ["x"]}, "/stop"),
        ({"grammar": 'root ::= "a"', "ignoreEos": True}, "/ignoreEos"),
        ({"regex": "a", "jsonSchema": True}, "/jsonSchema"),
        ({"regex": "a", "grammar": 'root ::= "a"'}, "/regex"),
    ],
    ids=str,
)
def test_params_that_exclude_each_other_are_refused(
    worded: Sidecar, params: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Refused) as refused:
        worded.call("complete", {"contextId": "context-1", "prompt": "x", "maxTokens": 1, **params})
    assert refused.value.kind == "invalidParams"
    assert refused.value.data["pointer"] == pointer


# ---- how it is followed --------------------------------------------------------------------------

FIXED = {
    "type": "object",
    "properties": {
        name: {"type": "string", "pattern": "^[a-z]{2,9}$"}
        for name in ("first_name_of_the_person", "street_and_house_number", "country_of_birth")
    },
    "required": ["first_name_of_the_person", "street_and_house_number", "country_of_birth"],
    "additionalProperties": False,
}


MASKED = {"logitBias": [["#", -0.001]]}
"""With a bias, a rejection leads to a mask; without, the next likely token is tested first."""


def test_forced_tokens_change_nothing_but_the_time(worded: Sidecar, worded_anew: Callable[..., str]) -> None:
    asked = {**CHAT, "temperature": 0, "maxTokens": 120, "jsonSchema": FIXED}
    results = [
        worded.call("chat", {"contextId": worded_anew(), **asked, **params}, PATIENCE_S)
        for params in ({}, {"forcedTokens": False}, {"logprobs": True}, {"speculation": "lookup"}, MASKED)
    ]
    texts = [result["message"]["content"] for result in results]
    assert texts == texts[:1] * len(texts)
    validate(texts[0], FIXED)
    forced = [result["usage"].get("forcedTokens", 0) for result in results]
    assert forced[0] > 8
    assert forced[1:3] == [0, 0]
    assert {result["usage"]["completionTokens"] for result in results} == {
        results[0]["usage"]["completionTokens"]
    }
    assert len(results[2]["logprobs"]) == results[2]["usage"]["completionTokens"]


def test_what_is_tried_first_after_a_refusal_does_not_change_the_choice(
    worded: Sidecar, worded_anew: Callable[..., str]
) -> None:
    unlikely = (
        "".join(f"[{pair}]" for pair in ("iJ", "Wm", "q7", "kF", "Z3", "xB", "0v", "Yg")) + "[a-z ,.]{9}"
    )
    asked = {"prompt": "Once", "temperature": 0, "regex": unlikely}
    texts = [
        worded.call("complete", {"contextId": worded_anew(), **asked, **params})["text"]
        for params in ({}, MASKED, {"logprobs": True})
    ]
    assert texts == texts[:1] * len(texts)
    assert re.fullmatch(unlikely, texts[0])


def test_forced_tokens_beside_other_streams_and_up_to_the_limit(
    worded: Sidecar, worded_anew: Callable[..., str]
) -> None:
    context = worded_anew(sequences=3)
    asked = {"contextId": context, **CHAT, "temperature": 0, "maxTokens": 40}
    requests = [
        worded.send("chat", {**asked, **held}) for held in ({"jsonSchema": FIXED}, {}, {"jsonSchema": FIXED})
    ]
    first, free, second = (worded.result(request, PATIENCE_S) for request in requests)
    assert first["message"] == second["message"]
    assert free["message"] == worded.call("chat", {**asked}, PATIENCE_S)["message"]
    cut = worded.call("chat", {**asked, "maxTokens": 4, "jsonSchema": FIXED}, PATIENCE_S)
    assert (cut["finishReason"], cut["usage"]["completionTokens"]) == ("length", 4)
    assert first["message"]["content"].startswith(cut["message"]["content"])


@pytest.mark.parametrize(
    "params",
    [
        *SAMPLINGS,
        {"logitBias": [["a", False], ["e", -5]]},
    ],
    ids=str,
)
def test_every_sampler_follows_a_mask_of_few_and_of_many_tokens(
    worded: Sidecar, params: dict[str, Any]
) -> None:
    asked = {"contextId": "context-1", "prompt": "The capital of France is", "maxTokens": 12, **params}
    few = worded.call("complete", {**asked, "regex": "#[0-9]{2}#", "seed": 1})
    assert re.fullmatch("#[0-9]{2}#", few["text"])
    assert few["finishReason"] == "stop"
    many = worded.call("complete", {**asked, "regex": "[^ a-z]{2}[^ ]{0,4000}", "seed": 1, "maxTokens": 4})
    assert re.fullmatch("[^ a-z]{2}[^ ]*|[^ a-z]", many["text"])
    if "logitBias" in params:
        assert "a" not in few["text"]


def test_a_layout_without_choice_forces_more(worded: Sidecar, worded_anew: Callable[..., str]) -> None:
    asked = {**CHAT, "temperature": 0, "maxTokens": 120, "jsonSchema": FIXED}
    free, line = (
        worded.call("chat", {"contextId": worded_anew(), **asked, "jsonLayout": layout}, PATIENCE_S)
        for layout in ("free", "line")
    )
    text = line["message"]["content"]
    validate(text, FIXED)
    assert text == json.dumps(json.loads(text))
    assert line["usage"]["forcedTokens"] > free["usage"]["forcedTokens"]


def test_check_and_words_that_are_ignored_are_told(worded: Sidecar) -> None:
    asked = {
        "contextId": "context-1",
        "prompt": "x",
        "maxTokens": 20,
        "structure": "check",
        "temperature": 0,
        "jsonLayout": "line",
    }
    same = {"type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 2, "uniqueItems": True}
    with pytest.raises(Refused) as wrong:
        worded.call("complete", {**asked, "jsonSchema": same})
    assert wrong.value.kind == "invalidOutput"
    assert json.loads(wrong.value.data["partial"]["text"]) == [1, 1]
    told = worded.call("complete", {**asked, "jsonSchema": {"const": 7, "links": [], "readonly": True}})
    assert (told["text"], told["ignoredKeywords"]) == ("7", ["links", "readonly"])


def test_a_grammar_of_lark_is_followed(worded: Sidecar) -> None:
    asked = {"contextId": "context-1", "prompt": "Say yes:", "maxTokens": 20}
    lark = 'start: ("yes" | "no") "!" <|im_start|>'
    result = worded.call("complete", {**asked, "grammar": lark, "grammarSyntax": "lark"})
    assert result["text"] in ("yes!", "no!")
    with pytest.raises(Refused) as refused:
        worded.call("complete", {**asked, "grammar": "start: a\na: none", "grammarSyntax": "lark"})
    assert (refused.value.kind, refused.value.data["line"], refused.value.data["column"]) == (
        "invalidGrammar",
        2,
        4,
    )
