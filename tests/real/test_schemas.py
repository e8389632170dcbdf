"""Texts that are generated under a JSON Schema parse and satisfy it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from driver import Refused, Sidecar
from jsonschema import Draft202012Validator, FormatChecker
from schema_cases import PERSON, REFUSED, SATISFIABLE

from sidecar.core.structured_output.json_schema import json_grammar

pytestmark = pytest.mark.real

PATIENCE_S = 240
"""How long a busy machine may take for a text. It only bounds a failure."""

COUNT = 12
"""Random texts of each schema."""

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


@pytest.fixture(scope="module")
def walks(request: pytest.FixtureRequest, model_path: str) -> dict[str, list[str | None]]:
    """Name of the schema → random texts that its grammar allows."""
    if request.config.getoption("--runtime") != "source":
        pytest.skip("the grammars are made and walked in a Python of the test's own: no program runs")
    grammars = [json_grammar(schema, "") for schema in SATISFIABLE.values()]
    order = {"model": model_path, "seed": 1, "count": COUNT, "grammars": grammars}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parents[1] / "support" / "grammar_walk.py")],
        input=json.dumps(order).encode(),
        capture_output=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr.decode()
    return dict(zip(SATISFIABLE, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", SATISFIABLE)
def test_all_texts_that_the_grammar_allows_satisfy_the_schema(
    walks: dict[str, list[str | None]], name: str
) -> None:
    ended = [text for text in walks[name] if text is not None]
    assert len(ended) >= COUNT // 2
    for text in ended:
        validate(text, SATISFIABLE[name])


@pytest.mark.parametrize("seed", range(2))
def test_unlikely_random_texts_satisfy_the_schema_too(
    real: Sidecar, fresh: Callable[..., str], seed: int
) -> None:
    hot = {"temperature": 1.8, "topK": 0, "topP": 1, "minP": 0, "seed": seed}
    context = fresh(sequences=4)
    names = ["pattern", "others beside named ones", "oneOf by a constant", "enum"]
    requests = {
        name: real.send("chat", {"contextId": context, **CHAT, **hot, "jsonSchema": SATISFIABLE[name]})
        for name in names
    }
    reasons = []
    for name, request in requests.items():
        result = real.result(request, PATIENCE_S)
        reasons.append(result["finishReason"])
        if result["finishReason"] == "stop":
            validate(result["message"]["content"], SATISFIABLE[name])
        assert real.streamed(request) == result["message"]["content"]
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


@pytest.mark.parametrize(("schema", "kind", "pointer"), REFUSED, ids=lambda value: str(value)[:50])
def test_a_schema_that_cannot_be_enforced_is_refused(
    real: Sidecar, schema: Any, kind: str, pointer: str
) -> None:
    with pytest.raises(Refused) as refused:
        real.call("complete", {"contextId": "context-1", "prompt": "x", "maxTokens": 1, "jsonSchema": schema})
    assert refused.value.kind == kind
    assert refused.value.data["pointer"] == "/jsonSchema" + pointer
    if kind == "unsupportedSchema":
        assert refused.value.data["value"] == pointer.rsplit("/", 1)[1].replace("~1", "/")
        assert "properties" in refused.value.data["allowed"]


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"grammar": 'root ::= "a"', "jsonSchema": True}, "/jsonSchema"),
        ({"jsonSchema": True, "responseFormat": {"type": "json_object"}}, "/responseFormat"),
        ({"jsonSchema": True, "stop": "x"}, "/stop"),
        ({"responseFormat": {"type": "json_object"}, "stop": ["x"]}, "/stop"),
        ({"grammar": 'root ::= "a"', "ignoreEos": True}, "/ignoreEos"),
    ],
    ids=str,
)
def test_params_that_exclude_each_other_are_refused(
    real: Sidecar, params: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Refused) as refused:
        real.call("complete", {"contextId": "context-1", "prompt": "x", "maxTokens": 1, **params})
    assert refused.value.kind == "invalidParams"
    assert refused.value.data["pointer"] == pointer
