"""With every template that llama.cpp ships, each text of a conversation is in the prompt once, under its role."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from character_model import CharacterModel, lift_time_limit, replace_lib, tokenized
from template_cases import sources

from sidecar.message_handler.errors import SidecarError

SOURCES = sources()

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "<description>",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(autouse=True)
def _vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_lib(monkeypatch)
    lift_time_limit(monkeypatch)


def conversation(roles: str) -> list[dict[str, Any]]:
    """A message for each letter: system, user, assistant, call, Call with words, tool, empty user (-)."""
    messages: list[dict[str, Any]] = []
    names = {"s": "system", "d": "developer", "u": "user", "a": "assistant", "t": "tool", "-": "user"}
    unanswered: list[str] = []
    for number, letter in enumerate(roles):
        text = "" if letter == "-" else f"text{number}."
        message: dict[str, Any] = {"role": names.get(letter, "assistant"), "content": text}
        if letter in "cC2":
            calls = [
                call(f"call0{number:02}{n:02}", f"city{number}{n}.") for n in range(2 if letter == "2" else 1)
            ]
            message |= {"content": text if letter == "C" else None, "toolCalls": calls}
            unanswered = [made["id"] for made in calls]
        if letter == "t":
            message |= {"toolCallId": unanswered.pop(0), "name": "get_weather"}
        messages.append(message)
    return messages


def call(call_id: str, city: str) -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": json.dumps({"city": city})}
    return {"id": call_id, "type": "function", "function": function}


def prompt(name: str, messages: list[dict[str, Any]], **params: Any) -> str:
    return tokenized(CharacterModel(SOURCES[name]), {"messages": messages, **params})[0]


def attempt(name: str, messages: list[dict[str, Any]]) -> str:
    """The prompt, or the error."""
    try:
        return prompt(name, messages)
    except SidecarError as error:
        return error.problem


PLAIN = [
    "u",
    "su",
    "du",
    "ssu",
    "suau",
    "sau",
    "suasu",
    "us",
    "uas",
    "uasu",
    "s",
    "au",
    "uu",
    "uaau",
    "-",
    "u-au",
    "suauauauau",
]
"""Conversations without calls."""


@pytest.mark.parametrize("name", SOURCES)
def test_each_text_is_said_once_or_an_error_says_which_is_not(name: str) -> None:
    refused = 0
    for roles in PLAIN:
        messages = conversation(roles)
        try:
            written = prompt(name, messages)
        except SidecarError as error:
            refused += 1
            assert error.kind == "templateFailed"
            if roles == "uas":  # nobody asks, so Mistral-Nemo has no place for it
                assert error.details["pointer"] == "/messages/2"
            else:
                assert roles in ("s", "-")
            continue
        for message in messages:
            assert written.count(message["content"]) == 1 or not message["content"], (roles, written)
        if "s" in roles:
            said = [{**m, "role": m["role"].replace("system", "assistant")} for m in messages]
            assert written != attempt(name, said), (roles, written)
        texts = [message["content"] for message in messages if message["role"] != "system"]
        for message in messages:
            if message["role"] == "assistant":
                before = written[: written.index(message["content"])].removeprefix("<s>").rstrip()
                assert before, (roles, written)
                others = tuple(m["content"] for m in messages if m["content"] and m["role"] != "assistant")
                assert not before.endswith(others), (roles, written)
        places = [written.index(text) for text in texts if text]
        assert places == sorted(places), (roles, written)
    assert refused <= 3


def test_a_late_system_message_joins_the_first_where_the_template_drops_it() -> None:
    written = prompt("Qwen3.5-4B.jinja", conversation("suasu"))
    assert re.findall(r"<\|im_start\|>(\w+)\n(\S*\n?\n?\S*)<", written)[0] == ("system", "text0.\n\ntext3.")
    assert "text3." not in written.partition("<|im_end|>")[2]
    kept = prompt("Qwen-Qwen3-0.6B.jinja", conversation("suasu"))
    assert kept.index("text2.") < kept.index("text3.") < kept.index("text4."), "where it can stand it stays"


WITH_CALLS = ["uct", "uctau", "uCt", "u2tt", "su2ttau", "uctct"]


@pytest.mark.parametrize("name", SOURCES)
def test_calls_of_the_history_and_their_answers_are_said_once(name: str) -> None:
    for roles in WITH_CALLS:
        for tools in ([TOOL], []):
            messages = conversation(roles)
            written = prompt(name, messages, **({"tools": tools} if tools else {}))
            assert ("<description>" in written) == bool(tools), roles
            for message in messages:
                text, calls = message["content"], message.get("toolCalls", [])
                assert not text or written.count(text) == 1 or (calls and not written.count(text)), (
                    roles,
                    written,
                )
                for made in calls:
                    city = json.loads(made["function"]["arguments"])["city"]
                    assert written.count(city) == 1, (roles, written)
                    assert "get_weather" in written, (roles, written)


@pytest.mark.parametrize("arguments", ["", "  ", None, {}, "{}"])
@pytest.mark.parametrize("call_id", ["call_0123456789abcdef", "functions.get_weather:0", "", None])
def test_calls_with_any_id_and_without_arguments_render(arguments: Any, call_id: str | None) -> None:
    made: dict[str, Any] = {"type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    answer: dict[str, Any] = {"role": "tool", "content": "4 °C"}
    if call_id is not None:
        made["id"] = answer["toolCallId"] = call_id
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "toolCalls": [made]},
        answer,
    ]
    for name in ("Mistral-Small-3.2-24B-Instruct-2506.jinja", "Qwen-Qwen3-0.6B.jinja"):
        written = prompt(name, messages, tools=[TOOL])
        assert written.count("4 °C") == 1
        ids = re.findall(r"\[CALL_ID\](\w+)\[ARGS\].*\[TOOL_RESULTS\](\w+)\[TOOL_CONTENT\]", written)
        assert all(len(one) == 9 and one == other for one, other in ids)
        assert len(ids) == name.startswith("Mistral")


def test_a_later_turn_has_the_same_ids() -> None:
    name = "Mistral-Small-3.2-24B-Instruct-2506.jinja"
    first = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "toolCalls": [call("call_1", "a")]},
    ]
    first.append({"role": "tool", "content": "b", "toolCallId": "call_1"})
    other = [{**first[1], "toolCalls": [call("call_2", "c")]}, {**first[2], "toolCallId": "call_2"}]
    assert prompt(name, [*first, *other]).startswith(prompt(name, first))


def test_a_template_that_writes_one_call_gets_them_one_by_one() -> None:
    written = prompt("openai-gpt-oss-120b.jinja", conversation("u2tt"), tools=[TOOL])
    marks = [
        match[0] for match in re.finditer(r"city\d+|text\d+|assistant to=functions.get_weather", written)
    ]
    call = "assistant to=functions.get_weather"
    assert marks == ["text0", call, "city10", "text2", call, "city11", "text3"]
