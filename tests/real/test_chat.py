"""Chat: prompts as llama-server's, forced tool calls, reasoning with a budget; with a real model where words matter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from driver import Refused, Sidecar
from jsonschema import Draft7Validator
from template_cases import ASK, CASES, HI, REFUSED, ROOT, TIME, WEATHER, expected, fingerprint, says

pytestmark = pytest.mark.real

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}{# </think> #}"
)
"""SmolLM2's turns, with reasoning that has begun."""

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 61, "maximum": 64},
        "sex": {"enum": ["f", "m"]},
    },
    "required": ["age", "sex"],
    "additionalProperties": False,
}
SAVE = {"type": "function", "function": {"name": "save_person", "parameters": PERSON}}
SHORT: list[dict[str, Any]] = json.loads(
    json.dumps([WEATHER, TIME, SAVE]).replace('"string"', '"string", "maxLength": 20')
)
"""The same with texts that end, whatever the model says."""


def chat(sidecar: Sidecar, **params: Any) -> dict[str, Any]:
    """The result of a chat; its deltas must be its texts."""
    params = {"contextId": "context-1", "messages": [ASK], "maxTokens": 64, "temperature": 0, **params}
    request = sidecar.send("chat", params)
    result = sidecar.result(request)
    joined: dict[Any, str] = {}
    for progress in sidecar.progress(request, "generate"):
        key = (progress["segment"], progress.get("toolCall", {}).get("index"))
        joined[key] = joined.get(key, "") + progress["delta"]
    message = result["message"]
    assert joined.pop(("text", None), "") == message["content"]
    assert joined.pop(("reasoning", None), "") == message.get("reasoningContent", "")
    for index, call in enumerate(message.get("toolCalls", [])):
        assert joined.pop(("toolCall", index)) == call["function"]["arguments"]
    assert not joined or result["finishReason"] == "length"
    return result


def assert_llama_servers_prompts(sidecar: Sidecar, model_id: str, file: str, **params: Any) -> None:
    for name, theirs in expected()[file].items():
        if name not in TOOL_CASES and theirs != REFUSED:
            prompt = sidecar.call("applyTemplate", {"modelId": model_id, **CASES[name], **params})["prompt"]
            assert fingerprint(prompt) == theirs, name


TOOL_CASES = {name for name, case in CASES.items() if "tools" in case}
"""The template of neither model supports tools: we describe them, llama-server leaves them out."""


def test_the_prompts_of_the_test_model_are_llama_servers(worded: Sidecar, model_path: str) -> None:
    assert_llama_servers_prompts(worded, "model-1", Path(model_path).name)


def test_a_model_without_a_template_chats_with_one_of_the_callers_own(worded: Sidecar) -> None:
    file = "gemma-3-270m-q4_k_m.gguf"
    model = worded.call("loadModel", {"path": str(ROOT / ".models" / file)})["modelId"]
    try:
        with pytest.raises(Refused) as caught:
            worded.call("applyTemplate", {"modelId": model, "messages": [HI]})
        assert caught.value.kind == "noChatTemplate"
        assert_llama_servers_prompts(worded, model, file, chatTemplate=CHATML)  # what llama-server takes then
    finally:
        worded.call("unloadModel", {"modelId": model})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_forced_call_names_a_tool_and_fits(worded: Sidecar, seed: int) -> None:
    params = {"tools": SHORT, "toolChoice": "required", "temperature": 2.0, "seed": seed, "maxTokens": 400}
    result = chat(worded, **params)
    if result["finishReason"] == "length":
        pytest.fail("no end of the call within 400 tokens")
    assert result["finishReason"] == "toolCalls"
    (call,) = result["message"]["toolCalls"]
    assert call["type"] == "function"
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in SHORT}
    assert call["function"]["name"] in schemas
    Draft7Validator(schemas[call["function"]["name"]]).validate(json.loads(call["function"]["arguments"]))


def test_a_call_of_a_tool_by_name_and_the_answer_to_it(worded: Sidecar) -> None:
    choice = {"type": "function", "function": {"name": "get_time"}}
    result = chat(worded, tools=[WEATHER, TIME], toolChoice=choice)
    message = result["message"]
    assert message["content"] == ""
    assert [call["function"] for call in message["toolCalls"]] == [{"name": "get_time", "arguments": "{}"}]
    answer = says("tool", "14:05", toolCallId=message["toolCalls"][0]["id"], name="get_time")
    rendered = worded.call(
        "applyTemplate", {"modelId": "model-1", "messages": [ASK, message, answer], "tools": [TIME]}
    )
    assert '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>' in rendered["prompt"]
    assert "<tool_response>\n14:05\n</tool_response>" in rendered["prompt"]
    assert '"get_time"' in rendered["prompt"].partition("<|im_start|>user")[0]


def test_reasoning_ends_at_its_budget_and_the_answer_begins(real: Sidecar) -> None:
    result = chat(real, messages=[HI], chatTemplate=THINKING, reasoning={"budgetTokens": 6}, maxTokens=40)
    message = result["message"]
    reasoning = message["reasoningContent"]
    tokens = real.call("tokenize", {"modelId": "model-1", "text": reasoning})["tokens"]
    assert 4 <= len(tokens) <= 6
    assert message["content"]
    free = chat(real, messages=[HI], chatTemplate=THINKING, maxTokens=12)
    assert free["finishReason"] == "length"
    assert free["message"]["content"] == ""
    assert free["message"]["reasoningContent"].startswith(reasoning)


