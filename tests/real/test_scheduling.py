"""The order in which requests are served: priority, time limits, shared prefixes; and the end of the context."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf_files
import pytest
from driver import Refused, Sidecar
from process_work import cut_after, made_contexts

pytestmark = pytest.mark.real

WORDS = "The quick brown fox jumps over the lazy dog and runs far away from the village toward the sea. "
SYSTEM = WORDS * 5
COUNT = "\n1, 2, 3, 4, 5, 6, 7, 8, 9,"
"""The model continues it with tokens far more likely than the next best, so that rounding changes none."""

NUMBERS = "one two three four five six seven eight nine ten,"
LISTED = " ".join([NUMBERS] * 8)
"""The model continues to repeat it, each token far more likely than the next best."""

TEXTS = [f"Item {number} costs {number * 3} dollars." for number in range(100)]

GREEDY = {"temperature": 0, "ignoreEos": True}
ENDLESS = 10**9
"""Tokens of a text that lasts until it is aborted, in a context that shifts."""


@pytest.fixture
def contexts(real: Sidecar) -> Iterator[Any]:
    """Makes contexts for one test alone."""
    with made_contexts(real) as make:
        yield make


def nearly_full(sidecar: Sidecar) -> list[int]:
    """Nearly all of a context of 256 tokens."""
    return tokens_of(sidecar, f"{WORDS * 12}A tale:")[:243]


def tokens_of(sidecar: Sidecar, text: str) -> list[int]:
    tokens: list[int] = sidecar.call("tokenize", {"modelId": "model-1", "text": text})["tokens"]
    return tokens


def start(real: Sidecar, context_id: str, prompt: str | list[int], tokens: int, **params: Any) -> Any:
    own = {"contextId": context_id, "prompt": prompt, "maxTokens": tokens, **GREEDY, **params}
    return real.send("complete", own)


def answered(real: Sidecar, *requests: Any) -> list[Any]:
    """The requests in the order in which they were answered."""
    for request in requests:
        real.response(request)
    return [m["id"] for m in real.messages if m.get("id") in requests]


# ---- priority ----------------------------------------------------------------------------------------


def test_interactive_requests_overtake_background_ones(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=512)
    running = start(real, context, "One", ENDLESS, contextOverflow="shift")
    background = [start(real, context, f"{i} back", 4, priority="background") for i in range(3)]
    interactive = [start(real, context, f"{i} front", 4) for i in range(3)]
    while not all(real.progress(request, "queue") for request in background + interactive):
        real.receive()
    real.call("abort", {"requestId": running})
    order = answered(real, running, *background, *interactive)
    assert order == [running, *interactive, *background]


def test_a_background_request_gives_way_and_goes_on_with_the_same_text(real: Sidecar, contexts: Any) -> None:
    context, shift = contexts(contextSize=512), {"contextOverflow": "shift"}
    background = start(real, context, LISTED, ENDLESS, priority="background", **shift)
    real.wait_progress(background, "generate")
    real.result(start(real, context, "Quick question:", 5))
    assert not real.has_response(background)
    partial = cut_after(real, background, len(real.streamed(background)) + 100)
    tokens = partial["usage"]["completionTokens"]
    alone = real.result(start(real, contexts(contextSize=512), LISTED, tokens, **shift))
    assert alone["text"].startswith(partial["text"])


def test_a_waiting_background_request_is_served_when_nothing_else_is(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=512)
    request = start(real, context, "One", 3, priority="background")
    assert real.result(request)["usage"]["completionTokens"] == 3


def test_the_number_of_waiting_requests_is_limited(sidecar: Sidecar, tmp_path: Path) -> None:
    sidecar.call("loadModel", {"path": gguf_files.tiny_model(tmp_path / "tiny.gguf")})
    context = sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256})["contextId"]
    running = start(sidecar, context, "A tale that never ends:", ENDLESS, contextOverflow="shift")
    sidecar.wait_progress(running, "generate")
    waiting = [start(sidecar, context, "One", 1) for _ in range(256)]
    with pytest.raises(Refused) as caught:
        sidecar.result(start(sidecar, context, "One", 1))
    assert (caught.value.kind, caught.value.data["retryable"]) == ("overloaded", True)
    assert not any(sidecar.has_response(request) for request in (running, *waiting))
    sidecar.call("abort", {"requestId": running})
    sidecar.response(waiting[-1])
    served = {m["id"]: m["result"] for m in sidecar.messages if "result" in m}
    assert {served[request]["usage"]["completionTokens"] for request in waiting} == {1}
    assert sidecar.result(start(sidecar, context, "One", 1))["usage"]["completionTokens"] == 1


# ---- time --------------------------------------------------------------------------------------------


def test_a_request_whose_time_is_up_is_answered_with_what_it_had(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=2048)
    for timeout_ms in (400, 2000, 10_000):  # enough for a token: of most machines, of a busy one
        own = {"timeoutMs": timeout_ms, "contextOverflow": "shift"}
        request = start(real, context, "A tale that never ends:", ENDLESS, **own)
        with pytest.raises(Refused) as caught:
            real.result(request)
        assert caught.value.kind == "timedOut"
        partial = caught.value.data["partial"]
        assert partial["text"] == real.streamed(request)
        if partial["text"]:
            break
    assert partial["usage"]["completionTokens"] > 0
    assert real.result(start(real, context, "Next", 2))["usage"]["completionTokens"] == 2


def test_time_in_the_queue_counts(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=2048)
    running = start(real, context, "A tale that never ends:", 2000)
    waiting = start(real, context, "Me too", 10, timeoutMs=200)
    with pytest.raises(Refused) as caught:
        real.result(waiting)
    assert caught.value.kind == "timedOut"
    assert caught.value.data["partial"]["text"] == ""
    real.call("abort", {"requestId": running})


def test_enough_time_changes_nothing(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=512)
    assert real.result(start(real, context, "One", 3, timeoutMs=60_000))["finishReason"] == "length"


# ---- texts -------------------------------------------------------------------------------------------


def test_texts_in_the_background_wait_for_others(real: Sidecar, contexts: Any) -> None:
    context = contexts(embeddings=True, contextSize=256, batchSize=64)
    own = {"contextId": context, "priority": "background"}
    long, short = (real.send("embed", {**own, "input": texts}) for texts in (TEXTS * 20, TEXTS[:32]))
    real.wait_progress(long, "embed")
    real.call("embed", {"contextId": context, "input": TEXTS[95:]})
    assert not real.has_response(long)
    between = [p["processedTexts"] for p in real.progress(long, "embed")]
    assert between[-1] < 10 * len(TEXTS), "they took turns"
    real.call("abort", {"requestId": long})
    assert len(real.result(short)["embeddings"]) == 32


def test_texts_whose_time_is_up_are_given_up(real: Sidecar, contexts: Any) -> None:
    context = contexts(embeddings=True, contextSize=256, batchSize=64)
    late = real.send("embed", {"contextId": context, "input": TEXTS, "timeoutMs": 100})
    with pytest.raises(Refused) as refused:
        real.result(late)
    assert refused.value.kind == "timedOut"
    total = real.call("embed", {"contextId": context, "input": TEXTS[:3], "timeoutMs": 60_000})["usage"]
    assert 0 <= refused.value.data["partial"]["usage"]["promptTokens"] < 100 * total["promptTokens"]


# ---- prefixes ----------------------------------------------------------------------------------------


def test_requests_with_the_same_beginning_evaluate_it_once(made: Sidecar, anew: Any) -> None:
    context = anew(sequences=4)
    questions = [f"{SYSTEM}\n{i}{COUNT}" for i in range(4)]
    requests = [start(made, context, question, 12) for question in questions]
    usages = [made.result(request)["usage"] for request in requests]
    total = usages[0]["promptTokens"]
    assert sorted(total - usage["cachedTokens"] for usage in usages)[2] < 100 < total / 4
    for request, question in zip(requests, questions, strict=True):
        assert made.result(request)["text"] == made.result(start(made, anew(), question, 12))["text"]


def test_a_running_conversation_shares_its_beginning(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=1024, sequences=2)
    first = start(real, context, f"{SYSTEM}\nA tale:", 700)
    real.wait_progress(first, "generate")
    second = start(real, context, SYSTEM + COUNT, 10)
    result = real.result(second)
    assert result["usage"]["cachedTokens"] > 90
    assert not real.has_response(first), "it was to be copied from a sequence that is in use"
    third = contexts(contextSize=1024)
    assert result["text"] == real.result(start(real, third, SYSTEM + COUNT, 10))["text"]
    real.call("abort", {"requestId": first})


# ---- fairness ----------------------------------------------------------------------------------------


def test_a_short_prompt_is_not_held_up_by_a_long_one(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=4096, sequences=2, batchSize=128)
    long = start(real, context, WORDS * 180, 1)  # takes many seconds if it is not aborted
    short = start(real, context, "Hello", 1)
    real.result(short)
    assert not real.has_response(long)
    real.call("abort", {"requestId": long})


def test_all_of_many_are_served(made: Sidecar, anew: Any) -> None:
    context = anew(sequences=3)
    requests = [start(made, context, f"{i} {WORDS * (i % 3)}", 1 + i % 5) for i in range(15)]
    for i, request in enumerate(requests):
        assert made.result(request)["usage"]["completionTokens"] == 1 + i % 5


# ---- the end of the context --------------------------------------------------------------------------


def test_a_prompt_that_is_too_long_is_refused_by_default(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=256)
    with pytest.raises(Refused) as caught:
        real.result(start(real, context, WORDS * 20, 4))
    assert caught.value.kind == "promptTooLong"


@pytest.mark.parametrize("mode", ["truncateMiddle", "shift"])
def test_a_prompt_that_is_too_long_loses_its_middle(made: Sidecar, anew: Any, mode: str) -> None:
    tokens, context = tokens_of(made, WORDS * 20), anew(contextSize=256)
    params = {"contextId": context, "prompt": tokens, "maxTokens": 16, "contextOverflow": mode, **GREEDY}
    result = made.call("complete", params)
    kept, head = 256 - 16, (256 - 16) // 4
    assert result["usage"] == {
        "promptTokens": kept,
        "cachedTokens": 0,
        "completionTokens": 16,
        "truncatedTokens": len(tokens) - kept,
    }
    cut = tokens[:head] + tokens[len(tokens) - (kept - head) :]
    plain = {**params, "contextId": anew(contextSize=256), "prompt": cut, "contextOverflow": "error"}
    assert result["text"] == made.call("complete", plain)["text"]


def test_a_text_ends_with_the_context_unless_it_shifts(made: Sidecar, anew: Any) -> None:
    context, prompt = anew(contextSize=256), nearly_full(made)
    for mode in ("error", "truncateMiddle"):
        result = made.result(start(made, context, prompt, 1000, contextOverflow=mode))
        assert result["finishReason"] == "contextFull"
        assert result["usage"]["completionTokens"] < 100
    request = start(made, context, prompt, 230, contextOverflow="shift")
    result = made.result(request)
    assert (result["finishReason"], result["usage"]["completionTokens"]) == ("length", 230)
    assert result["usage"]["truncatedTokens"] > 200, "it shifted twice"
    assert result["text"] == made.streamed(request)


def test_a_shifted_sequence_is_not_reused(made: Sidecar, anew: Any) -> None:
    context, prompt = anew(contextSize=256), f"{WORDS}{COUNT}"
    shifted = made.result(start(made, context, nearly_full(made), 30, contextOverflow="shift"))
    assert shifted["usage"]["truncatedTokens"] > 0
    again = made.result(start(made, context, prompt, 12))
    assert again["usage"]["cachedTokens"] == 0
    assert again["text"] == made.result(start(made, anew(contextSize=256), prompt, 12))["text"]


def test_an_abort_in_a_shifted_text(made: Sidecar, anew: Any) -> None:
    context = anew(contextSize=256)
    request = start(made, context, nearly_full(made), ENDLESS, contextOverflow="shift")
    while len(made.streamed(request)) < 160:
        made.receive()
    assert made.call("abort", {"requestId": request})["outcome"] == "aborted"
    assert made.result(start(made, context, "One", 3))["usage"]["completionTokens"] == 3


# ---- speculation -------------------------------------------------------------------------------------


def test_draft_tokens_give_the_same_text(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=512)
    plain = real.result(start(real, context, LISTED, 40))
    with_lookup = start(real, context, LISTED, 40, speculation="lookup")
    result = real.result(with_lookup)
    assert result["text"] == plain["text"] == real.streamed(with_lookup)
    assert result["usage"]["completionTokens"] == 40
    assert result["usage"]["acceptedTokens"] > 16
    assert result["usage"]["acceptedTokens"] <= result["usage"]["guessedTokens"]
    assert "guessedTokens" not in plain["usage"]


def test_draft_tokens_stop_where_the_text_does(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=512)
    for tokens in (1, 2, 7):
        result = real.result(start(real, context, LISTED, tokens, speculation="lookup"))
        assert result["usage"]["completionTokens"] == tokens
    stopped = real.result(start(real, context, LISTED, 100, speculation="lookup", stop="six"))
    assert stopped["text"] == " one two three four five "
    again = real.result(start(real, context, LISTED, 20))
    assert again["usage"]["cachedTokens"] >= again["usage"]["promptTokens"] - 1


def test_draft_tokens_with_other_streams_and_at_the_end_of_the_context(real: Sidecar, contexts: Any) -> None:
    context = contexts(contextSize=256, sequences=4)
    nearly_full = " ".join([NUMBERS] * 20)
    requests = [start(real, context, nearly_full, 400, speculation="lookup") for _ in range(3)]
    other = start(real, context, COUNT, 8)
    assert real.result(other)["text"].startswith(" 10, 11,")
    results = [real.result(request) for request in requests]
    assert {result["finishReason"] for result in results} == {"contextFull"}
    assert len({result["text"][:200] for result in results}) == 1
    for result in results:
        assert result["usage"]["promptTokens"] + result["usage"]["completionTokens"] in (256, 257)
