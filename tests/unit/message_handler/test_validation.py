"""Invalid params: the error says where, what was sent and what is allowed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.message_handler import validation
from sidecar.message_handler._wire import PARAMS
from sidecar.message_handler.document import openrpc_document
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.validation import validate_params

SCHEMA = Path(__file__).resolve().parents[3] / "schema"
METHOD_OF = {type_name: method for method, type_name in PARAMS.items()}
EXAMPLES, COUNTEREXAMPLES = (
    {name: sorted((SCHEMA / kind / name).glob("*.json")) for name in sorted(METHOD_OF)}
    for kind in ("examples", "counterexamples")
)
"""Type of params → files."""


def refused(method: str, params: Any) -> dict[str, Any]:
    """The details of the error."""
    with pytest.raises(SidecarError) as caught:
        validate_params(method, params)
    assert caught.value.kind == "invalidParams"
    wire = caught.value.to_wire()
    json.dumps(wire, allow_nan=False)
    assert len(wire["message"]) < 3000
    return caught.value.details


def resolve(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer. Raises LookupError."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


COMPLETE = {"contextId": "c", "prompt": "p"}


@pytest.mark.parametrize(
    ("method", "params", "pointer", "value", "allowed"),
    [
        ("tokenize", {"modelId": "m", "text": 1}, "/text", 1, {"type": "string"}),
        ("tokenize", {"modelId": "m", "text": None}, "/text", None, {"type": "string"}),
        ("tokenize", {"modelId": "m", "text": "", "addSpecial": 1}, "/addSpecial", 1, {"type": "boolean"}),
        ("complete", {**COMPLETE, "maxTokens": -1}, "/maxTokens", -1,
         {"type": "integer", "minimum": 0, "maximum": 2147483647}),
        ("complete", {**COMPLETE, "maxTokens": 1.0}, "/maxTokens", 1.0,
         {"type": "integer", "minimum": 0, "maximum": 2147483647}),
        ("complete", {**COMPLETE, "maxTokens": True}, "/maxTokens", True,
         {"type": "integer", "minimum": 0, "maximum": 2147483647}),
        ("complete", {**COMPLETE, "topP": 1.01}, "/topP", 1.01, {"type": "number", "minimum": 0, "maximum": 1}),
        ("complete", {**COMPLETE, "repeatPenalty": 0}, "/repeatPenalty", 0,
         {"type": "number", "exclusiveMinimum": 0, "maximum": 100}),
        ("complete", {**COMPLETE, "temperature": True}, "/temperature", True, {"type": "number", "minimum": 0}),
        ("complete", {**COMPLETE, "stop": ["a", ""]}, "/stop/1", "", {"type": "string", "minLength": 1}),
        ("complete", {**COMPLETE, "prompt": [1, -5]}, "/prompt/1", -5,
         {"type": "integer", "minimum": 0, "maximum": 2147483647}),
        ("complete", {**COMPLETE, "prompt": [1, True]}, "/prompt/1", True,
         {"type": "integer", "minimum": 0, "maximum": 2147483647}),
        ("detokenize", {"modelId": "m", "tokens": [0, 1, 2.0]}, "/tokens/2", 2.0,
         {"type": "integer", "minimum": 0, "maximum": 2147483647}),
        ("detokenize", {"modelId": "m", "tokens": [2**31]}, "/tokens/0", 2**31,
         {"type": "integer", "minimum": 0, "maximum": 2147483647}),
        ("chat", {"contextId": "c", "messages": [{"role": "robot", "content": ""}]}, "/messages/0/role", "robot",
         ["system", "developer", "user", "assistant", "tool"]),
        ("chat", {"contextId": "c", "messages": []}, "/messages", [], {"type": "array", "minItems": 1}),
        ("createContext", {"modelId": "m", "kvCacheType": "F16"}, "/kvCacheType", "F16",
         ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]),
        ("createContext", {"modelId": "m", "flashAttention": 1}, "/flashAttention", 1,
         [{"type": "boolean"}, ["auto"]]),
        ("createContext", {"modelId": ""}, "/modelId", "", {"type": "string", "minLength": 1}),
        ("createContext", {"modelId": "m", "sequences": 65}, "/sequences", 65,
         {"type": "integer", "minimum": 1, "maximum": 64}),
        ("init", {"gpu": True}, "/gpu", True, [{"type": "string", "minLength": 1}, [False]]),
        ("init", {"gpu": 0}, "/gpu", 0, [{"type": "string", "minLength": 1}, [False]]),
        ("init", {"processId": 0}, "/processId", 0, {"type": ["integer", "null"], "minimum": 1}),
        ("loadModel", {"path": "p", "gpuLayers": "all"}, "/gpuLayers", "all",
         [{"type": "integer", "minimum": 0}, ["auto"],
          {"type": "object", "properties": ["max", "min", "preferred"]}]),
        ("ping", [1, 2], "", [1, 2], {"type": "object", "properties": []}),
        ("ping", "x", "", "x", {"type": "object", "properties": []}),
    ],
)  # fmt: skip
def test_the_error_names_the_field_the_value_and_what_is_allowed(
    method: str, params: Any, pointer: str, value: Any, allowed: Any
) -> None:
    details = refused(method, params)
    assert (details["pointer"], details["value"]) == (pointer, value)
    assert type(details["value"]) is type(value)
    found = details["allowed"]
    if isinstance(allowed, dict):
        found = {name: found[name] for name in allowed}
    assert found == allowed


def test_a_missing_field_is_named_with_what_is_allowed() -> None:
    details = refused("detokenize", {"modelId": "m"})
    assert details["pointer"] == "/tokens"
    assert details["allowed"]["type"] == "array"
    assert "value" not in details


def test_a_missing_nested_field_is_named_with_its_pointer() -> None:
    details = refused(
        "chat", {"contextId": "c", "messages": [{"role": "user", "content": ""}, {"role": "user"}]}
    )
    assert details["pointer"] == "/messages/1/content"


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    details = refused("tokenize", {"modelId": "m", "text": "", "add_special": True})
    assert (details["pointer"], details["value"]) == ("/add_special", True)
    assert details["allowed"] == ["addSpecial", "modelId", "parseSpecial", "text"]


def test_pointers_are_escaped() -> None:
    assert refused("ping", {"a/b~c": 1})["pointer"] == "/a~1b~0c"


@pytest.mark.parametrize("type_name", COUNTEREXAMPLES)
def test_every_counterexample_gets_an_error_that_points_to_the_fault(type_name: str) -> None:
    for path in COUNTEREXAMPLES[type_name]:
        params = json.loads(path.read_text(encoding="utf-8"))
        details = refused(METHOD_OF[type_name], params)
        pointer = details["pointer"]
        if "value" in details:
            value = resolve(params, pointer)
            assert value == details["value"] or isinstance(details["value"], str), path
        else:
            parent, _, name = pointer.rpartition("/")
            # A member is missing, or one of several in an object that is there.
            assert name not in resolve(params, parent) or not {*resolve(params, pointer)} & {
                *details["allowed"]
            }, path


@pytest.mark.parametrize("type_name", EXAMPLES)
def test_every_example_is_accepted(type_name: str) -> None:
    for path in EXAMPLES[type_name]:
        validate_params(METHOD_OF[type_name], json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("method", PARAMS)
def test_empty_params_are_accepted_if_none_are_required(method: str) -> None:
    schema = openrpc_document()["components"]["schemas"][PARAMS[method]]
    if schema.get("required") or "oneOf" in schema:
        refused(method, {})
    else:
        validate_params(method, {})


def test_exactly_one_of_two_is_required() -> None:
    neither = refused("inspectModel", {"revision": "main"})
    assert (neither["pointer"], neither["allowed"]) == ("", ["model", "path"])
    both = refused("inspectModel", {"path": "a.gguf", "model": "hf:owner/repo"})
    assert (both["pointer"], both["value"], both["allowed"]) == ("/path", "a.gguf", ["model", "path"])


@pytest.mark.parametrize(
    "params",
    [
        {"model": "hf:owner/repo", "Token": "hf_secret"},
        {"model": "hf:owner/repo", "hf_token": "hf_secret"},
        {"model": 1, "token": "hf_secret"},
        {"model": "hf:owner/repo", "path": "a.gguf", "token": "hf_secret"},
    ],
)
def test_a_token_is_never_repeated(params: dict[str, Any]) -> None:
    method = "inspectModel" if "path" in params else "downloadModel"
    with pytest.raises(SidecarError) as caught:
        validate_params(method, params)
    assert "secret" not in json.dumps(caught.value.to_wire())


def test_a_long_value_is_shortened() -> None:
    details = refused("tokenize", {"modelId": "m", "text": ["x" * 100_000]})
    assert len(details["value"]) < 300


def test_the_error_nearest_to_the_top_comes_first() -> None:
    assert (
        refused("chat", {"contextId": 1, "messages": [{"role": 1, "content": 2}]})["pointer"] == "/contextId"
    )


def test_nested_values_are_refused_like_others() -> None:
    value: Any = []
    for _ in range(400):
        value = [value]
    assert refused("tokenize", {"modelId": "m", "text": value})["pointer"] == "/text"


def test_a_prompt_of_many_tokens_does_not_block_the_router() -> None:
    # jsonschema's own `items` needs 34 seconds of the processor, during which no request is answered.
    validate_params("init", {"debug": True})
    started = time.process_time()
    validate_params("detokenize", {"modelId": "m", "tokens": list(range(1_000_000))})
    assert time.process_time() - started < 5


def test_valid_params_do_not_import_jsonschema() -> None:
    """It would cost the router 7 MB and delay the first loadModel by 100 ms."""
    code = """
