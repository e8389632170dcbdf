"""abort and $/cancelRequest, at every stage of the work and at random moments."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Start
from driver import Sidecar
from process_work import (
    ABORTED,
    COUNT,
    COUNTED,
    LONG_LOAD,
    abort_and_check,
    assert_aborted,
    assert_silent_after_response,
    count,
    load,
    send_endless,
    send_long_prompt,
)

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def busy(program: list[str], model_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """A program with context-1 (one sequence) and context-2 (two), whose engine must live to the end."""
    sidecar = Sidecar(program, stderr=tmp_path_factory.mktemp("abort") / "stderr.txt")
    load(sidecar, model_path)
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 2048, "sequences": 2})
    engines = sidecar.engines()
    yield sidecar
    assert sidecar.engines() == engines, "an abort cost an engine"
    assert sidecar.call("status")["requests"] == []
    assert not sidecar.end()


def moments(count: int, up_to_s: float) -> Iterator[float]:
    """Moments from 0 on, spread evenly over the range and random within their share of it."""
    for index in range(count):
        yield up_to_s * (index + random.random()) / count


# ---- before the work begins ------------------------------------------------------------------------


def test_behind_a_load_it_takes_effect_at_once(start: Start) -> None:
    sidecar = start()
    loading = sidecar.send("loadModel", LONG_LOAD)
    creating = sidecar.send("createContext", {"modelId": "model-1", "contextSize": 256})
    completing = send_endless(sidecar)
    sidecar.wait_progress(loading, "load")
    partial = abort_and_check(sidecar, completing)
    assert partial["text"] == ""
    assert loading not in [m.get("id") for m in sidecar.messages], "it waited for the load"
    assert sidecar.result(loading)["modelId"] == "model-1"
    assert sidecar.result(creating)["contextId"] == "context-1"
    assert count(sidecar) == COUNTED


def test_of_init_while_a_load_is_behind_it_does_not_touch_the_load(start: Start, model_path: str) -> None:
    sidecar = start()
    sidecar.call("abort", {"requestId": "none"})  # the slow import of validation is over then
    init = sidecar.send("init")
    loading = sidecar.send("loadModel", {"path": model_path})
    sidecar.call("abort", {"requestId": init})
    assert sidecar.result(loading)["modelId"] == "model-1"


def test_of_a_load_while_init_is_before_it_does_not_touch_init(start: Start, model_path: str) -> None:
    sidecar = start()
    sidecar.call("abort", {"requestId": "none"})
    init = sidecar.send("init")
    loading = sidecar.send("loadModel", {"path": model_path})
    assert sidecar.call("abort", {"requestId": loading})["outcome"] == "aborted"
    assert_aborted(sidecar, loading)
    assert sidecar.result(init)["protocolVersion"] == 1


def test_of_a_request_that_waits_for_a_sequence(busy: Sidecar) -> None:
    running = send_endless(busy)
    waiting = [send_endless(busy) for _ in range(3)]
    busy.wait_progress(waiting[2], "queue")
    partial = abort_and_check(busy, waiting[1])
    assert partial["text"] == ""
    assert partial["usage"]["completionTokens"] == 0
    for request in (waiting[0], waiting[2], running):
        abort_and_check(busy, request)
    assert count(busy) == COUNTED


# ---- in load ---------------------------------------------------------------------------------------


def test_in_load_at_random_moments_and_the_next_load_works(start: Start, model_path: str) -> None:
    sidecar, short = start(), {"path": model_path, "useMmap": False}
    for _ in range(2):  # the first takes longer: a program of one file unpacks itself
        started = time.monotonic()
        model_id = sidecar.call("loadModel", short)["modelId"]
        usual = time.monotonic() - started
        sidecar.call("unloadModel", {"modelId": model_id})
    outcomes = []
    for number, share in enumerate(moments(8, 1.0)):
        loading = sidecar.send("loadModel", short)
        time.sleep(share * usual)
        outcome = sidecar.call("abort", {"requestId": loading})["outcome"]
        outcomes.append(outcome)
        if outcome == "aborted":
            assert_aborted(sidecar, loading)
        else:
            sidecar.call("unloadModel", {"modelId": sidecar.result(loading)["modelId"]})
            usual *= share  # the machine is faster than it was
        assert sidecar.call("status")["models"] == []
        if number % 4 == 3:
            model_id = sidecar.call("loadModel", {"path": model_path})["modelId"]
            sidecar.call("createContext", {"modelId": model_id, "contextSize": 256})
            assert count(sidecar, f"context-{number // 4 + 1}") == COUNTED
            sidecar.call("unloadModel", {"modelId": model_id})
        elif number % 4 == 0:
            loading = sidecar.send("loadModel", LONG_LOAD)
            sidecar.wait_progress(loading, "load")
            abort_and_check(sidecar, loading)
    assert outcomes.count("aborted") >= 4


# ---- in the prompt, in the generation --------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tokenize", {"modelId": "model-1", "text": "once upon a time " * 150_000}),
        ("complete", {"contextId": "context-1", "prompt": "once upon a time " * 150_000}),
        ("createContext", {"modelId": "model-1", "contextSize": 8192, "sequences": 3, "kvCacheType": "f32"}),
    ],
)
def test_in_a_call_of_llama_cpp_that_cannot_be_interrupted(busy: Sidecar, method: str, params: Any) -> None:
    # It continues after the answer. Without this answer the engine would have been killed after a second.
    contexts = [each["contextId"] for each in busy.call("status")["contexts"]]
    request = busy.send(method, params)
    for _ in range(20):  # it is on its way to the engine, and has time to be begun there
        busy.call("ping")
    assert busy.call("abort", {"requestId": request})["outcome"] == "aborted"
    assert_aborted(busy, request)
    assert count(busy) == COUNTED
    assert [each["contextId"] for each in busy.call("status")["contexts"]] == contexts


def test_in_the_prompt_at_random_moments(busy: Sidecar) -> None:
    for moment in moments(6, 0.6):
        request = send_long_prompt(busy)
        time.sleep(moment)
        partial = abort_and_check(busy, request)
        assert partial["text"] == ""
        assert count(busy) == COUNTED


def test_in_the_generation_at_random_moments(busy: Sidecar) -> None:
    for number, moment in enumerate(moments(6, 0.4)):
        request = send_endless(busy)
        if number % 2:
            busy.wait_progress(request, "generate")
        time.sleep(moment)
        partial = abort_and_check(busy, request)
        if number % 2:
            assert partial["usage"]["completionTokens"] > 0
        assert count(busy) == COUNTED


def test_in_the_generation_by_notification(busy: Sidecar) -> None:
    request = send_endless(busy)
    busy.wait_progress(request, "generate")
    busy.notify("$/cancelRequest", {"id": request})
    partial = assert_aborted(busy, request)
    assert partial["text"]
    assert partial["usage"]["promptTokens"] == 14
    assert partial["usage"]["completionTokens"] > 0
    assert count(busy) == COUNTED


def test_without_streaming_the_error_has_the_partial_text_too(busy: Sidecar) -> None:
    request = send_endless(busy, "context-2", stream=False)
    behind = send_endless(busy, "context-2")  # a token of each in turn
    while not busy.streamed(behind).startswith(COUNTED):
        busy.receive()
    busy.send("abort", {"requestId": request})
    error = busy.response(request)["error"]
    assert (error["code"], error["data"]["partial"]["text"][: len(COUNTED)]) == (ABORTED, COUNTED)
    abort_and_check(busy, behind)


# ---- one of several --------------------------------------------------------------------------------


def test_of_one_of_two_streams_leaves_the_other_as_it_was(busy: Sidecar) -> None:
    params = {"contextId": "context-2", "prompt": COUNT, "maxTokens": 40, "temperature": 0, "ignoreEos": True}
    alone = busy.call("complete", params)["text"]
    for moment in moments(3, 0.4):
        stays, goes = busy.send("complete", params), send_endless(busy, "context-2")
        busy.wait_progress(stays, "generate")
        time.sleep(moment)
        busy.notify("$/cancelRequest", {"id": goes})
        assert busy.result(stays)["text"] == alone == busy.streamed(stays)
        assert_aborted(busy, goes)


@pytest.mark.slow
def test_of_a_long_prompt_while_a_stream_runs_leaves_the_stream_as_it_was(busy: Sidecar) -> None:
    """The abort stops a batch in which the stream's token was evaluated already."""
    params = {"contextId": "context-2", "prompt": COUNT, "maxTokens": 30, "temperature": 0, "ignoreEos": True}
    alone = busy.call("complete", params)["text"]
    for _ in range(2):
        stays = busy.send("complete", params)
        busy.wait_progress(stays, "generate")
        while not busy.has_response(stays):
            goes = send_long_prompt(busy, "context-2")
            busy.wait_progress(goes, "prompt")
            time.sleep(random.uniform(0, 0.12))
            busy.call("abort", {"requestId": goes})
            assert_aborted(busy, goes)
        assert busy.result(stays)["text"] == alone == busy.streamed(stays)


