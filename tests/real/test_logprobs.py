"""The probability of each token, in the result and in progress, only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from driver import Message, Refused, Sidecar
from real.conftest import run_chains

pytestmark = pytest.mark.real

PROMPT = "The alphabet: a b c d e f g"
LENGTH = 8


def complete(real: Sidecar, context: str = "context-1", **params: Any) -> Message:
    asked = {"contextId": context, "prompt": PROMPT, "maxTokens": LENGTH, **params}
    return real.call("complete", asked)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("chain", "params"),
    [
        ([["greedy"]], {"temperature": 0}),
        # They are the model's own, before any sampler changed them.
        (
            [["logit_bias", "size", [[260, 5]]], ["top_k", 10], ["temp", 1.5], ["dist", 3]],
            {"temperature": 1.5, "topK": 10, "topP": 1, "minP": 0, "seed": 3, "logitBias": [[260, 5]]},
        ),
    ],
    ids=["greedy", "sampled"],
)
def test_they_are_those_of_the_logits(
    real: Sidecar, fresh: Callable[..., str], model_path: str, chain: list[Any], params: dict[str, Any]
) -> None:
    job = {"prompt": PROMPT, "maxTokens": LENGTH, "chain": chain, "likely": 1000}
    (expected,) = run_chains(model_path, [job])
    entries = complete(real, fresh(), logprobs=True, topLogprobs=5, **params)["logprobs"]
    assert [entry["id"] for entry in entries] == expected["tokens"]
    for entry, likely in zip(entries, expected["likely"], strict=True):
        assert entry["logprob"] == pytest.approx(dict(map(tuple, likely))[entry["id"]], abs=1e-3)
        top = entry["topLogprobs"]
        assert [other["id"] for other in top] == [token for token, _ in likely[:5]]
        assert [other["logprob"] for other in top] == pytest.approx([p for _, p in likely[:5]], abs=1e-3)


def test_progress_and_result_say_the_same_and_the_bytes_are_the_text(real: Sidecar) -> None:
    params = {"contextId": "context-2", "prompt": "😀😁😂", "maxTokens": 12, "temperature": 0, "seed": 1}
    asked = {**params, "logprobs": True, "topLogprobs": 1}
    requests = [real.send("complete", {**asked, "temperature": hot}) for hot in (0, 1, 2)]
    for request in requests:
        result = real.result(request)
        streamed = [entry for params in real.progress(request, "generate") for entry in params["logprobs"]]
        assert streamed == result["logprobs"]
        joined = bytes(byte for entry in streamed for byte in entry["bytes"])
        assert joined.decode("utf-8", "replace") == result["text"]
        assert len(streamed) == result["usage"]["completionTokens"]
    entries = real.result(requests[0])["logprobs"]
    assert [entry["topLogprobs"][0]["id"] for entry in entries] == [entry["id"] for entry in entries]


def test_the_end_of_the_text_has_none(real: Sidecar) -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0, "maxTokens": 40}
    result = real.call("chat", {"contextId": "context-1", **chat, "logprobs": True, "topLogprobs": 3})
    assert result["finishReason"] == "stop"
    assert len(result["logprobs"]) == result["usage"]["completionTokens"]
    assert all(len(entry["topLogprobs"]) == 3 for entry in result["logprobs"])


def test_by_default_there_are_none(real: Sidecar) -> None:
    request = real.send("complete", {"contextId": "context-1", "prompt": PROMPT, "maxTokens": 3})
    assert "logprobs" not in real.result(request)
    assert not any("logprobs" in params for params in real.progress(request, "generate"))
    assert complete(real, maxTokens=2, logprobs=True)["logprobs"][0]["topLogprobs"] == []


def test_they_do_not_change_the_text(real: Sidecar, fresh: Callable[..., str]) -> None:
    context = fresh()
    hot = {"temperature": 1.2, "seed": 11}
    assert complete(real, context, **hot)["text"] == complete(real, context, logprobs=True, **hot)["text"]


def test_top_logprobs_alone_are_refused(real: Sidecar) -> None:
    with pytest.raises(Refused) as refused:
        complete(real, topLogprobs=3)
    assert refused.value.kind == "invalidParams"
    assert refused.value.data["pointer"] == "/topLogprobs"
