"""How much a model may think: its budget, its effort, and what the result says of them. A token is a character."""

from __future__ import annotations

from typing import Any

import pytest
from driver import Refused, Sidecar

pytestmark = pytest.mark.real

THINKING = "{% for m in messages %}{{ m.content }}{% endfor %}{{ reasoning_effort }}<think>{# </think> #}"
PLAIN = "{% for m in messages %}{{ m.content }}{% endfor %}"
CLOSING = "\n</think>"


def chat(made: Sidecar, template: str, reasoning: Any, **params: Any) -> dict[str, Any]:
    asked = {"contextId": "context-1", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0}
    asked |= {"chatTemplate": template, "maxTokens": 60, **params}
    result: dict[str, Any] = made.call(
        "chat", asked if reasoning is None else {**asked, "reasoning": reasoning}
    )
    return result


def test_a_used_up_budget_forces_its_message_and_the_end_mark(made: Sidecar) -> None:
    free = chat(made, THINKING, None)["message"]["reasoningContent"]
    result = chat(made, THINKING, {"budgetTokens": 12, "budgetMessage": "Enough</s>!"})
    message, usage = result["message"], result["usage"]
    assert message["reasoningContent"] == f"{free[:12]}Enough</s>!"
    assert usage["reasoningTokens"] == 12 + len("Enough</s>!") + len(CLOSING)
    assert usage["completionTokens"] == 60
    assert "reasoningEffort" not in result
    assert message["content"]


def test_tokens_of_the_reasoning_are_counted_apart(made: Sidecar) -> None:
    assert chat(made, THINKING, {"budgetTokens": 3})["usage"]["reasoningTokens"] == 3 + len(CLOSING)
    assert chat(made, THINKING, None, maxTokens=5)["usage"]["reasoningTokens"] == 5
    assert "reasoningTokens" not in chat(made, PLAIN, None, maxTokens=5)["usage"]


@pytest.mark.parametrize(
    ("template", "effort", "told"),
    [
        (THINKING, "minimal", "low"),  # the template writes any word, and models know low, medium, high
        (THINKING, "high", "high"),
        ("<think>{# </think> #}", "minimal", "minimal"),
        ("<think>{# </think> #}", "none", "none"),
        (PLAIN, "none", "none"),
        (PLAIN, "high", None),
    ],
)
def test_the_result_says_which_effort_the_model_knows(
    made: Sidecar, template: str, effort: str, told: str | None
) -> None:
    before = len(made.messages)
    result = chat(made, template, {"effort": effort}, maxTokens=8)
    assert result["reasoningEffort"] == told
    warnings = [m["params"]["message"] for m in made.messages[before:] if m.get("method") == "info"]
    assert any("cannot reason" in warning for warning in warnings) is (told is None)


def test_an_effort_without_a_word_is_a_limit_and_none_ends_the_reasoning(made: Sidecar) -> None:
    template = "<think>{# </think> #}"
    limited = chat(made, template, {"effort": "minimal"}, maxTokens=160)
    assert limited["usage"]["reasoningTokens"] == 128 + len(CLOSING)
    for off in (False, {"effort": "none"}):
        assert "reasoningContent" not in chat(made, template, off)["message"]


def test_a_budget_without_reasoning_is_refused_and_the_next_request_works(made: Sidecar) -> None:
    with pytest.raises(Refused) as refused:
        chat(made, THINKING, {"effort": "none", "budgetTokens": 9})
    assert refused.value.kind == "invalidParams"
    assert chat(made, THINKING, {"budgetTokens": 9})["message"]["content"]
