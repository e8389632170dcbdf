"""Several requests at once share batches, and each generates the same text as alone."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from driver import Sidecar
from process_work import ENDLESS, assert_not_held_up, cut_after

pytestmark = pytest.mark.real

SURE = ["count", "alphabet", "letters and faces", "chat count"]
"""Prompts whose greedy tokens are each far more likely than the next best, so that rounding changes none."""


def send(real: Sidecar, expected: Any, context_id: str) -> Any:
    params = {"contextId": context_id, "prompt": expected.prompt, "maxTokens": len(expected.tokens)}
    return real.send("complete", {**params, "temperature": 0})


def send_endless(real: Sidecar, expected: Any, context_id: str) -> Any:
    """A text that begins as the expected one and lasts until it is aborted."""
    return real.send("complete", {"contextId": context_id, "prompt": expected.prompt, **ENDLESS})


def test_two_at_once_interleave_and_both_are_right(real: Sidecar, plain: Any) -> None:
    requests = {send_endless(real, plain[name], "context-2"): plain[name] for name in ("count", "chat count")}
    while any(len(real.streamed(request)) < len(each.text) for request, each in requests.items()):
        real.receive()
    for request, expected in requests.items():
        assert cut_after(real, request, 0)["text"].startswith(expected.text)
    order = [
        m["params"]["requestId"]
        for m in real.messages
        if m.get("method") == "progress" and m["params"]["progressType"] == "generate"
    ]
    turns = sum(1 for one, next_one in itertools.pairwise(order) if {one, next_one} == requests.keys())
    assert turns > 20, "they did not share batches"


def test_eight_at_once_on_four_sequences_are_all_right(real: Sidecar, plain: Any) -> None:
    before = [send_endless(real, plain["count"], "context-2") for _ in range(4)]
    for request in before:
        real.wait_progress(request, "generate")
    requests = {send(real, plain[name], "context-2"): plain[name] for name in SURE * 2}
    while not all(real.progress(request, "queue") for request in requests):
        real.receive()
    for request in before:
        cut_after(real, request, 0)
    for request, expected in requests.items():
        result = real.result(request)
        assert result["text"] == expected.text == real.streamed(request)
    for request in requests:
        positions = [p["position"] for p in real.progress(request, "queue")]
        assert positions == sorted(positions, reverse=True)
        assert all(p["progress"] is None for p in real.progress(request, "queue"))
    for request in list(requests)[4:]:
        assert real.result(request)["timings"]["queueMs"] > 10


def test_thirty_at_once_are_served_in_their_order(real: Sidecar, plain: Any) -> None:
    params = {"contextId": "context-1", "prompt": plain["count"].prompt, "maxTokens": 3, "temperature": 0}
    requests = [real.send("complete", params) for _ in range(30)]
    assert {real.result(request)["text"] for request in requests} == {" 6,"}
    answered = [m["id"] for m in real.messages if m.get("id") in requests]
    assert answered == requests


def test_a_long_prompt_does_not_stop_a_stream(real: Sidecar, plain: Any) -> None:
    stream = send_endless(real, plain["count"], "context-2")
    real.wait_progress(stream, "generate")
    long = send(real, plain["long"], "context-2")
    arrivals = []
    while not real.has_response(long):
        message = real.receive()
        if message.get("method") == "progress" and message["params"]["progressType"] == "generate":
            arrivals.append((message["params"]["requestId"], time.monotonic()))
    first_of_long = next((at for request, at in arrivals if request == long), None)
    during = [at for request, at in arrivals if request == stream and at < (first_of_long or at + 1)]
    assert len(during) >= 8, "the stream stood still while the prompt was evaluated"
    gaps = [later - earlier for earlier, later in itertools.pairwise(during)]
    assert statistics.median(gaps) < (during[-1] - during[0]) / 4
    assert real.result(long)["text"] == plain["long"].text
    said = cut_after(real, stream, len(plain["count"].text))["text"]
    assert said.startswith(plain["count"].text)


def test_a_long_prompt_in_another_context_does_not_stop_a_stream_either(
    real: Sidecar, plain: Any, fresh: Callable[..., str]
) -> None:
    contexts = [fresh(contextSize=1024), fresh(contextSize=2048)]
    stream = send_endless(real, plain["count"], contexts[0])
    real.wait_progress(stream, "generate")
    words = [f"{number}," for number in range(110)]
    long = real.send("complete", {"contextId": contexts[1], "prompt": " ".join(words), "maxTokens": 1})
    assert_not_held_up(real, stream, long)
    real.call("abort", {"requestId": stream})


def test_contexts_of_one_model_run_at_once(real: Sidecar, plain: Any, fresh: Callable[..., str]) -> None:
    contexts = [fresh(), fresh(sequences=2), fresh(kvCacheType="f32")]
    requests = [send_endless(real, plain["count"], context) for context in contexts]
    while any(len(real.streamed(request)) < len(plain["count"].text) for request in requests):
        real.receive()  # if one waited for the other, this would not end
    for request in requests:
        assert cut_after(real, request, 0)["text"].startswith(plain["count"].text)


def test_a_sequence_goes_to_the_request_that_can_reuse_it(
    real: Sidecar, plain: Any, fresh: Callable[..., str]
) -> None:
    context = fresh(sequences=2)
    for name in ("count", "alphabet"):
        real.result(send(real, plain[name], context))
    for name in ("alphabet", "count"):
        result = real.result(send(real, plain[name], context))
        assert result["usage"]["cachedTokens"] == len(plain[name].prompt) - 1
        assert result["text"] == plain[name].text
