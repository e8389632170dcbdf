"""JSON-RPC 2.0, case by case, against the real program. No model is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf_files
import pytest
from driver import Sidecar, same_id

pytestmark = pytest.mark.process

SCHEMA = Path(__file__).resolve().parents[2] / "schema"
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, ABORTED = (
    -32700,
    -32600,
    -32601,
    -32602,
    -32800,
)


@pytest.fixture(scope="module")
def shared(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """One program for the whole module, so that every case also shows that the cases before did no harm."""
    sidecar = Sidecar(program, stderr=tmp_path_factory.mktemp("jsonrpc") / "stderr.txt")
    yield sidecar
    log = sidecar.log()
    sidecar.end()
    assert "Traceback" not in log


@pytest.fixture(autouse=True)
def _forget(shared: Sidecar) -> None:
    """Cases use the same ids again and again."""
    shared.messages.clear()


def exchange(sidecar: Sidecar, line: str | bytes) -> Any:
    """Send a line; return what it is answered with, or None if that is nothing."""
    sidecar.write((line if isinstance(line, bytes) else line.encode()) + b"\n")
    sidecar.send("ping", request_id="behind it")
    answer = sidecar.receive()
    if isinstance(answer, dict) and same_id(answer, "behind it"):
        return None
    after = sidecar.receive()
    assert same_id(after, "behind it"), f"more than one answer: {after}"
    assert "result" in after
    return answer


def error_code(answer: Any, request_id: Any) -> int:
    """The code of an error response, whose form is checked."""
    assert answer.keys() == {"jsonrpc", "id", "error"}
    assert answer["jsonrpc"] == "2.0"
    assert same_id(answer, request_id), answer
    error = answer["error"]
    assert error.keys() == {"code", "message", "data"}
    assert error["data"].keys() >= {"kind", "retryable", "remedy"}
    code: int = error["code"]
    return code


def assert_pong(answer: Any, request_id: Any) -> None:
    assert answer.keys() == {"jsonrpc", "id", "result"}
    assert answer["jsonrpc"] == "2.0"
    assert same_id(answer, request_id), answer
    assert answer["result"]["uptimeMs"] > 0


PING = '{"jsonrpc": "2.0", "method": "ping", "id": %s}'


# ---- the examples of the specification, with methods that exist here ------------------------------------


def test_example_call_with_positional_params(shared: Sidecar) -> None:
    # Params are by name here; an array of two is told to be wrong.
    answer = exchange(shared, '{"jsonrpc": "2.0", "method": "ping", "params": [42, 23], "id": 1}')
    assert error_code(answer, 1) == INVALID_PARAMS


def test_example_call_with_named_params(shared: Sidecar) -> None:
    line = '{"jsonrpc": "2.0", "method": "abort", "params": {"requestId": 42}, "id": 3}'
    answer = exchange(shared, line)
    assert answer["id"] == 3
    assert answer["result"]["outcome"] == "notFound"


@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}',
        '{"jsonrpc": "2.0", "method": "foobar"}',
    ],
)
def test_example_notification(shared: Sidecar, line: str) -> None:
    assert exchange(shared, line) is None


def test_example_call_of_a_method_that_does_not_exist(shared: Sidecar) -> None:
    answer = exchange(shared, '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}')
    assert error_code(answer, "1") == METHOD_NOT_FOUND
    assert "ping" in answer["error"]["data"]["allowed"]


def test_example_call_with_invalid_json(shared: Sidecar) -> None:
    answer = exchange(shared, '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]')
    assert error_code(answer, None) == PARSE_ERROR


def test_example_call_with_an_invalid_request(shared: Sidecar) -> None:
    answer = exchange(shared, '{"jsonrpc": "2.0", "method": 1, "params": "bar"}')
    assert error_code(answer, None) == INVALID_REQUEST


def test_example_batch_with_invalid_json(shared: Sidecar) -> None:
    line = '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]'
    assert error_code(exchange(shared, line), None) == PARSE_ERROR


def test_example_empty_batch(shared: Sidecar) -> None:
    assert error_code(exchange(shared, "[]"), None) == INVALID_REQUEST


@pytest.mark.parametrize("count", [1, 3])
def test_example_invalid_batch(shared: Sidecar, count: int) -> None:
    answers = exchange(shared, json.dumps([1, 2, 3][:count]))
    assert [error_code(answer, None) for answer in answers] == [INVALID_REQUEST] * count


def test_example_mixed_batch(shared: Sidecar) -> None:
    line = """[{"jsonrpc": "2.0", "method": "ping", "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "abort", "params": {"requestId": 5}, "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "status", "id": "9"}]"""
    answers = exchange(shared, line.replace("\n", " "))
    by_id = {answer["id"]: answer for answer in answers}
    assert len(answers) == len(by_id) == 5
    assert_pong(by_id["1"], "1")
    assert by_id["2"]["result"]["outcome"] == "notFound"
    assert error_code(by_id[None], None) == INVALID_REQUEST
    assert error_code(by_id["5"], "5") == METHOD_NOT_FOUND
    assert by_id["9"]["result"]["models"] == []


def test_example_batch_of_notifications_only(shared: Sidecar) -> None:
    line = '[{"jsonrpc": "2.0", "method": "a", "params": [1,2,4]}, {"jsonrpc": "2.0", "method": "b"}]'
    assert exchange(shared, line) is None


# ---- ids ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", ['0', '""', '-1', '1', '"1"', '9007199254740993', '-0', '"\\u0000"',
                                        '1' + '0' * 300, '"é😀\u2028"', '"\\ud800"', '"' + 'x' * 10_000 + '"'],
                         ids=lambda text: ascii(text[:12]))  # fmt: skip
def test_an_id_comes_back_as_it_was_sent(shared: Sidecar, request_id: str) -> None:
    assert_pong(exchange(shared, PING % request_id), json.loads(request_id))


@pytest.mark.parametrize(
    "request_id", ["null", "true", "false", "1.5", "1.0", "1e3", "{}", "[]", '{"a": 1}', "[1]"]
)
def test_a_bad_id_is_told_under_the_id_null(shared: Sidecar, request_id: str) -> None:
    answer = exchange(shared, PING % request_id)
    assert error_code(answer, None) == INVALID_REQUEST
    assert answer["error"]["data"]["pointer"] == "/id"


# ---- notifications --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        {"method": "ping"},
        {"method": "nothing"},
        {"method": "loadModel", "params": {"path": "x"}},
        {"method": "$/setTrace", "params": {"value": "off"}},
        {"method": "rpc.unknown"},
        {"method": "progress", "params": {}},
        {"method": "$/cancelRequest"},
        {"method": "$/cancelRequest", "params": {"id": 12345}},
        {"method": "$/cancelRequest", "params": {"id": None}},
        {"method": "$/cancelRequest", "params": {"id": {"a": [1]}}},
        {"method": "$/cancelRequest", "params": {"id": True}},
        {"method": "$/cancelRequest", "params": [{"id": 12345}]},
        {"method": "$/cancelRequest", "params": [1, 2]},
        {"method": "$/cancelRequest", "params": ["x"]},
        {"method": "$/cancelRequest", "params": [0]},
        {"method": "$/cancelRequest", "params": []},
    ],
    ids=json.dumps,
)
def test_a_notification_is_not_answered(shared: Sidecar, message: dict[str, Any]) -> None:
    assert exchange(shared, json.dumps({"jsonrpc": "2.0", **message})) is None


# ---- methods --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["rpc.unknown", "", "Ping", "ping ", "exit", "$/cancelRequest", "progress", "\ud800"]
)
def test_an_unknown_method_is_told_with_those_that_there_are(shared: Sidecar, method: str) -> None:
    answer = exchange(shared, json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}))
    assert error_code(answer, 1) == METHOD_NOT_FOUND
    data = answer["error"]["data"]
    assert data["value"] == method
    requests = json.loads((SCHEMA / "methods.json").read_text(encoding="utf-8"))["requests"]
    assert data["allowed"] == sorted(requests)


def test_an_unknown_method_is_told_before_its_params(shared: Sidecar) -> None:
    line = '{"jsonrpc": "2.0", "id": 1, "method": "nothing", "params": [1, 2]}'
    assert error_code(exchange(shared, line), 1) == METHOD_NOT_FOUND


def test_discover_returns_the_document_made_from_the_schema(shared: Sidecar) -> None:
    document = shared.call("rpc.discover")
    openrpc = Path(__file__).resolve().parents[2] / "sidecar" / "message_handler" / "openrpc.json"
    assert document == json.loads(openrpc.read_text(encoding="utf-8"))


# ---- params ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", ["{}", "[]", "null", "[null]", "[{}]"])
def test_no_params_come_in_several_forms(shared: Sidecar, params: str) -> None:
    assert_pong(exchange(shared, f'{{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {params}}}'), 1)


def test_params_may_be_wrapped_in_an_array(shared: Sidecar) -> None:
    line = '{"jsonrpc": "2.0", "id": 1, "method": "abort", "params": [{"requestId": "none"}]}'
    assert exchange(shared, line)["result"]["outcome"] == "notFound"


@pytest.mark.parametrize(
    "params", ["[1]", '["x"]', "[1, 2]", "[[]]", "[[1, 2]]", "[false]", "[0]", "[{}, {}]"]
)
def test_other_arrays_break_the_schema(shared: Sidecar, params: str) -> None:
    line = f'{{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {params}}}'
    answer = exchange(shared, line)
    assert error_code(answer, 1) == INVALID_PARAMS
    assert answer["error"]["data"]["pointer"] == ""


@pytest.mark.parametrize("params", ["1", '"x"', "true", "1.5"])
def test_params_that_are_no_structure_are_an_invalid_request(shared: Sidecar, params: str) -> None:
    line = f'{{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {params}}}'
    assert error_code(exchange(shared, line), 1) == INVALID_REQUEST


# ---- envelopes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        '{"id": 7, "method": "ping"}',
        '{"jsonrpc": "1.0", "id": 7, "method": "ping"}',
        '{"jsonrpc": 2.0, "id": 7, "method": "ping"}',
        '{"jsonrpc": null, "id": 7, "method": "ping"}',
        '{"jsonrpc": "2.0", "id": 7}',
        '{"jsonrpc": "2.0", "id": 7, "method": null}',
        '{"jsonrpc": "2.0", "id": 7, "method": ["ping"]}',
        '{"jsonrpc": "2.0", "id": 7, "result": null}',
        '{"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": "x"}}',
    ],
)
def test_a_broken_envelope_is_told_under_its_id(shared: Sidecar, line: str) -> None:
    assert error_code(exchange(shared, line), 7) == INVALID_REQUEST


@pytest.mark.parametrize("line", ["1", '"x"', "null", "true", "1.5", "{}", '{"jsonrpc": "2.0"}'])
def test_a_message_that_is_no_request_is_told_under_null(shared: Sidecar, line: str) -> None:
    assert error_code(exchange(shared, line), None) == INVALID_REQUEST


def test_members_that_nobody_knows_are_ignored(shared: Sidecar) -> None:
    assert_pong(exchange(shared, '{"jsonrpc": "2.0", "id": 1, "method": "ping", "extra": [1]}'), 1)


# ---- batches --------------------------------------------------------------------------------------------


def test_a_hundred_pings_in_a_batch_are_answered_in_one_array(shared: Sidecar) -> None:
    batch = [{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(100)]
    answers = exchange(shared, json.dumps(batch))
    assert sorted(answer["id"] for answer in answers) == list(range(100))
    for answer in answers:
        assert_pong(answer, answer["id"])


def test_a_batch_of_one_is_answered_with_an_array(shared: Sidecar) -> None:
    (answer,) = exchange(shared, "[" + PING % 1 + "]")
    assert_pong(answer, 1)


def test_a_batch_may_be_empty_within_a_batch(shared: Sidecar) -> None:
    (answer,) = exchange(shared, "[[]]")
    assert error_code(answer, None) == INVALID_REQUEST


def test_an_enormous_batch_is_refused_as_one(shared: Sidecar) -> None:
    assert error_code(exchange(shared, "[" + "1," * 200_000 + "1]"), None) == INVALID_REQUEST


@pytest.fixture(scope="module")
def tiny(shared: Sidecar, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A contextId of a model that writes for a long time; the context has one sequence."""
    path = gguf_files.tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf")
    model = shared.call("loadModel", {"path": path})["modelId"]
    context: str = shared.call("createContext", {"modelId": model, "contextSize": 4096})["contextId"]
    return context