def test_no_reasoning_if_none_is_wanted_and_then_a_call(worded: Sidecar) -> None:
    result = chat(worded, messages=[HI], chatTemplate=THINKING, reasoning=False, maxTokens=16)
    assert "reasoningContent" not in result["message"]
    assert result["message"]["content"]
    called = chat(
        worded, chatTemplate=THINKING, reasoning={"budgetTokens": 4}, tools=[TIME], toolChoice="required"
    )
    assert called["message"]["reasoningContent"]
    assert called["message"]["toolCalls"][0]["function"]["name"] == "get_time"


@pytest.mark.parametrize(
    "asked",
    [{"reasoning": {"budgetTokens": 6}}, {"reasoning": False}, {"logitBias": [[2, 5]]}],
    ids=["budget", "none", "turn ended"],
)
def test_a_schema_restricts_the_answer_and_not_the_reasoning(real: Sidecar, asked: Any) -> None:
    # The bias makes the model end its turn within its reasoning. The end mark of the reasoning comes instead.
    wanted = {"jsonSchema": PERSON, "chatTemplate": THINKING, "logprobs": True}
    result = chat(real, messages=[HI], maxTokens=300, **wanted, **asked)
    assert result["finishReason"] == "stop"
    Draft7Validator(PERSON).validate(json.loads(result["message"]["content"]))
    reasoning = result["message"].get("reasoningContent", "")
    assert not reasoning.startswith("{")
    assert bool(reasoning) is (asked.get("reasoning") is not False)
    said = "".join(bytes(entry["bytes"]).decode("utf-8", "replace") for entry in result["logprobs"])
    assert said.split("</think>")[0].strip() == reasoning
    assert len(result["logprobs"]) == result["usage"]["completionTokens"]


def test_an_aborted_chat_has_its_reasoning_and_text(worded: Sidecar) -> None:
    endless = {"ignoreEos": True, "contextOverflow": "shift", "maxTokens": 10**9}
    params = {"contextId": "context-1", "messages": [HI], "chatTemplate": THINKING, **endless}
    request = worded.send("chat", params)
    worded.wait_progress(request, "generate")
    worded.call("abort", {"requestId": request})
    partial = worded.response(request)["error"]["data"]["partial"]
    assert partial["text"] == ""
    assert partial["reasoningContent"] == worded.streamed(request)
    assert partial["usage"]["completionTokens"] > 0


def test_a_last_message_is_continued(real: Sidecar) -> None:
    messages = [says("user", "Count from 1 to 9."), says("assistant", "1, 2, 3, 4,")]
    result = chat(real, messages=messages, continueFinalMessage=True, maxTokens=6)
    assert result["message"]["content"].startswith(" 5, 6")


# ---- optional calls, forced by a grammar ------------------------------------------------------


def written(name: str, arguments: str) -> str:
    """A call as the model writes it."""
    return f'<tool_call>{{"name": "{name}", "arguments": {arguments}}}</tool_call>'


def chat_saying(sidecar: Sidecar, text: str, **params: Any) -> dict[str, Any]:
    """The result of a chat with tools whose grammar allows this text only."""
    asked = {"contextId": "context-2", "tools": [WEATHER, TIME], **params}
    return chat(sidecar, grammar=f"root ::= {json.dumps(text)}", **asked)


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("nope", "{}", "unknownTool"),
        ("get_weather", '{"city": 4}', "invalidToolArguments"),
        ("get_weather", "{}", "invalidToolArguments"),
    ],
)
def test_a_call_that_is_wrong_costs_that_request_only(
    worded: Sidecar, name: str, arguments: str, kind: str
) -> None:
    engines = worded.engines()
    with pytest.raises(Refused) as caught:
        chat_saying(worded, "So: " + written(name, arguments))
    assert caught.value.kind == kind
    partial = caught.value.data["partial"]
    assert partial["text"].strip() == "So:"
    assert partial["usage"]["completionTokens"] > 10
    assert chat(worded, maxTokens=4, contextId="context-2")["finishReason"] == "length"
    assert worded.engines() == engines


def test_a_call_that_is_right_is_streamed(real: Sidecar) -> None:
    text = "So: " + written("get_weather", '{"city": "Oslo"}') + written("get_time", "{}")
    for choice in ({}, {"toolChoice": "auto"}):
        result = chat_saying(real, text, **choice)
        assert result["finishReason"] == "toolCalls"
        assert result["message"]["content"].strip() == "So:"
        calls = [call["function"] for call in result["message"]["toolCalls"]]
        assert [call["name"] for call in calls] == ["get_weather", "get_time"]
        assert [json.loads(call["arguments"]) for call in calls] == [{"city": "Oslo"}, {}]


def test_where_no_call_is_wanted_it_is_text(worded: Sidecar) -> None:
    for text in (written("get_time", "{}"), written("nope", "{}")):
        result = chat_saying(worded, text, toolChoice="none")
        assert result["finishReason"] == "stop"
        assert result["message"] == {"role": "assistant", "content": text}
