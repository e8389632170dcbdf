"""Tools are described to a model whose chat template cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from template_cases import CALL, TIME, WEATHER, parts, says, sources

from sidecar.core.chat.tool_prompt import add_tool_prompt, written_calls
from sidecar.core.output.calls.call_forms import HERMES, CallForm, call_form


def test_a_template_without_tools_gets_them_in_a_system_message() -> None:
    user = says("user", "Weather?")
    (system, same) = add_tool_prompt([user], [WEATHER, TIME])
    assert same == user
    for tool in (WEATHER, TIME):
        assert json.dumps(tool["function"], ensure_ascii=False) in system["content"]
    (system, _) = add_tool_prompt([says("developer", parts("Be", "brief.")), user], [TIME])
    assert system["content"].startswith("Be\nbrief.\n\n# Tools")


def test_calls_and_answers_are_written_out_for_it() -> None:
    turns = [says("assistant", "I look.", toolCalls=[CALL]), says("tool", "4 °C", toolCallId="call00001")]
    _, call, answer = add_tool_prompt(turns, [WEATHER])
    assert call == says(
        "assistant",
        'I look.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich", "days": 2}}\n</tool_call>',
    )
    assert answer == says("user", "<tool_response>\n4 °C\n</tool_response>")
    function = {**CALL["function"], "arguments": {"city": "Zürich", "days": 2}}  # type: ignore[dict-item]
    as_object = says("assistant", "I look.", toolCalls=[{**CALL, "function": function}])
    assert add_tool_prompt([as_object], [WEATHER])[1] == call


def test_the_generic_form_is_the_one_the_prompt_shows() -> None:
    (system, _) = add_tool_prompt([says("user", "Hi")], [TIME])
    assert CallForm("<tool_call>", "</tool_call>") == HERMES
    assert '<tool_call>\n{"name": "…", "arguments": {…}}\n</tool_call>' in system["content"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("LFM2-8B-A1B", '<|tool_call_start|>[find(text="a \\"b\\"", list=["x"])]<|tool_call_end|>'),
        (
            "google-gemma-4-31B-it",
            '<|tool_call>call:find{text:<|"|>a "b"<|"|>,list:[<|"|>x<|"|>]}<tool_call|>',
        ),
    ],
)
def test_calls_as_text_have_the_form_of_the_model(template: str, said: str) -> None:
    form = call_form(sources()[f"{template}.jinja"])
    assert form is not None
    arguments = {"text": 'a "b"', "list": ["x"]}
    call: Any = {"type": "function", "function": {"name": "find", "arguments": arguments}}
    (turn,) = written_calls([{"role": "assistant", "content": None, "toolCalls": [call]}], form)
    assert turn["content"] == said
