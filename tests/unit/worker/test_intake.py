"""The envelope of a message, by JSON-RPC 2.0."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from sidecar.worker.intake import Call, Refusal, read_line


def read(message: Any) -> Any:
    return read_line(json.dumps(message).encode())


def refusal(item: Any) -> Refusal:
    assert isinstance(item, Refusal)
    return item


def call(item: Any) -> Call:
    assert isinstance(item, Call)
    return item


REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.mark.parametrize("request_id", [0, 1, -1, 2**53 + 1, 10**100, "", "1", "é", "\ud800", "a" * 10_000])
def test_a_string_or_an_integer_is_an_id_and_is_kept_as_it_is(request_id: Any) -> None:
    item = call(read({**REQUEST, "id": request_id}))
    assert item.is_request
    assert item.request_id == request_id
    assert type(item.request_id) is type(request_id)


@pytest.mark.parametrize("request_id", [None, True, False, 1.0, 1.5, -0.0, [], [1], {}, {"a": 1}])
def test_anything_else_is_a_bad_id_and_answered_under_null(request_id: Any) -> None:
    item = refusal(read({**REQUEST, "id": request_id}))
    assert item.request_id is None
    assert item.error.kind == "invalidRequest"
    assert item.error.details["pointer"] == "/id"


def test_without_an_id_it_is_a_notification() -> None:
    item = call(read({"jsonrpc": "2.0", "method": "exit"}))
    assert not item.is_request
    assert item.request_id is None


@pytest.mark.parametrize("version", ["1.0", "2", 2, 2.0, None, "", ["2.0"], "2.0 "])
def test_a_wrong_version_is_reported_under_the_id(version: Any) -> None:
    item = refusal(read({**REQUEST, "jsonrpc": version}))
    assert item.request_id == 1
    assert item.error.details["pointer"] == "/jsonrpc"
    assert item.error.details["allowed"] == ["2.0"]


def test_a_missing_version_is_reported() -> None:
    assert refusal(read({"id": 1, "method": "ping"})).error.details["pointer"] == "/jsonrpc"


@pytest.mark.parametrize("method", [None, 1, True, [], {}])
def test_a_method_that_is_not_a_string_is_reported(method: Any) -> None:
    item = refusal(read({**REQUEST, "method": method}))
    assert (item.request_id, item.error.details["pointer"]) == (1, "/method")


@pytest.mark.parametrize("params", [1, 0, True, False, "", "x", 1.5])
def test_params_that_are_not_a_structure_are_reported(params: Any) -> None:
    item = refusal(read({**REQUEST, "params": params}))
    assert (item.request_id, item.error.details["pointer"]) == (1, "/params")


@pytest.mark.parametrize("params", [None, {}, [], [None], [{}]])
def test_no_params_come_in_five_forms(params: Any) -> None:
    assert call(read({**REQUEST, "params": params})).params == {}


def test_params_wrapped_in_an_array_are_unwrapped() -> None:
    assert call(read({**REQUEST, "params": [{"a": 1}]})).params == {"a": 1}


@pytest.mark.parametrize("params", [[1, 2], [{}, {}], [[1, 2]], [0], [False], [""]])
def test_other_arrays_are_left_for_the_schema_to_refuse(params: list[Any]) -> None:
    assert call(read({**REQUEST, "params": params})).params not in ({}, None)


@pytest.mark.parametrize("message", [1, 0, "x", True, False, None, 1.5])
def test_a_message_that_is_not_an_object_is_an_invalid_request(message: Any) -> None:
    item = refusal(read(message))
    assert (item.request_id, item.error.kind) == (None, "invalidRequest")


@pytest.mark.parametrize("member", [{"result": 1}, {"result": None}, {"error": {"code": 1, "message": ""}}])
def test_a_response_is_not_a_request(member: dict[str, Any]) -> None:
    assert refusal(read({"jsonrpc": "2.0", "id": 5, **member})).error.kind == "invalidRequest"


def test_an_empty_batch_is_one_refusal_and_not_a_list() -> None:
    assert refusal(read([])).error.kind == "invalidRequest"


def test_a_batch_is_a_list_in_order() -> None:
    items = read([REQUEST, 1, {"jsonrpc": "2.0", "method": "exit"}, []])
    assert [type(item) for item in items] == [Call, Refusal, Call, Refusal]


def test_a_batch_that_would_be_answered_with_hundreds_of_megabytes_is_one_refusal() -> None:
    item = refusal(read_line(b"[" + b"1," * 100_000 + b"1]"))
    assert item.error.kind == "invalidRequest"
    assert item.error.details["allowed"] == {"maxItems": 1024}
    assert len(read_line(b"[" + b"1," * 1023 + b"1]")) == 1024  # type: ignore[arg-type]


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b"NaN", b"[" * 100_000, b"9" * 5000])
def test_what_is_not_json_is_a_parse_error_under_null(line: bytes) -> None:
    item = refusal(read_line(line))
    assert (item.request_id, item.error.kind) == (None, "parseError")


@pytest.mark.parametrize(
    "opening", ["[", '{"a":', '{"jsonrpc":"2.0","id":', '{"jsonrpc":"2.0","id":1,"method":']
)
def test_nesting_of_any_depth_is_answered(opening: str) -> None:
    # Between "parses" and "too deep to parse" lie depths that parse but cannot be printed again.
    for depth in range(100, 1100):
        closing = {"[": "]", "{": "}"}[opening[0]]
        inner = "[" * depth + "]" * depth
        line = f"{opening}{inner}{closing}".encode()
        item = read_line(line)
        items = item if isinstance(item, list) else [item]
        for each in items:
            assert isinstance(each, Refusal)
            json.dumps(each.error.to_wire())


def test_params_that_could_be_read_can_be_written_again() -> None:
    for depth in range(200, 260):
        line = f'{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"a":{"[" * depth}{"]" * depth}}}}}'
        item = read_line(line.encode())
        if isinstance(item, Call):
            json.dumps(item.message)
            str(item.params)


def test_a_long_wrong_value_is_shortened() -> None:
    item = refusal(read({**REQUEST, "id": ["x" * 100_000]}))
    assert len(json.dumps(item.error.to_wire())) < 2000


def test_objects_at_random_are_calls_or_refusals() -> None:
    chance = random.Random(11)
    values: list[Any] = ["2.0", 1, "ping", {}, [], None, True, 1.5, "", {"a": [{}]}, -1]
    names = ["jsonrpc", "id", "method", "params", "result", "error", "x"]
    kinds = set()
    for _ in range(3000):
        message = {name: chance.choice(values) for name in chance.sample(names, chance.randrange(7))}
        if chance.random() < 0.7:
            message |= {"jsonrpc": "2.0"}
        item = read(message)
        kinds.add(type(item))
        if isinstance(item, Refusal):
            json.dumps(item.error.to_wire(), allow_nan=False)
    assert kinds == {Call, Refusal}
