"""Which efforts each shipped template knows, and how a request tells it."""

from __future__ import annotations

from typing import Any

import pytest
from template_cases import sources

from sidecar.core.chat.effort import LEVELS, check_effort, commanded, effort_of
from sidecar.core.chat.rendering.template import Template
from sidecar.message_handler.errors import SidecarError

LIMITS = "none:0 minimal:128 low:512 medium:2048 high:8192 max"
WORDS = "low low medium high high"

KNOWN: dict[str, str] = {
    "ByteDance-Seed-OSS": LIMITS + "; thinking_budget is the limit",
    "Cohere2MoE": LIMITS + "; reasoning_effort none",
    "Kimi-K3": "none:0 low low high high max; thinking; thinking_effort low low high high max",
    "MiniMax-M3": LIMITS + "; thinking_mode",
    "NVIDIA-Nemotron-Nano-v2": LIMITS + "; /no_think",
    "deepseek-ai-DeepSeek-V3.1": LIMITS + "; enable_thinking; thinking",
    "deepseek-ai-DeepSeek-V3.2": LIMITS + "; enable_thinking; thinking",
    "deepseek-ai-DeepSeek-V4": LIMITS + "; enable_thinking; thinking; reasoning_effort max",
    "deepseek-ai-DeepSeek-V4-Flash-0731": (
        "none:0 minimal:128 low:512 medium:2048 high max; enable_thinking; thinking; reasoning_effort high max"
    ),
    "ibm-granite-granite-3.3-2B-Instruct": LIMITS + "; thinking",
    "muse-glimmer": f"none:0 {WORDS}; reasoning_strength low {WORDS}",
    "openai-gpt-oss-120b": f"none:0 {WORDS}; reasoning_effort low {WORDS}",
    "tencent-Hy3": "none:0 low low high high high; reasoning_effort no_think low low high high high",
    "upstage-Solar-Open-100B": (
        "none:0 minimal low medium:2048 high:8192 max; reasoning_effort minimal minimal low"
    ),
    **dict.fromkeys(
        (
            "Apertus-8B-Instruct",
            "Bielik-11B-v3.0-Instruct",
            "CohereForAI-c4ai-command-r7b-12-2024-tool_use",
            "GLM-4.6",
            "GLM-4.7-Flash",
            "HuggingFaceTB-SmolLM3-3B",
            "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
            "Qwen-QwQ-32B",
            "Qwen-Qwen3-0.6B",
            "Qwen3.5-4B",
            "Reka-Edge",
            "Spark2.5",
            "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
            "google-gemma-4-31B-it",
            "google-gemma-4-31B-it-interleaved",
            "inclusionai-ling-3.0-flash",
            "llama-cpp-rwkv-world",
            "openbmb-MiniCPM5-1B",
            "poolside-Laguna-S-2.1",
            "poolside-Laguna-XS-2.1",
            "poolside-Laguna-XS.2",
        ),
        LIMITS + "; enable_thinking",
    ),
}
"""Template → the level and the limit of each of the six levels; switches; words. The others know nothing."""


def known(template: Template) -> str:
    """A row of KNOWN."""
    levels, words, commands = [], {}, set()
    switches = set()
    for level in ("none", *LEVELS):
        effort = effort_of({"messages": [], "reasoning": {"effort": level}}, template)  # type: ignore[typeddict-item]
        levels.append(effort.level if effort.tokens is None else f"{effort.level}:{effort.tokens}")
        commands |= {effort.command}
        for name, value in effort.variables:
            if value in (False, True, "disabled", "enabled") and name != "thinking_budget":
                assert (value in (False, "disabled")) is (level == "none")
                switches.add(name)
            elif name == "thinking_budget":
                assert value == effort.tokens
                switches.add("thinking_budget is the limit")
            else:
                words.setdefault(name, []).append(str(value))
    told = [f"{name} {' '.join(values)}" for name, values in words.items()]
    return "; ".join([" ".join(levels), *sorted(switches), *told, *filter(None, commands)])


@pytest.fixture(scope="module")
def templates() -> dict[str, Template]:
    return {name.removesuffix(".jinja"): Template(source) for name, source in sources().items()}


def test_the_efforts_of_all_shipped_templates(templates: dict[str, Template]) -> None:
    assert len(templates) == 70
    assert {name: known(template) for name, template in templates.items()} == {
        name: KNOWN.get(name, LIMITS) for name in templates
    }


@pytest.mark.parametrize(
    ("reasoning", "tokens"),
    [
        (True, None),
        (False, 0),
        ({"budgetTokens": 5}, 5),
        ({"effort": "low"}, 512),
        ({"effort": "low", "budgetTokens": 5}, 5),
        ({"effort": "max", "budgetTokens": 5}, 5),
        ({"budgetMessage": "Enough.", "effort": "high"}, 8192),
    ],
)
def test_a_budget_is_the_requests_or_the_efforts(reasoning: Any, tokens: int | None) -> None:
    asked: Any = {"messages": [], "reasoning": reasoning}
    assert effort_of(asked, Template("{{ enable_thinking }}")).tokens == tokens


def test_a_word_that_a_template_knows_has_no_limit_and_a_budget_has() -> None:
    template = Template("{{ reasoning_effort }}")
    asked: Any = {"messages": [], "reasoning": {"effort": "minimal"}}
    assert effort_of(asked, template)[:2] == ("low", None)
    asked["reasoning"]["budgetTokens"] = 7
    assert effort_of(asked, template)[:2] == ("low", 7)


def test_a_command_stands_at_the_end_of_the_users_last_message() -> None:
    turns: Any = [{"role": role, "content": role} for role in ("user", "assistant", "user", "assistant")]
    assert [turn["content"] for turn in commanded(turns, "/no_think")] == [
        "user",
        "assistant",
        "user /no_think",
        "assistant",
    ]
    in_parts: Any = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    assert commanded(in_parts, "/no")[0]["content"] == [
        {"type": "text", "text": "Hi"},
        {"type": "text", "text": "/no"},
    ]
    assert commanded(turns[1:2], "/no_think") == turns[1:2]


@pytest.mark.parametrize("budget", [{"budgetTokens": 5}, {"budgetMessage": "Enough."}])
def test_no_reasoning_has_no_budget(budget: Any) -> None:
    asked: Any = {"messages": [], "reasoning": {"effort": "none", **budget}}
    with pytest.raises(SidecarError, match="/reasoning/effort") as raised:
        check_effort(asked)
    assert raised.value.details["pointer"] == "/reasoning/effort"
