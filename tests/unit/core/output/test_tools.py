"""Tools and calls of tools are checked."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.core.output.tools import Tools
from sidecar.message_handler.errors import SidecarError


def tool(name: str, parameters: Any = None) -> dict[str, Any]:
    function = {"name": name} if parameters is None else {"name": name, "parameters": parameters}
    return {"type": "function", "function": function}


def invalid(tools: list[dict[str, Any]], choice: Any = "auto") -> SidecarError:
    with pytest.raises(SidecarError) as caught:
        Tools(tools, choice)
    assert caught.value.kind == "invalidParams"
    return caught.value


def test_a_repeated_name_and_an_invalid_schema_are_refused() -> None:
    assert invalid([tool("a"), tool("b"), tool("a")]).details["pointer"] == "/tools/2/function/name"
    for schema in ({"type": "objekt"}, {"type": "object", "required": "a"}, {"properties": []}):
        assert invalid([tool("a", schema)]).details["pointer"] == "/tools/0/function/parameters"


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
    outside = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/n.json"}}}
    with pytest.raises(SidecarError) as caught:
        Tools([tool("f", outside)], "auto").check_arguments("f", '{"a": 1}')
    assert caught.value.kind == "invalidToolArguments"
