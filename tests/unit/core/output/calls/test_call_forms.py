"""The form of a tool call is read from the chat template."""

from __future__ import annotations

import zipfile

import pytest
from template_cases import TEMPLATES

from sidecar.core.output.calls.call_forms import FORMS, call_form

STARTS = {
    "Bielik-11B-v3.0-Instruct": "<tool_call>",
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": "<|START_ACTION|>",
    "Kimi-K2-Thinking": "<|tool_call_begin|>",
    "Mistral-Small-3.2-24B-Instruct-2506": "[TOOL_CALLS]",
    "NVIDIA-Nemotron-Nano-v2": "<TOOLCALL>",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use": "<tool_call>",
    "Qwen-QwQ-32B": "<tool_call>",
    "Qwen-Qwen2.5-7B-Instruct": "<tool_call>",
    "Qwen-Qwen3-0.6B": "<tool_call>",
    "GLM-4.6": "<tool_call>",
    "LFM2-8B-A1B": "<|tool_call_start|>",
    "MiniMax-M2": "<minimax:tool_call>",
    "Qwen3-Coder": "<tool_call>",
    "Qwen3.5-4B": "<tool_call>",
    "deepseek-ai-DeepSeek-V3.2": "<｜DSML｜function_calls>",
    "deepseek-ai-DeepSeek-V4": "<｜DSML｜tool_calls>",
    "deepseek-ai-DeepSeek-V3.1": None,
    "google-gemma-2-2b-it": None,
    "unsloth-Apriel-1.5": "<tool_calls>",
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
    "openai-gpt-oss-120b": "<|channel|>commentary to=",
}
"""Shipped template → how its calls begin. None: a system message of ours describes the tools."""


@pytest.mark.parametrize("name", STARTS)
def test_the_form_of_a_call_is_found_in_the_template(name: str) -> None:
    with zipfile.ZipFile(TEMPLATES) as archive:
        form = call_form(archive.read(f"{name}.jinja").decode())
    assert (None if form is None else form.start) == STARTS[name]


def test_every_form_stands_in_the_table_once() -> None:
    forms = [form for *_, form in FORMS if form.start]
    assert len({(form.start, form.separator, form.tags) for form in forms}) == len(forms)


def test_which_forms_have_more_ways_than_a_grammar_follows() -> None:
    assert {form.start for *_, form in FORMS if form.loose} == {
        "<|tool_call>",
        "<|tool_call_start|>",
        "<|tool_call:begin|>",
        "Action:",
        ">>>",
        '<function name="',
        "]<]minimax[>[<tool_call>",
        "<|open|>tools<|sep|>",
    }
