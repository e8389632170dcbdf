"""Batches, ids in use, and both forms of abort, while a request runs for a long time."""

from __future__ import annotations

import json
from typing import Any

import gguf_files
import pytest
from driver import Sidecar, same_id
from protocol_cases import ABORTED, INVALID_REQUEST, assert_pong, error_code, exchange

pytestmark = pytest.mark.process


def test_a_hundred_pings_in_a_batch_are_answered_in_one_array(shared: Sidecar) -> None:
    batch = [{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(100)]
    answers = exchange(shared, json.dumps(batch))
    assert sorted(answer["id"] for answer in answers) == list(range(100))
    for answer in answers:
        assert_pong(answer, answer["id"])


def test_a_batch_of_one_is_answered_with_an_array(shared: Sidecar) -> None:
    (answer,) = exchange(shared, '[{"jsonrpc": "2.0", "method": "ping", "id": 1}]')
    assert_pong(answer, 1)


def test_a_batch_may_be_empty_within_a_batch(shared: Sidecar) -> None:
    (answer,) = exchange(shared, "[[]]")
    assert error_code(answer, None) == INVALID_REQUEST


def test_an_enormous_batch_is_refused_as_one(shared: Sidecar) -> None:
    assert error_code(exchange(shared, "[" + "1," * 200_000 + "1]"), None) == INVALID_REQUEST


@pytest.fixture(scope="module")
def writer(shared: Sidecar, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A contextId of a model that writes without an end; the context has one sequence."""
    path = gguf_files.tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf")
    model = shared.call("loadModel", {"path": path})["modelId"]
    context: str = shared.call("createContext", {"modelId": model, "contextSize": 256})["contextId"]
    return context


def long_request(context: str, request_id: Any) -> dict[str, Any]:
    """A request that lasts until it is aborted."""
    endless = {"ignoreEos": True, "maxTokens": 10**9, "contextOverflow": "shift"}
    params = {"contextId": context, "prompt": "x", **endless}
    return {"jsonrpc": "2.0", "id": request_id, "method": "complete", "params": params}


def abort(target: Any, request_id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": "abort", "params": {"requestId": target}}


def batch_answers(sidecar: Sidecar) -> Any:
    """The answers to the batch of this case, which may have arrived already."""
    come = [message for message in sidecar.messages if isinstance(message, list)]
    return come[0] if come else sidecar.wait_for(lambda message: isinstance(message, list))


def test_a_request_can_be_aborted_within_its_batch(shared: Sidecar, writer: str) -> None:
    shared.send_line(json.dumps([long_request(writer, "long"), abort("long", "stop")]))
    answers = {answer["id"]: answer for answer in batch_answers(shared)}
    assert error_code(answers["long"], "long") == ABORTED
    assert answers["stop"]["result"]["outcome"] == "aborted"


def test_a_batch_waits_for_its_slowest_request_while_others_are_answered(
    shared: Sidecar, writer: str
) -> None:
    shared.send_line(
        json.dumps([long_request(writer, "slow"), {"jsonrpc": "2.0", "id": "quick", "method": "ping"}])
    )
    shared.wait_progress("slow", "generate")
    assert shared.call("ping")["uptimeMs"] > 0
    assert shared.call("abort", {"requestId": "slow"})["outcome"] == "aborted"
    answers = {answer["id"]: answer for answer in batch_answers(shared)}
    assert_pong(answers["quick"], "quick")
    assert error_code(answers["slow"], "slow") == ABORTED


def test_an_id_in_use_is_refused_and_the_first_request_continues(shared: Sidecar, writer: str) -> None:
    shared.send_line(json.dumps(long_request(writer, 77)))
    shared.wait_progress(77, "generate")
    shared.send("ping", request_id=77)
    refused = shared.wait_for(lambda m: "error" in m and m["id"] == 77)
    assert refused["error"]["code"] == INVALID_REQUEST
    assert refused["error"]["data"]["pointer"] == "/id"
    before = len(shared.messages)
    assert_pong(exchange_beside(shared, "77"), "77")  # the string is a different id from the number
    shared.notify("$/cancelRequest", {"id": "77"})
    shared.wait_progress(77, "generate")
    shared.notify("$/cancelRequest", {"id": 77})
    aborted = shared.wait_for(lambda m: "error" in m and m["id"] == 77)
    assert aborted["error"]["code"] == ABORTED
    assert len(shared.messages) > before


def exchange_beside(shared: Sidecar, request_id: Any) -> Any:
    """A ping while progress of another request may arrive."""
    shared.send("ping", request_id=request_id)
    return shared.wait_for(lambda m: isinstance(m, dict) and same_id(m, request_id))


def test_a_duplicate_within_a_batch_is_refused(shared: Sidecar, writer: str) -> None:
    shared.send_line(
        json.dumps([long_request(writer, "twice"), long_request(writer, "twice"), abort("twice", "end")])
    )
    answers = batch_answers(shared)
    codes = sorted(answer["error"]["code"] for answer in answers if answer["id"] == "twice")
    assert codes == [ABORTED, INVALID_REQUEST]
    assert len(answers) == 3


def test_an_abort_of_an_unknown_request_says_so(shared: Sidecar) -> None:
    for target in (123_456, "123456", "", 0, -1):
        assert shared.call("abort", {"requestId": target})["outcome"] == "notFound"


def test_an_abort_of_itself_is_answered(shared: Sidecar) -> None:
    shared.send_line(json.dumps(abort("self", "self")))
    assert shared.result("self")["outcome"] == "notFound"


def test_the_answer_to_an_abort_follows_that_of_its_request(shared: Sidecar, writer: str) -> None:
    shared.send_line(json.dumps(long_request(writer, "a")))
    shared.wait_progress("a", "generate")
    shared.send_line(json.dumps(abort("a", "b")))
    shared.response("b")
    order = [m["id"] for m in shared.messages if isinstance(m, dict) and m.get("id") in ("a", "b")]
    assert order == ["a", "b"]


def test_abort_and_cancel_of_a_request_that_waits_in_the_queue(shared: Sidecar, writer: str) -> None:
    shared.send_line(json.dumps(long_request(writer, "first")))
    shared.wait_progress("first", "generate")
    shared.send_line(json.dumps(long_request(writer, "queued")))
    shared.wait_progress("queued", "queue")
    assert shared.call("abort", {"requestId": "queued"})["outcome"] == "aborted"
    partial = shared.response("queued")["error"]["data"]["partial"]
    assert (partial["text"], partial["usage"]["completionTokens"]) == ("", 0)
    assert shared.call("abort", {"requestId": "first"})["outcome"] == "aborted"
    partial = shared.response("first")["error"]["data"]["partial"]
    assert partial["text"] == shared.streamed("first"), "what was streamed is what the partial result has"
