"""JSON-RPC 2.0, case by case, against the real program. No model is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from driver import Sidecar
from protocol_cases import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    assert_pong,
    error_code,
    exchange,
)

pytestmark = pytest.mark.process

SCHEMA = Path(__file__).resolve().parents[2] / "schema"

PING = '{"jsonrpc": "2.0", "method": "ping", "id": %s}'


# ---- the examples of the specification, with methods that exist here ------------------------------------


def test_example_call_with_positional_params(shared: Sidecar) -> None:
    # Params are by name here; an array of two is refused.
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
def test_a_bad_id_is_answered_under_the_id_null(shared: Sidecar, request_id: str) -> None:
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
def test_an_unknown_method_gets_the_list_of_methods(shared: Sidecar, method: str) -> None:
    answer = exchange(shared, json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}))
    assert error_code(answer, 1) == METHOD_NOT_FOUND
    data = answer["error"]["data"]
    assert data["value"] == method
    requests = json.loads((SCHEMA / "methods.json").read_text(encoding="utf-8"))["requests"]
    assert data["allowed"] == sorted(requests)


def test_an_unknown_method_is_reported_before_its_params(shared: Sidecar) -> None:
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
def test_params_that_are_not_a_structure_are_an_invalid_request(shared: Sidecar, params: str) -> None:
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
def test_a_broken_envelope_is_answered_under_its_id(shared: Sidecar, line: str) -> None:
    assert error_code(exchange(shared, line), 7) == INVALID_REQUEST


@pytest.mark.parametrize("line", ["1", '"x"', "null", "true", "1.5", "{}", '{"jsonrpc": "2.0"}'])
def test_a_message_that_is_not_a_request_is_answered_under_null(shared: Sidecar, line: str) -> None:
    assert error_code(exchange(shared, line), None) == INVALID_REQUEST


def test_unknown_members_are_ignored(shared: Sidecar) -> None:
    assert_pong(exchange(shared, '{"jsonrpc": "2.0", "id": 1, "method": "ping", "extra": [1]}'), 1)