def test_of_a_member_of_a_batch_is_answered_within_the_batch(busy: Sidecar) -> None:
    endless = {"contextId": "context-1", "prompt": COUNT, "ignoreEos": True, "temperature": 0}
    batch = [
        {"jsonrpc": "2.0", "id": "endless", "method": "complete", "params": endless},
        {"jsonrpc": "2.0", "id": "ping", "method": "ping"},
    ]
    busy.send_line(json.dumps(batch))
    busy.wait_progress("endless", "generate")
    assert busy.call("abort", {"requestId": "endless"})["outcome"] == "aborted"
    arrays = [m for m in busy.messages if isinstance(m, list)]
    answer = arrays[0] if arrays else busy.wait_for(lambda m: isinstance(m, list))
    by_id = {member["id"]: member for member in answer}
    assert by_id["endless"]["error"]["data"]["partial"]["text"] == busy.streamed("endless")
    assert "result" in by_id["ping"]
    busy.messages.remove(answer)


def test_of_a_request_by_an_abort_in_the_same_batch(busy: Sidecar) -> None:
    endless = {"contextId": "context-1", "prompt": COUNT, "ignoreEos": True}
    batch = [
        {"jsonrpc": "2.0", "id": "one", "method": "complete", "params": endless},
        {"jsonrpc": "2.0", "id": "two", "method": "abort", "params": {"requestId": "one"}},
    ]
    busy.send_line(json.dumps(batch))
    answer = busy.wait_for(lambda m: isinstance(m, list))
    assert [member["id"] for member in answer] == ["one", "two"]
    assert answer[0]["error"]["code"] == ABORTED
    assert answer[1]["result"]["outcome"] == "aborted"
    busy.messages.remove(answer)


