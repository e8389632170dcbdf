"""With the templates that llama.cpp ships, our prompts equal those of llama-server."""

from __future__ import annotations

import zipfile
from types import SimpleNamespace
from typing import Any

import pytest
from template_cases import CASES, REFUSED, TEMPLATES, expected, fingerprint

from sidecar.core.chat import prompt as chat
from sidecar.core.jobs import Jobs
from sidecar.core.output import tool_formats
from sidecar.message_handler.errors import SidecarError

TABLE = {name: row for name, row in expected().items() if name.endswith(".jinja")}
TOOLS = {"tools", "tools and system", "tool answer", "tool history"}

DIFFERENT: dict[str, tuple[set[str], str]] = {
    "Apertus-8B-Instruct": (
        set(CASES) - {"no thinking", "variables"},
        "llama-server takes it for one that cannot think",
    ),
    "CohereForAI-c4ai-command-r-plus-tool_use": (TOOLS, "wants a description of every parameter"),
    "LFM2.5-8B-A1B": ({"parts", "system parts", "thought"}, "llama-server joins parts before it"),
    "StepFun3.5-Flash": ({"turns"}, "llama-server strips this family's messages"),
    "fireworks-ai-llama-3-firefunction-v2": (set(CASES), "wants a variable of its own service"),
    "google-gemma-4-31B-it-interleaved": (
        {"tool answer", "tool history"},
        "llama-server repairs its messages",
    ),
    "mistralai-Ministral-3-14B-Reasoning-2512": (
        {"parts", "system parts", "thought"},
        "llama-server repairs its messages",
    ),
    "unsloth-mistral-Devstral-Small-2507": ({"thought"}, "llama-server loses the answer"),
}
"""Template → cases that differ, and why."""


def sources() -> dict[str, str]:
    assert TEMPLATES.is_file(), f"{TEMPLATES} is missing; run: python build/dev.py setup"
    with zipfile.ZipFile(TEMPLATES) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.fixture(scope="module")
def templates() -> dict[str, str]:
    return sources()


@pytest.fixture(autouse=True)
def _tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vocabulary of the model that the table was made with; every template describes tools itself."""
    vocabulary = SimpleNamespace(
        llama_vocab_bos=lambda _: 1,
        llama_vocab_eos=lambda _: 2,
        llama_vocab_get_add_bos=lambda _: True,
        llama_vocab_get_add_eos=lambda _: False,
    )
    monkeypatch.setattr(chat, "lib", vocabulary)
    monkeypatch.setattr(tool_formats, "call_form", lambda _: tool_formats.HERMES)


def render(source: str, params: dict[str, Any]) -> str | None:
    """The prompt; None if the template refuses the messages."""
    texts = {1: "<s>", 2: "</s>"}
    model: Any = SimpleNamespace(model_id="m", vocab=None, chat_template=source, token_text=texts.get)
    jobs = Jobs(SimpleNamespace(send=lambda *_, **__: None))  # type: ignore[arg-type]
    try:
        return chat.render(model, params, jobs.open(1, "chat", {}))
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
    assert len(left_out) < 0.07 * len(cells)


def test_a_message_is_continued_as_the_template_writes_it(templates: dict[str, str]) -> None:
    # llama-server puts empty reasoning before it if the model can reason. We follow the template alone.
    same = 0
    for name, source in templates.items():
        prompt = render(source, CASES["continued"])
        assert prompt is None or prompt.endswith("Hello, I"), name
        same += prompt is not None and fingerprint(prompt) == TABLE[name]["continued"]
    assert same >= 20
