"""How tokens are chosen, when it ends, and what is reported. Where words do not matter, with a made model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from driver import Message, Refused, Sidecar
from real.conftest import LONG, Plain

pytestmark = pytest.mark.real

COUNT = "1, 2, 3, 4, 5,"
COUNTED = " 6, 7, 8, 9, 10"
LENGTH = 15
STORY = "Once upon a time"


def complete(sidecar: Sidecar, prompt: str | list[int] = COUNT, **params: Any) -> Message:
    """A completion on context-1."""
    asked = {"contextId": "context-1", "prompt": prompt, "maxTokens": LENGTH, **params}
    return sidecar.call("complete", asked)  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def said(plain_of_made: Plain) -> str:
    """What the made model says after COUNT, greedily."""
    return plain_of_made.text[:LENGTH]


# ---- how ---------------------------------------------------------------------------------------------


def test_a_seed_repeats_the_text_and_the_reported_one_does_too(made: Sidecar) -> None:
    hot = {"temperature": 1, "topK": 0, "maxTokens": 20}
    first = complete(made, STORY, seed=7, **hot)
    assert first["seed"] == 7
    assert complete(made, STORY, seed=7, **hot)["text"] == first["text"]
    free = complete(made, STORY, **hot)
    assert complete(made, STORY, seed=free["seed"], **hot)["text"] == free["text"]
    texts = {complete(made, STORY, seed=seed, **hot)["text"] for seed in (0, 1, 2, 4294967294)}
    assert len(texts) == 4
    seeds = {complete(made, STORY, maxTokens=1)["seed"] for _ in range(5)}
    assert len(seeds) == 5, "the random seed is not random"


def test_a_seed_holds_while_another_stream_runs(real: Sidecar, fresh: Callable[..., str]) -> None:
    context = fresh(sequences=2)
    hot = {"contextId": context, "prompt": COUNT, "maxTokens": 10, "temperature": 1, "topK": 3}
    alone = real.call("complete", {**hot, "seed": 7})["text"]
    together = [real.send("complete", {**hot, "seed": seed}) for seed in (7, 8)]
    assert real.result(together[0])["text"] == alone


@pytest.mark.parametrize(
    "narrow",
    [
        {"temperature": 0},
        {"temperature": 0, "seed": 5},
        {"temperature": 0, "topK": 0, "topP": 1, "minP": 0},
        {"temperature": 2, "topK": 1},
        {"temperature": 2, "topK": 0, "topP": 0},
        {"temperature": 2, "topK": 0, "minP": 1},
    ],
    ids=str,
)
def test_every_way_to_ask_for_greedy_sampling_is_greedy(
    made: Sidecar, said: str, narrow: dict[str, Any]
) -> None:
    assert complete(made, **narrow)["text"] == said


@pytest.mark.parametrize(
    "penalty", [{"repeatPenalty": 2}, {"frequencyPenalty": 20}, {"presencePenalty": 20}], ids=str
)
def test_each_penalty_changes_the_text(made: Sidecar, said: str, penalty: dict[str, Any]) -> None:
    assert complete(made, temperature=0, **penalty)["text"] != said
    assert complete(made, temperature=0, repeatLastN=0, **penalty)["text"] == said
    assert complete(made, temperature=0)["text"] == said, "a penalty outlived its request"


def test_penalties_that_are_off_change_nothing(made: Sidecar, said: str) -> None:
    off = {"repeatPenalty": 1, "frequencyPenalty": 0, "presencePenalty": 0}
    assert complete(made, temperature=0, **off)["text"] == said


def tokens_of(sidecar: Sidecar, text: str) -> list[int]:
    tokens: list[int] = sidecar.call("tokenize", {"modelId": "model-1", "text": text})["tokens"]
    return tokens


# ---- when it ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_max_tokens_is_exact(real: Sidecar, plain: Any, limit: int) -> None:
    result = complete(real, temperature=0, maxTokens=limit)
    assert result["usage"]["completionTokens"] == limit
    assert result["finishReason"] == "length"
    assert result["text"] == b"".join(plain["count"].pieces[:limit]).decode()


def test_the_models_own_end_is_stop_and_can_be_ignored(real: Sidecar) -> None:
    chat = {
        "contextId": "context-1",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0,
        "maxTokens": 40,
    }
    ended = real.call("chat", chat)
    assert (ended["finishReason"], ended["stopString"]) == ("stop", None)
    assert ended["usage"]["completionTokens"] == 9
    ignored = real.call("chat", {**chat, "ignoreEos": True})
    assert ignored["usage"]["completionTokens"] == 40
    assert ignored["finishReason"] == "length"
    assert ignored["message"]["content"].startswith(ended["message"]["content"])


def test_a_full_context_ends_it(made: Sidecar, said: str, anew: Callable[..., str]) -> None:
    context, tokens = anew(contextSize=256), tokens_of(made, LONG)
    for length, generated in [(254, 3), (255, 2), (256, 1)]:
        params = {"contextId": context, "prompt": tokens[:length], "ignoreEos": True, "temperature": 0}
        result = made.call("complete", params)
        assert (result["finishReason"], result["usage"]["completionTokens"]) == ("contextFull", generated)
    with pytest.raises(Refused) as refused:
        made.call("complete", {"contextId": context, "prompt": tokens[:257]})
    assert refused.value.kind == "promptTooLong"
    assert refused.value.data["value"] == 257
    assert refused.value.data["allowed"] == {"maximum": 256}
    assert complete(made, contextId=context, temperature=0)["text"] == said


def test_a_full_sequence_does_not_disturb_its_neighbour(
    made: Sidecar, plain_of_made: Plain, anew: Callable[..., str]
) -> None:
    context = anew(contextSize=256, sequences=2)
    full = {"contextId": context, "prompt": tokens_of(made, LONG)[:250], "temperature": 0}
    expected = plain_of_made
    other = {"contextId": context, "prompt": expected.prompt, "maxTokens": 30, "temperature": 0}
    requests = [made.send("complete", params) for params in (other, full, other)]
    results = [made.result(request) for request in requests]
    assert [result["finishReason"] for result in results] == ["length", "contextFull", "length"]
    assert results[0]["text"] == results[2]["text"] == expected.text


# ---- what is reported --------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 20])
def test_timings_are_plausible(real: Sidecar, limit: int) -> None:
    timings = complete(real, maxTokens=limit, ignoreEos=True)["timings"]
    assert all(value is None or value >= 0 for value in timings.values())
    assert timings["timeToFirstTokenMs"] >= timings["promptMs"] > 0
    assert timings["timeToFirstTokenMs"] == pytest.approx(timings["queueMs"] + timings["promptMs"], abs=1)
    if limit == 1:
        assert timings["tokensPerSecond"] is None
        assert timings["generateMs"] == 0
    else:
        assert timings["tokensPerSecond"] == pytest.approx(
            (limit - 1) / (timings["generateMs"] / 1000), rel=0.01
        )


def test_without_stream_the_same_text_comes_in_the_result_only(real: Sidecar) -> None:
    params = {"contextId": "context-1", "prompt": COUNT, "maxTokens": 15, "temperature": 0}
    silent, streamed = (real.send("complete", {**params, "stream": stream}) for stream in (False, True))
    assert real.result(silent)["text"] == real.result(streamed)["text"] == COUNTED
    assert real.progress(silent, "generate") == []
    assert real.progress(silent, "prompt")[-1]["progress"] == 1
    assert real.streamed(streamed) == COUNTED


def test_prompt_progress_rises_to_one_over_a_long_prompt(real: Sidecar, fresh: Callable[..., str]) -> None:
    prompt = tokens_of(real, LONG)[:330]
    params = {"contextId": fresh(batchSize=64), "prompt": prompt, "maxTokens": 1}
    request = real.send("complete", params)
    real.result(request)
    reported = real.progress(request, "prompt")
    assert [p["processedTokens"] for p in reported] == sorted(p["processedTokens"] for p in reported)
    assert [p["progress"] for p in reported] == sorted(p["progress"] for p in reported)
    assert len(reported) >= 5
    assert reported[-1]["progress"] == 1
    assert all(p["promptTokens"] == len(prompt) for p in reported)
    assert reported[-1]["processedTokens"] == len(prompt)


def test_generate_progress_counts_and_none_comes_after_the_response(real: Sidecar) -> None:
    params = {"contextId": "context-1", "prompt": COUNT, "temperature": 0}
    known = real.send("complete", {**params, "maxTokens": 15})
    unknown = real.send("complete", {**params, "stop": "20"})
    for request in (known, unknown):
        real.result(request)
        reported = real.progress(request, "generate")
        counts = [p["completionTokens"] for p in reported]
        assert counts == sorted(counts)
        if request == known:
            fractions = [p["progress"] for p in reported]
            assert fractions == sorted(fractions)
            assert fractions[-1] == 1
        else:
            assert {p["progress"] for p in reported} == {None}
        answered = real.messages.index(real.response(request))
        own = [i for i, m in enumerate(real.messages) if m.get("params", {}).get("requestId") == request]
        assert max(own) < answered
