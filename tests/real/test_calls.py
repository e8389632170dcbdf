"""Calls that a model may make are held to the tools from their mark on; a made model wants to write wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from driver import Sidecar
from gguf_files import CHAT_TEMPLATE
from script_model import END, script_model

pytestmark = pytest.mark.real

TEMPLATE = f"{{% for tool in tools %}}{{{{ tool.function.description }}}}{{% endfor %}}{CHAT_TEMPLATE}"
TEMPLATE += '{# <tool_call> "arguments" #}'
"""It describes tools in as few tokens as they like, and has the form of Hermes."""

CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Oslo"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
}
LARGE = {"type": "object", "properties": {f"p{n}": {"type": ["string", "array"]} for n in range(300)}}
"""Its grammar takes longer than the made model's tokens."""

TOOLS = [
    {"type": "function", "function": {"name": "large", "parameters": LARGE}},
    {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "get_weather", "parameters": CITY}},
]
CALLED = {"name": "get_weather", "arguments": '{"city": "Oslo", "days": 7}'}
WRONG = '{"name": "nope"'
CALL = {"<tool_call>": "\n", "\n": WRONG, WRONG: ", ", "_": "w", " ": "7", "}": "\n"}
"""From the mark on. Without a grammar the name is that of no tool."""

SCRIPTS = {
    "once": {"]": "Let me see. ", "Let me see. ": "<tool_call>", **CALL, ">": "Done.", "Done.": END},
    "again and again": {"]": "<tool_call>", **CALL, ">": "<tool_call>"},
    "after reasoning": {
        "]": "<think>",
        "<think>": "A <tool_call>? ",
        "A <tool_call>? ": "</think>",
        "</think>": "<tool_call>",
        **CALL,
        ">": END,
    },
}


@contextmanager
def saying(program: list[str], folder: Path, script: dict[str, str]) -> Iterator[Sidecar]:
    """A program with a model of this script and a context."""
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    path = script_model(folder / "script.gguf", TEMPLATE, script)
    sidecar.call("loadModel", {"path": path})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 2048, "sequences": 2})
    yield sidecar
    assert not sidecar.end()


def asked(**params: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hi"}]
    usual = {
        "contextId": "context-1",
        "messages": messages,
        "tools": TOOLS,
        "temperature": 0,
        "maxTokens": 200,
    }
    return {**usual, **params}


def chat(sidecar: Sidecar, **params: Any) -> dict[str, Any]:
    result: dict[str, Any] = sidecar.call("chat", asked(**params))
    return result


def calls(result: dict[str, Any]) -> list[Any]:
    return [call["function"] for call in result["message"]["toolCalls"]]


def test_text_is_free_before_and_after_a_call(program: list[str], tmp_path: Path) -> None:
    with saying(program, tmp_path, SCRIPTS["once"]) as sidecar:
        ways: list[dict[str, Any]] = [
            {},
            {"forcedTokens": False},
            {"logprobs": True},
            {"speculation": "lookup"},
        ]
        results = [chat(sidecar, **way) for way in ways]
        for result in results:
            assert calls(result) == [CALLED]
            assert result["message"]["content"] == "Let me see.Done."
            assert result["finishReason"] == "toolCalls"
            assert result["usage"]["completionTokens"] == results[0]["usage"]["completionTokens"]
        assert ["forcedTokens" in result["usage"] for result in results] == [True, False, False, True]


def test_several_calls_follow_each_other(program: list[str], tmp_path: Path) -> None:
    with saying(program, tmp_path, SCRIPTS["again and again"]) as sidecar:
        first, second = (sidecar.send("chat", asked(maxTokens=most)) for most in (250, 150))
        for request, least in (first, 3), (second, 2):
            result = sidecar.result(request)
            assert result["finishReason"] == "length"
            assert len(calls(result)) >= least
            assert all(call == CALLED for call in calls(result))


def test_a_mark_in_the_reasoning_is_text(program: list[str], tmp_path: Path) -> None:
    with saying(program, tmp_path, SCRIPTS["after reasoning"]) as sidecar:
        result = chat(sidecar)
        assert result["message"]["reasoningContent"] == "A <tool_call>?"
        assert calls(result) == [CALLED]


def test_parameters_that_no_grammar_follows_are_told_once_and_cost_nothing(
    program: list[str], tmp_path: Path
) -> None:
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    tools = [*TOOLS, {"type": "function", "function": {"name": "odd", "parameters": endless}}]
    with saying(program, tmp_path, SCRIPTS["once"]) as sidecar:
        for _ in range(2):
            assert calls(chat(sidecar, tools=tools)) == [CALLED]
        warnings = [
            message["params"]["message"] for message in sidecar.messages if message.get("method") == "info"
        ]
        assert [text.partition(":")[0] for text in warnings] == ["Arguments of 'odd' are only checked"]


def test_a_text_under_a_grammar_of_its_own_is_not_held_to_calls(program: list[str], tmp_path: Path) -> None:
    with saying(program, tmp_path, SCRIPTS["once"]) as sidecar:
        result = chat(sidecar, regex="Let me see. <tool_call>\n[0-9]")
        assert "toolCalls" not in result["message"]
        assert result["message"]["content"].endswith("0")
