"""Wrong tools or messages give a typed error with a pointer, and the engine keeps working."""

from __future__ import annotations

from typing import Any

import pytest
from driver import Sidecar
from protocol_cases import refused
from template_cases import HI, TIME, WEATHER, says

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("next_line_works")]


@pytest.fixture(autouse=True)
def _engine_keeps_working(loaded: Sidecar) -> Any:
    engines = loaded.engines()
    yield
    params = {"contextId": "context-1", "messages": [HI], "maxTokens": 1}
    assert loaded.call("chat", params)["usage"]["completionTokens"] == 1
    assert loaded.engines() == engines


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


NO_OBJECT = {"type": "function", "function": {"name": "f", "parameters": []}}


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"toolChoice": "required"}, "/toolChoice"),
        ({"toolChoice": "required", "tools": []}, "/toolChoice"),
        ({"toolChoice": named("f")}, "/toolChoice"),
        ({"toolChoice": named("f"), "tools": [TIME]}, "/toolChoice/function/name"),
        ({"tools": [TIME, WEATHER, TIME]}, "/tools/2/function/name"),
        (
            {"tools": [NO_OBJECT]},
            "/tools/0/function/parameters",
        ),
        ({"tools": [TIME], "toolChoice": "required", "ignoreEos": True}, "/ignoreEos"),
        ({"tools": [TIME], "toolChoice": "required", "stop": "}"}, "/stop"),
        ({"tools": [TIME] * 129}, "/tools"),
        ({"continueFinalMessage": True}, "/continueFinalMessage"),
        ({"messages": [HI, says("user", None)]}, "/messages/1/content"),
        ({"messages": [says("user", "", toolCalls=[])]}, "/messages/0/toolCalls"),
        ({"reasoning": {"budgetTokens": -1}}, "/reasoning/budgetTokens"),
        ({"chatTemplate": ""}, "/chatTemplate"),
        ({"templateVariables": {"tools": []}}, "/templateVariables"),
    ],
)
def test_wrong_params_are_refused_with_their_pointer(
    loaded: Sidecar, params: dict[str, Any], pointer: str
) -> None:
    error = refused(loaded, "chat", {"contextId": "context-1", "messages": [HI], "maxTokens": 4, **params})
    assert error.kind == "invalidParams"
    assert error.data["pointer"] == pointer


@pytest.mark.parametrize(
    ("of_a", "keyword", "kind"),
    [
        ({"$ref": "#/nowhere"}, "/$ref", "unsupportedSchema"),
        ({"type": "array", "uniqueItems": True}, "/uniqueItems", "unsupportedSchema"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, None, "unsatisfiableSchema"),
    ],
)
def test_a_forced_call_that_cannot_be_enforced_is_refused(
    loaded: Sidecar, of_a: Any, keyword: str | None, kind: str
) -> None:
    parameters = {"type": "object", "properties": {"a": of_a}, "required": ["a"]}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    params = {"contextId": "context-1", "messages": [HI], "maxTokens": 1, "tools": [TIME, tool]}
    error = refused(loaded, "chat", {**params, "toolChoice": named("f")})
    within = "" if keyword is None else f"/properties/a{keyword}"
    assert (error.kind, error.data["pointer"]) == (kind, f"/tools/1/function/parameters{within}")
    assert loaded.call("chat", params)["finishReason"] == "length"  # an optional call has no grammar


def test_a_tool_with_what_cannot_be_checked_costs_no_chat(loaded: Sidecar) -> None:
    """JavaScript's patterns are understood; what is not understood is told in an `info`."""
    properties = {
        "a": {"type": "string", "pattern": r"^[\p{L}\u{1F600}]+$"},
        "b": {"pattern": r"\p{Script=Greek}"},
    }
    function = {"name": "f", "description": None, "strict": True, "parameters": {"properties": properties}}
    params = {"contextId": "context-1", "messages": [HI], "maxTokens": 1}
    tools = [{"type": "function", "function": function}]
    loaded.send("chat", {**params, "tools": tools}, "tools")
    told = loaded.wait_for(lambda message: message.get("method") == "info")["params"]
    assert told["level"] == "warning"
    assert "/tools/0/function/parameters/properties/b/pattern: an unknown property" in told["message"]
    assert loaded.result("tools")["usage"]["completionTokens"] == 1


def test_an_image_is_refused(loaded: Sidecar) -> None:
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "imageUrl": {"url": "data:,"}}]
    params = {"contextId": "context-1", "messages": [says("user", content)]}
    error = refused(loaded, "chat", params)
    assert error.kind == "unsupportedContent"
    assert error.data["pointer"] == "/messages/0/content/1"


@pytest.mark.parametrize("template", ["{% if %}", "{{ 1 / 0 }}", "{{ 'x' * 10**9 }}"])
def test_the_callers_own_template_has_the_same_limits(loaded: Sidecar, template: str) -> None:
    params = {"modelId": "model-1", "messages": [HI], "chatTemplate": template}
    assert refused(loaded, "applyTemplate", params).kind == "templateFailed"
