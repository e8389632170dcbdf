"""With the templates that llama.cpp ships, our prompts equal those of llama-server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from character_model import CharacterModel, lift_time_limit, replace_lib, tokenized
from template_cases import CASES, REFUSED, expected, fingerprint, sources

from sidecar.core.chat.rendering import template
from sidecar.core.output.calls import call_forms
from sidecar.message_handler.errors import SidecarError

TABLE = {name: row for name, row in expected().items() if name.endswith(".jinja")}
TOOLS = {"tools", "tools and system", "tool answer", "tool history"}

CALLS = {"tool answer", "tool history"}

DIFFERENT: dict[str, tuple[set[str], str]] = {
    "Apertus-8B-Instruct": (
        set(CASES) - {"no thinking", "variables"},
        "llama-server takes it for one that cannot think",
    ),
    "CohereForAI-c4ai-command-r-plus-tool_use": (TOOLS, "wants a description of every parameter"),
    "LFM2-8B-A1B": (CALLS, "leaves out calls"),
    "LFM2.5-8B-A1B": ({"parts", "system parts"}, "llama-server joins parts before it"),
    "LFM2.5-Instruct": (CALLS, "leaves out calls"),
    "StepFun3.5-Flash": ({"turns"}, "llama-server strips this family's messages"),
    "fireworks-ai-llama-3-firefunction-v2": (TOOLS, "wants a variable of its own service"),
    "google-gemma-4-31B-it-interleaved": (CALLS, "llama-server repairs its messages"),
    "ibm-granite-granite-3.3-2B-Instruct": (CALLS, "leaves out calls"),
    "mistralai-Ministral-3-14B-Reasoning-2512": (
        {"parts", "system parts", "thought"},
        "llama-server repairs its messages",
    ),
    "unsloth-mistral-Devstral-Small-2507": ({"thought"}, "llama-server loses the answer"),
    **dict.fromkeys(
        (
            "HuggingFaceTB-SmolLM3-3B",
            "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
            "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
            "deepseek-ai-DeepSeek-V3.1",
            "google-gemma-2-2b-it",
            "llama-cpp-rwkv-world",
            "microsoft-Phi-3.5-mini-instruct",
        ),
        (TOOLS, "describes no tools"),
    ),
    **dict.fromkeys(
        (
            "ByteDance-Seed-OSS",
            "Cohere2MoE",
            "Kimi-K3",
            "MiniMax-M3",
            "NVIDIA-Nemotron-Nano-v2",
            "muse-glimmer",
            "openai-gpt-oss-120b",
            "upstage-Solar-Open-100B",
        ),
        ({"no thinking"}, "turns reasoning off in another way than enable_thinking, llama-server's only one"),
    ),
}
"""Template → cases that differ, and why."""


@pytest.fixture(scope="module")
def templates() -> dict[str, str]:
    return sources()


@pytest.fixture(autouse=True)
def _tiny_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The vocabulary of the model that the table was made with. Calls of all templates have the same form."""
    replace_lib(monkeypatch)
    lift_time_limit(monkeypatch)
    monkeypatch.setattr(call_forms, "call_form", lambda _: call_forms.HERMES)
    template._compiled.cache_clear()  # other tests' templates remember calls of their own form
    yield
    template._compiled.cache_clear()


def render(source: str, params: dict[str, Any]) -> str | None:
    """The prompt; None if the template refuses the messages."""
    try:
        return tokenized(CharacterModel(source), params)[0]
    except SidecarError as error:
        assert error.kind == "templateFailed"
        return None


def test_the_table_is_of_these_templates(templates: dict[str, str]) -> None:
    assert TABLE.keys() == templates.keys()
    assert len(TABLE) > 60
    assert all(row.keys() == CASES.keys() for row in TABLE.values())


@pytest.mark.parametrize("name", [name.removesuffix(".jinja") for name in TABLE])
def test_a_shipped_template_gives_llama_servers_prompts(templates: dict[str, str], name: str) -> None:
    file = f"{name}.jinja"
    prompts = {case: render(templates[file], params) for case, params in CASES.items() if case != "continued"}
    ours = {case: fingerprint(prompt) for case, prompt in prompts.items()}
    theirs = {case: TABLE[file][case] for case in ours}
    different, _ = DIFFERENT.get(name, (set(), ""))
    assert {case for case in ours if ours[case] != theirs[case]} == different - {"continued"}


def test_most_of_the_table_is_compared() -> None:
    cells = [(name, case) for name, row in TABLE.items() for case in row if row[case] != REFUSED]
    left_out = [
        cell for cell in cells if cell[1] in DIFFERENT.get(cell[0].removesuffix(".jinja"), (set(),))[0]
    ]
    assert len(left_out) < 0.08 * len(cells)


def test_a_message_is_continued_as_the_template_writes_it(templates: dict[str, str]) -> None:
    # llama-server puts empty reasoning before it if the model can reason. We follow the template alone.
    same = 0
    for name, source in templates.items():
        prompt = render(source, CASES["continued"])
        assert prompt is None or prompt.endswith("Hello, I"), name
        same += prompt is not None and fingerprint(prompt) == TABLE[name]["continued"]
    assert same >= 20