def long_request(context: str, request_id: Any) -> dict[str, Any]:
    """A request that ends only when the context is full, thousands of steps later."""
    params = {"contextId": context, "prompt": "x", "ignoreEos": True}
    return {"jsonrpc": "2.0", "id": request_id, "method": "complete", "params": params}


def abort(target: Any, request_id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": "abort", "params": {"requestId": target}}


def batch_answers(sidecar: Sidecar) -> Any:
    """The answers to the batch of this case, which may have come already."""
    come = [message for message in sidecar.messages if isinstance(message, list)]
    return come[0] if come else sidecar.wait_for(lambda message: isinstance(message, list))


def test_a_request_can_be_aborted_within_its_batch(shared: Sidecar, tiny: str) -> None:
    shared.send_line(json.dumps([long_request(tiny, "long"), abort("long", "stop")]))
    answers = {answer["id"]: answer for answer in batch_answers(shared)}
    assert error_code(answers["long"], "long") == ABORTED
    assert answers["stop"]["result"]["outcome"] == "aborted"


def test_a_batch_waits_for_its_slowest_request_while_others_are_answered(shared: Sidecar, tiny: str) -> None:
    shared.send_line(
        json.dumps([long_request(tiny, "slow"), {"jsonrpc": "2.0", "id": "quick", "method": "ping"}])
    )
    shared.wait_progress("slow", "generate")
    assert shared.call("ping")["uptimeMs"] > 0
    assert shared.call("abort", {"requestId": "slow"})["outcome"] == "aborted"
    answers = {answer["id"]: answer for answer in batch_answers(shared)}
    assert_pong(answers["quick"], "quick")
    assert error_code(answers["slow"], "slow") == ABORTED


def test_an_id_that_is_in_use_is_refused_and_the_first_request_goes_on(shared: Sidecar, tiny: str) -> None:
    shared.send_line(json.dumps(long_request(tiny, 77)))
    shared.wait_progress(77, "generate")
    shared.send("ping", request_id=77)
    refused = shared.wait_for(lambda m: "error" in m and m["id"] == 77)
    assert refused["error"]["code"] == INVALID_REQUEST
    assert refused["error"]["data"]["pointer"] == "/id"
    before = len(shared.messages)
    assert_pong(exchange_beside(shared, "77"), "77")  # the text is another id than the number
    shared.notify("$/cancelRequest", {"id": "77"})
    shared.wait_progress(77, "generate")
    shared.notify("$/cancelRequest", {"id": 77})
    aborted = shared.wait_for(lambda m: "error" in m and m["id"] == 77)
    assert aborted["error"]["code"] == ABORTED
    assert len(shared.messages) > before


def exchange_beside(shared: Sidecar, request_id: Any) -> Any:
    """A ping while progress of something else may come."""
    shared.send("ping", request_id=request_id)
    return shared.wait_for(lambda m: isinstance(m, dict) and same_id(m, request_id))


def test_a_duplicate_within_a_batch_is_refused(shared: Sidecar, tiny: str) -> None:
    shared.send_line(
        json.dumps([long_request(tiny, "twice"), long_request(tiny, "twice"), abort("twice", "end")])
    )
    answers = batch_answers(shared)
    codes = sorted(answer["error"]["code"] for answer in answers if answer["id"] == "twice")
    assert codes == [ABORTED, INVALID_REQUEST]
    assert len(answers) == 3


def test_what_cannot_be_aborted_is_told(shared: Sidecar) -> None:
    for target in (123_456, "123456", "", 0, -1):
        assert shared.call("abort", {"requestId": target})["outcome"] == "notFound"


def test_an_abort_that_aims_at_itself_is_answered(shared: Sidecar) -> None:
    shared.send_line(json.dumps(abort("self", "self")))
    assert shared.result("self")["outcome"] == "notFound"


def test_the_answer_to_an_abort_follows_that_of_its_request(shared: Sidecar, tiny: str) -> None:
    shared.send_line(json.dumps(long_request(tiny, "a")))
    shared.wait_progress("a", "generate")
    shared.send_line(json.dumps(abort("a", "b")))
    shared.response("b")
    order = [m["id"] for m in shared.messages if isinstance(m, dict) and m.get("id") in ("a", "b")]
    assert order == ["a", "b"]


def test_abort_and_cancel_of_a_request_that_waits_in_the_queue(shared: Sidecar, tiny: str) -> None:
    shared.send_line(json.dumps(long_request(tiny, "first")))
    shared.wait_progress("first", "generate")
    shared.send_line(json.dumps(long_request(tiny, "queued")))
    shared.wait_progress("queued", "queue")
    assert shared.call("abort", {"requestId": "queued"})["outcome"] == "aborted"
    partial = shared.response("queued")["error"]["data"]["partial"]
    assert (partial["text"], partial["usage"]["completionTokens"]) == ("", 0)
    assert shared.call("abort", {"requestId": "first"})["outcome"] == "aborted"
    partial = shared.response("first")["error"]["data"]["partial"]
    assert partial["text"] == shared.streamed("first"), "what was streamed is what the partial result has"