import sys
from sidecar.message_handler import validation
from sidecar.message_handler.validation import validate_params
validate_params("loadModel", {"path": "m.gguf", "gpuLayers": "auto"})
validate_params("chat", {"contextId": "c", "messages": [{"role": "user", "content": "a"}] * 1000})
validate_params("embed", {"contextId": "c", "input": ["a", [0, 1, 2]] * 1024})
print([name for name in ("jsonschema", "referencing", "rpds") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert ran.stdout.strip() == b"[]"


@pytest.mark.parametrize(
    ("given", "pointer"),
    [(5, "/input"), (["a", ""], "/input/1"), (["a", [1], []], "/input/2"), (["a", [True]], "/input/1/0"),
     (["a", [2**31]], "/input/1/0"), (["a", None, 3], "/input/1"), ([1, "a"], "/input/0")],
    ids=str,
)  # fmt: skip
def test_the_first_wrong_text_is_named(given: Any, pointer: str) -> None:
    assert refused("embed", {"contextId": "c", "input": given})["pointer"] == pointer


def test_a_pattern_ends_at_the_end() -> None:
    """Python's `$` also stands before a last line end."""
    tools = [{"type": "function", "function": {"name": "f\n"}}]
    params = {"contextId": "c", "messages": [{"role": "user", "content": ""}], "tools": tools}
    assert refused("chat", params)["pointer"] == "/tools/0/function/name"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("complete", {"prompt": "a", "contextId": "c", "logitBias": {f"x{n}": "wrong" for n in range(2000)}}),
        ("complete", {"prompt": "a", "contextId": "c", **{f"x{n}": 0 for n in range(2000)}}),
        ("tokenize", {"text": "a", "modelId": "m", **dict.fromkeys(map(str, range(2000)))}),
    ],
)
def test_of_thousands_of_wrong_members_only_the_first_costs_time(method: str, params: dict[str, Any]) -> None:
    """The router waits for this. An error for each member took 90 s for a line of 64 MB."""
    found = list(validation._validator(PARAMS[method]).iter_errors(params))
    assert len(found) == 1
    assert len(found[0].context or ()) < 10
    with pytest.raises(SidecarError):
        validation.validate_params(method, params)


def test_of_a_long_value_only_the_beginning_is_written() -> None:
    class Endless(list[int]):
        def __iter__(self) -> Iterator[int]:
            return iter(lambda: 1, 0)

        def __bool__(self) -> bool:
            return True

    shown = validation._shortened(Endless())
    assert isinstance(shown, str)
    assert len(shown) == validation.MAX_SHOWN_CHARS + 1
