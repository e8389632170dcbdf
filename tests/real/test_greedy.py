"""The program generates the same tokens as a plain loop over the same bindings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from driver import Sidecar
from real.conftest import PROMPTS, Plain

pytestmark = pytest.mark.real

GREEDY: dict[str, Any] = {"temperature": 0}
COUNTING = [
    {"role": "user", "content": "Count from 1 to 20."},
    {"role": "assistant", "content": "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"},
    {"role": "user", "content": "Go on."},
]
TURN = "1, 2, 3, 4, 5, 6"
"""The greedy continuation; each token is far more likely than the next best."""


@pytest.mark.parametrize(
    "name",
    [
        "story",
        "capital",
        "count",
        "alphabet",
        "faces",
        "letters and faces",
        "foxes",
        "japanese",
        "chinese",
        "code",
        "chat",
        "chat count",
    ],
)
def test_complete_equals_a_plain_loop(
    real: Sidecar, plain: Any, name: str, fresh: Callable[..., str]
) -> None:
    expected = plain[name]
    limit = len(expected.tokens) + expected.ended
    params = {"contextId": fresh(), "prompt": expected.prompt, "maxTokens": limit, **GREEDY}
    result = real.call("complete", params)
    assert result["text"] == expected.text
    assert result["finishReason"] == ("stop" if expected.ended else "length")
    assert result["usage"] == {
        "promptTokens": len(expected.prompt),
        "cachedTokens": 0,
        "completionTokens": len(expected.tokens),
    }


def test_a_prompt_as_text_is_the_same_as_its_tokens(
    real: Sidecar, plain: Any, fresh: Callable[..., str]
) -> None:
    expected = plain["story"]
    params = {"contextId": fresh(), "prompt": "Once upon a time", "maxTokens": 16, **GREEDY}
    assert real.call("complete", params)["text"] == expected.text


def test_chat_equals_a_plain_loop_over_the_rendered_prompt(
    real: Sidecar, plain: Any, fresh: Callable[..., str]
) -> None:
    context = fresh()
    for name, content in [("chat", "Hi"), ("chat count", "Count from 1 to 20.")]:
        expected = plain[name]
        messages = [{"role": "user", "content": content}]
        limit = 20 if expected.ended else len(expected.tokens)
        params = {"contextId": context, "messages": messages, "maxTokens": limit, **GREEDY}
        result = real.call("chat", params)
        assert result["message"] == {"role": "assistant", "content": expected.text}
        assert result["usage"]["promptTokens"] == len(expected.prompt)
        assert result["finishReason"] == ("stop" if expected.ended else "length")
        context = fresh()


def test_a_second_turn_reuses_the_first_and_says_what_a_fresh_context_says(
    real: Sidecar, fresh: Callable[..., str]
) -> None:
    used, new = fresh(), fresh()
    first = {"contextId": used, "messages": COUNTING[:1], "maxTokens": 8, **GREEDY}
    usage = real.call("chat", first)["usage"]
    results = [
        real.call("chat", {"contextId": context, "messages": COUNTING, "maxTokens": 16, **GREEDY})
        for context in (used, new)
    ]
    assert [result["message"]["content"] for result in results] == [TURN, TURN]
    assert results[0]["usage"]["cachedTokens"] >= usage["promptTokens"] - 1
    assert results[1]["usage"]["cachedTokens"] == 0


def test_the_made_model_says_what_a_plain_loop_says_and_heeds_all_that_was_said(
    made: Sidecar, anew: Callable[..., str], plain_of_made: Plain
) -> None:
    # Otherwise it would show nothing where other tests take it.
    prompt, length = PROMPTS["count"]
    params = {"contextId": anew(), "maxTokens": length, **GREEDY}
    result = made.call("complete", {**params, "prompt": prompt})
    assert result["text"] == plain_of_made.text
    assert result["text"].isascii() and result["text"].isprintable() and len(result["text"]) == length
    other = made.call("complete", {**params, "prompt": prompt.replace("1", "2", 1)})["text"]
    assert other != result["text"]
    assert len(set(result["text"])) > length / 3, "it repeats itself"