# ---- unknown ids, and twice ------------------------------------------------------------------


def test_twice_both_answers_say_that_it_was_aborted(busy: Sidecar) -> None:
    for _attempt in range(10):
        request = send_endless(busy)
        busy.wait_progress(request, "generate")
        aborts = [f"{request}-{i}" for i in range(2)]
        calls = [{"id": abort, "method": "abort", "params": {"requestId": request}} for abort in aborts]
        calls.append({"method": "$/cancelRequest", "params": {"id": request}})
        busy.write("".join(json.dumps({"jsonrpc": "2.0", **call}) + "\n" for call in calls).encode())
        first, second = (busy.result(abort)["outcome"] for abort in aborts)
        assert first == "aborted"
        assert_aborted(busy, request)
        if second == "aborted":
            return
        assert second == "notFound"  # it had ended before the second line was read
    pytest.fail("the second abort always came too late")


@pytest.mark.parametrize("unknown", [987654, "987654", "", -1, 10**30])
def test_of_an_unknown_id_says_so(busy: Sidecar, unknown: Any) -> None:
    assert busy.call("abort", {"requestId": unknown})["outcome"] == "notFound"
    busy.notify("$/cancelRequest", {"id": unknown})
    assert busy.call("ping")


def test_after_the_end_finds_nothing(busy: Sidecar) -> None:
    request = busy.send("complete", {"contextId": "context-1", "prompt": COUNT, "maxTokens": 2})
    busy.result(request)
    assert busy.call("abort", {"requestId": request})["outcome"] == "notFound"


def test_around_the_very_end_each_side_is_right(busy: Sidecar) -> None:
    params = {"contextId": "context-1", "prompt": COUNT, "maxTokens": 3, "temperature": 0}
    for moment in moments(12, 0.08):
        request = busy.send("complete", params)
        time.sleep(moment)
        outcome = busy.call("abort", {"requestId": request})["outcome"]
        response = busy.response(request)
        assert_silent_after_response(busy, request)
        if outcome == "aborted":
            assert response["error"]["code"] == ABORTED
        else:
            assert response["result"]["text"] == busy.streamed(request) == " 6,"
    assert count(busy) == COUNTED


def test_of_an_abort_and_of_itself(busy: Sidecar) -> None:
    assert busy.result(busy.send("abort", {"requestId": "self"}, "self"))["outcome"] == "notFound"
    request = send_endless(busy)
    busy.wait_progress(request, "generate")
    abort = busy.send("abort", {"requestId": request})
    of_abort = busy.send("abort", {"requestId": abort})
    assert busy.result(abort)["outcome"] == "aborted"
    assert busy.result(of_abort)["outcome"] in ("finished", "notFound")


def test_an_id_can_be_used_again_right_after_its_abort(busy: Sidecar) -> None:
    for _ in range(5):
        request = send_endless(busy)
        busy.wait_progress(request, "generate")
        busy.notify("$/cancelRequest", {"id": request})
        assert_aborted(busy, request)
        seen = len(busy.messages)
        busy.send("tokenize", {"modelId": "model-1", "text": "a"}, request)
        again = busy.wait_for(lambda m, i=request: m.get("id") == i)
        assert again["result"]["tokens"]
        del busy.messages[seen:]
