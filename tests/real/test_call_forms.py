"""A required call comes in the form of the chat template, and is read back. A token is a character."""

from __future__ import annotations

import json
from typing import Any

import pytest
from driver import Sidecar
from template_cases import sources

pytestmark = pytest.mark.real

PARAMETERS = {
    "type": "object",
    "properties": {"kind": {"enum": ["a"]}},
    "required": ["kind"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": PARAMETERS}}


@pytest.mark.parametrize(
    "name",
    [
        "Apertus-8B-Instruct",
        "CohereForAI-c4ai-command-r-plus-tool_use",
        "GigaChat3-10B-A1.8B",
        "Kimi-K3",
        "LFM2-8B-A1B",
        "MiniMax-M3",
        "google-gemma-4-31B-it",
        "meetkai-functionary-medium-v3.2",
        "muse-glimmer",
        "openbmb-MiniCPM5-1B",
        "tencent-Hy3",
        "upstage-Solar-Open-100B",
    ],
)
def test_a_required_call_in_the_models_form(made: Sidecar, name: str) -> None:
    asked: dict[str, Any] = {
        "contextId": made.call("createContext", {"modelId": "model-1", "contextSize": 8192})["contextId"],
        "messages": [{"role": "user", "content": "Hi"}],
        "chatTemplate": sources()[f"{name}.jinja"],
        "tools": [TOOL],
        "toolChoice": "required",
        "reasoning": {"effort": "none"},
        "maxTokens": 200,
    }
    try:
        result = made.call("chat", asked)
        (call,) = result["message"]["toolCalls"]
        assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == (
            "find",
            {"kind": "a"},
        )
        assert result["finishReason"] == "toolCalls"
        answer = {"role": "tool", "content": "4", "toolCallId": call["id"], "name": "find"}
        turns = [*asked["messages"], result["message"], answer]
        told = {key: asked[key] for key in ("chatTemplate", "tools")}
        prompt = made.call("applyTemplate", {"modelId": "model-1", "messages": turns, **told})["prompt"]
        assert prompt.count("find") > made.call(
            "applyTemplate", {"modelId": "model-1", "messages": asked["messages"], **told}
        )["prompt"].count("find")
    finally:
        made.call("disposeContext", {"contextId": asked["contextId"]})
