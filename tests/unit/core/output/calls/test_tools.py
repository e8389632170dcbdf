"""Tools and calls of tools are checked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.core.output.calls.tools import Tools, _kept, plain
from sidecar.message_handler.errors import SidecarError


def tool(name: str, parameters: Any = None) -> dict[str, Any]:
    function = {"name": name} if parameters is None else {"name": name, "parameters": parameters}
    return {"type": "function", "function": function}


def invalid(tools: list[dict[str, Any]], choice: Any = "auto") -> SidecarError:
    with pytest.raises(SidecarError) as caught:
        Tools(tools, choice)
    assert caught.value.kind == "invalidParams"
    return caught.value


def test_a_repeated_name_is_refused() -> None:
    assert invalid([tool("a"), tool("b"), tool("a")]).details["pointer"] == "/tools/2/function/name"


def test_what_a_schema_says_wrongly_is_told_once_and_costs_no_chat() -> None:
    """Tools often come from servers that the app's author did not write."""
    _kept.cache_clear()
    told: list[str] = []
    schema = {"type": "object", "properties": {"a": {"pattern": r"\p{Script=Greek}"}, "b": {"type": "int"}}}
    for _ in range(2):
        tools = Tools([tool("other"), tool("f", schema)], "auto", told.append)
    assert [text.partition(": ")[0] for text in told] == [
        f"Arguments of 'f' are not checked against /tools/1/function/parameters/properties/{place}"
        for place in ("b/type", "a/pattern")
    ]
    tools.check_arguments("f", '{"a": "x", "b": 1}')


def test_a_pattern_that_could_backtrack_for_ever_is_checked_at_once() -> None:
    tools = Tools([tool("f", {"properties": {"a": {"pattern": "^(a+)+$"}}})], "auto")
    tools.check_arguments("f", json.dumps({"a": "a" * 34}))
    with pytest.raises(SidecarError) as caught:
        tools.check_arguments("f", json.dumps({"a": "a" * 34 + "!"}))
    assert caught.value.kind == "invalidToolArguments"


def test_a_check_that_takes_too_long_is_told() -> None:
    told: list[str] = []
    schema = {"type": "object", "properties": {"a": {"pattern": r"^(a+)+\1$"}}}
    tools = Tools([tool("f", schema)], "auto", told.append)
    tools.check_arguments("f", json.dumps({"a": "a" * 5000 + "!"}))
    assert told == ["Arguments of 'f' are not checked: it takes too long"]


def test_members_of_openais_tools_that_may_be_null() -> None:
    function = {"name": "f", "description": None, "parameters": None, "strict": True}
    tools = Tools([{"type": "function", "function": function}], "auto")
    tools.check_arguments("f", "{}")
    with pytest.raises(SidecarError):
        tools.check_arguments("f", '{"a": 1}')
    none = {"type": "object", "properties": {}}
    assert plain([{"type": "function", "function": function}, tool("g", {"a": 1})]) == [
        tool("f", none),
        tool("g", {"a": 1}),
    ]


def test_whether_an_argument_fits() -> None:
    tools = Tools([tool("f", {"properties": {"a": {"type": ["string", "null"]}}, "required": ["b"]})], "auto")
    assert tools.fits("f", "a", "1") and tools.fits("f", "a", None) and tools.fits("f", "other", 1)
    assert not tools.fits("f", "a", 1)
    assert not Tools([tool("f")], "auto").fits("f", "a", 1)


def test_a_choice_that_cannot_be_met_is_refused() -> None:
    named = {"type": "function", "function": {"name": "b"}}
    error = invalid([tool("a")], named)
    assert error.details["pointer"] == "/toolChoice/function/name"
    assert error.details["allowed"] == ["a"]
    assert invalid([], "required").details["pointer"] == "/toolChoice"
    assert invalid([], named).details["pointer"] == "/toolChoice"


def test_what_must_be_called() -> None:
    named = {"type": "function", "function": {"name": "b"}}
    tools = [tool("a"), tool("b")]
    forced = [Tools(tools, choice).forced for choice in ("auto", "none", "required", named)]
    assert forced == [[], [], ["a", "b"], ["b"]]


def test_a_reference_is_followed_within_the_schema_and_never_fetched() -> None:
    within = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "integer"}},
    }
    tools = Tools([tool("f", within)], "auto")
    tools.check_arguments("f", '{"a": 1}')
    with pytest.raises(SidecarError):
        tools.check_arguments("f", '{"a": "1"}')
    told: list[str] = []
    outside = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/n.json"}}}
    Tools([tool("f", outside)], "auto", told.append).check_arguments("f", '{"a": 1}')
    assert len(told) == 1 and "nothing is fetched" in told[0]


def test_arguments_that_are_nested_too_deeply_are_an_error() -> None:
    with pytest.raises(SidecarError) as caught:
        Tools([tool("f", {"type": "object"})], "auto").check_arguments("f", '{"a": ' + "[" * 100_000)
    assert caught.value.kind == "invalidToolArguments"
