"""A wrong chat template gives a typed error, and the model keeps working."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf_files
import pytest
from driver import Sidecar
from protocol_cases import refused

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("next_line_works")]


@pytest.fixture
def with_template(shared: Sidecar, tmp_path: Path) -> Iterator[Any]:
    """Loads a tiny model with a given chat template. Returns (modelId, contextId)."""
    loaded: list[str] = []

    def load(template: str | None) -> tuple[str, str]:
        path = gguf_files.tiny_model(tmp_path / f"{len(loaded)}.gguf", template)
        loaded.append(shared.call("loadModel", {"path": path})["modelId"])
        context = shared.call("createContext", {"modelId": loaded[-1], "contextSize": 256})["contextId"]
        return loaded[-1], context

    yield load
    for model in loaded:
        shared.call("unloadModel", {"modelId": model})


MESSAGES = [{"role": "user", "content": "Hi"}]
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        ("{{ raise_exception('Only assistants may speak') }}", "Only assistants may speak"),
        ("{% if %}", ""),
        ("{{ 1 / 0 }}", "division"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ 'x' * 10**9 }}", "too large"),
        ("{% set _ = messages.append(messages[0]) %}", "unsafe"),
    ],
)
def test_a_template_that_fails_is_reported_with_its_cause(
    shared: Sidecar, with_template: Any, template: str, cause: str
) -> None:
    model, context = with_template(template)
    for method, params in (
        ("applyTemplate", {"modelId": model}),
        ("chat", {"contextId": context, "maxTokens": 1}),
    ):
        error = refused(shared, method, {**params, "messages": MESSAGES})
        assert error.kind == "templateFailed"
        assert cause in error.data["cause"]
    assert shared.call("complete", {"contextId": context, "prompt": "x", "maxTokens": 1})


def test_a_template_that_loops_is_stopped_and_its_model_keeps_working(
    shared: Sidecar, with_template: Any
) -> None:
    model, context = with_template(LOOP)
    error = refused(shared, "applyTemplate", {"modelId": model, "messages": MESSAGES})
    assert error.kind == "templateFailed"
    assert "still running" in error.data["cause"]
    assert shared.call("complete", {"contextId": context, "prompt": "x", "maxTokens": 1})


def test_a_template_that_loops_can_be_aborted(shared: Sidecar, with_template: Any) -> None:
    _, context = with_template(LOOP)
    chat = shared.send("chat", {"contextId": context, "messages": MESSAGES})
    assert shared.call("abort", {"requestId": chat})["outcome"] == "aborted"
    assert shared.call("complete", {"contextId": context, "prompt": "x", "maxTokens": 1})


def test_a_model_without_a_template_can_complete_but_not_chat(shared: Sidecar, with_template: Any) -> None:
    model, context = with_template(None)
    for method, params in (("applyTemplate", {"modelId": model}), ("chat", {"contextId": context})):
        assert refused(shared, method, {**params, "messages": MESSAGES}).kind == "noChatTemplate"
    assert shared.call("complete", {"contextId": context, "prompt": "x", "maxTokens": 1})


def test_a_template_that_renders_nothing_still_has_its_beginning_token(
    shared: Sidecar, with_template: Any
) -> None:
    _, context = with_template("{# nothing #}")
    result = shared.call("chat", {"contextId": context, "messages": MESSAGES, "maxTokens": 1})
    assert result["usage"]["promptTokens"] == 1
