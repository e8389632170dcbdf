"""Tools: the form of a call is read off the template, and what the client says of them is checked."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest
from template_cases import CALL, TEMPLATES, TIME, WEATHER, parts, says

from sidecar.core.chat.tool_prompt import FORMS, HERMES, CallForm, Tools, call_form, described
from sidecar.message_handler.errors import SidecarError


def tool(name: str, parameters: Any = None) -> dict[str, Any]:
    function = {"name": name} if parameters is None else {"name": name, "parameters": parameters}
    return {"type": "function", "function": function}


def invalid(tools: list[dict[str, Any]], choice: Any = "auto") -> SidecarError:
    with pytest.raises(SidecarError) as caught:
        Tools(tools, choice)
    assert caught.value.kind == "invalidParams"
    return caught.value


STARTS = {
    "Bielik-11B-v3.0-Instruct": "<tool_call>",
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": "<|START_ACTION|>",
    "Kimi-K2-Thinking": "<|tool_call_begin|>functions.",
    "Mistral-Small-3.2-24B-Instruct-2506": "[TOOL_CALLS]",
    "NVIDIA-Nemotron-Nano-v2": "<TOOLCALL>",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use": "<tool_call>",
    "Qwen-QwQ-32B": "<tool_call>",
    "Qwen-Qwen2.5-7B-Instruct": "<tool_call>",
    "Qwen-Qwen3-0.6B": "<tool_call>",
    "GLM-4.6": "<tool_call>",
    "LFM2-8B-A1B": None,
    "MiniMax-M2": "<minimax:tool_call>",
    "Qwen3-Coder": "<tool_call>",
    "Qwen3.5-4B": "<tool_call>",
    "deepseek-ai-DeepSeek-V3.2": "<｜DSML｜function_calls>",
    "deepseek-ai-DeepSeek-V4": "<｜DSML｜tool_calls>",
    "deepseek-ai-DeepSeek-V3.1": None,
    "google-gemma-2-2b-it": None,
    "ibm-granite-granite-3.3-2B-Instruct": "<|tool_call|>",
    "ibm-granite-granite-4.0": "<tool_call>",
    "llama-cpp-deepseek-r1": "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
    "meetkai-functionary-medium-v3.1": "<function=",
    "meta-llama-Llama-3.1-8B-Instruct": "",
    "meta-llama-Llama-3.2-3B-Instruct": "",
    "meta-llama-Llama-3.3-70B-Instruct": "",
    "microsoft-Phi-3.5-mini-instruct": None,
    "mistralai-Ministral-3-14B-Reasoning-2512": "[TOOL_CALLS]",
    "mistralai-Mistral-Nemo-Instruct-2407": "[TOOL_CALLS]",
    "openai-gpt-oss-120b": "<|channel|>commentary to=functions.",
}
"""Shipped template → how its calls begin; None: it is told of tools by us."""


@pytest.mark.parametrize("name", STARTS)
def test_the_form_of_a_call_is_read_off_the_template(name: str) -> None:
    with zipfile.ZipFile(TEMPLATES) as archive:
        form = call_form(archive.read(f"{name}.jinja").decode())
    assert (None if form is None else form.start) == STARTS[name]


def test_every_form_stands_in_the_table_once() -> None:
    forms = [form for *_, form in FORMS if form.start]
    assert len({(form.start, form.separator, form.tags) for form in forms}) == len(forms)


def test_a_template_that_knows_no_tools_is_told_of_them_in_a_system_message() -> None:
    user = says("user", "Weather?")
    (system, same) = described([user], [WEATHER, TIME])
    assert same == user
    for told in (WEATHER, TIME):
        assert json.dumps(told["function"], ensure_ascii=False) in system["content"]
    (system, _) = described([says("developer", parts("Be", "brief.")), user], [TIME])
    assert system["content"].startswith("Be\nbrief.\n\n# Tools")


def test_calls_and_answers_are_written_out_for_it() -> None:
    turns = [says("assistant", "I look.", toolCalls=[CALL]), says("tool", "4 °C", toolCallId="call00001")]
    _, call, answer = described(turns, [WEATHER])
    assert call == says(
        "assistant",
        'I look.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich", "days": 2}}\n</tool_call>',
    )
    assert answer == says("user", "<tool_response>\n4 °C\n</tool_response>")
    function = {**CALL["function"], "arguments": {"city": "Zürich", "days": 2}}  # type: ignore[dict-item]
    as_object = says("assistant", "I look.", toolCalls=[{**CALL, "function": function}])
    assert described([as_object], [WEATHER])[1] == call


def test_a_name_twice_and_parameters_that_are_no_schema_are_refused() -> None:
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


def test_the_generic_form_is_the_one_the_prompt_shows() -> None:
    (system, _) = described([says("user", "Hi")], [TIME])
    assert CallForm("<tool_call>", "</tool_call>") == HERMES
    assert '<tool_call>\n{"name": "…", "arguments": {…}}\n</tool_call>' in system["content"]
