"""Exactly one response a request, whatever happens."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from sidecar.message_handler.errors import SidecarError
from sidecar.worker.ledger import MAX_OPEN_REQUESTS, Batch, Ledger, Request


class Sink:
    """Stands for the writer."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, line: bytes) -> None:
        assert line.endswith(b"\n")
        self.sent.append(json.loads(line))


class Rig:
    def __init__(self) -> None:
        self.sink = Sink()
        self.ledger = Ledger(self.sink, threading.RLock())  # type: ignore[arg-type]

    def open(self, request_id: Any, batch: Batch | None = None) -> Request:
        request = Request(request_id, "ping", {}, b"", batch)
        self.ledger.open(request)
        return request


@pytest.fixture
def rig() -> Rig:
    return Rig()


ABORTED = SidecarError("aborted", "It was aborted").to_wire()


def test_the_first_answer_wins_and_later_ones_do_nothing(rig: Rig) -> None:
    request = rig.open(1)
    rig.ledger.answer(request, {"a": 1})
    rig.ledger.answer(request, {"a": 2})
    rig.ledger.fail(request, ABORTED)
    rig.ledger.forward(request, {"jsonrpc": "2.0", "id": 1, "result": 3})
    assert rig.sink.sent == [{"jsonrpc": "2.0", "id": 1, "result": {"a": 1}}]


def test_many_threads_that_answer_at_once_make_one_response(rig: Rig) -> None:
    request = rig.open(1)
    go = threading.Barrier(16)

    def answer(number: int) -> None:
        go.wait()
        rig.ledger.answer(request, number)

    threads = [threading.Thread(target=answer, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rig.sink.sent) == 1


def test_an_id_in_use_is_refused_and_free_again_afterwards(rig: Rig) -> None:
    first = rig.open("a")
    with pytest.raises(SidecarError) as caught:
        rig.open("a")
    assert caught.value.kind == "invalidRequest"
    assert caught.value.details["pointer"] == "/id"
    rig.ledger.answer(first, None)
    rig.open("a")


def test_a_late_answer_does_not_close_the_next_request_of_the_same_id(rig: Rig) -> None:
    first = rig.open(1)
    rig.ledger.answer(first, "first")
    second = rig.open(1)
    rig.ledger.fail(first, ABORTED)
    assert rig.ledger.is_open(second)
    rig.ledger.answer(second, "second")
    assert [m["result"] for m in rig.sink.sent] == ["first", "second"]


def test_1_and_the_text_1_are_two_ids(rig: Rig) -> None:
    number, text = rig.open(1), rig.open("1")
    assert rig.ledger.find(1) is number
    assert rig.ledger.find("1") is text
    rig.ledger.answer(text, None)
    assert rig.ledger.find(1) is number
    assert rig.sink.sent[0]["id"] == "1"


def test_an_answer_that_cannot_be_written_leaves_the_request_to_be_failed(rig: Rig) -> None:
    request = rig.open(1)
    with pytest.raises(ValueError, match="JSON"):
        rig.ledger.answer(request, float("nan"))
    rig.ledger.fail(request, ABORTED)
    assert [m["error"]["code"] for m in rig.sink.sent] == [-32800]


def test_a_batch_leaves_as_one_array_when_its_last_answer_is_there(rig: Rig) -> None:
    batch = Batch(3)
    first, second = rig.open(1, batch), rig.open(2, batch)
    rig.ledger.answer(second, "b")
    rig.ledger.send(b'{"jsonrpc":"2.0","id":null}\n', batch)
    assert rig.sink.sent == []
    rig.ledger.answer(first, "a")
    (array,) = rig.sink.sent
    assert [m["id"] for m in array] == [2, None, 1]


def test_a_batch_takes_lines_that_are_there_already(rig: Rig) -> None:
    batch = Batch(2)
    first, second = rig.open(1, batch), rig.open(2, batch)
    message = {"jsonrpc": "2.0", "id": 1, "result": None}
    rig.ledger.forward(first, message, json.dumps(message).encode() + b"\n")
    rig.ledger.answer(second, None)
    assert rig.sink.sent == [[message, {**message, "id": 2}]]


@pytest.mark.parametrize(("error", "outcome"), [(ABORTED, "aborted"), (None, "finished")])
def test_abort_is_answered_after_its_request_with_what_became_of_it(
    rig: Rig, error: Any, outcome: str
) -> None:
    target, abort = rig.open(1), rig.open(2)
    target.aborts.append((abort, abort.received))
    if error:
        rig.ledger.fail(target, error)
    else:
        rig.ledger.answer(target, None)
    assert [m["id"] for m in rig.sink.sent] == [1, 2]
    assert rig.sink.sent[1]["result"]["outcome"] == outcome
    assert rig.sink.sent[1]["result"]["tookMs"] >= 0


def test_another_error_than_aborted_counts_as_finished(rig: Rig) -> None:
    target, abort = rig.open(1), rig.open(2)
    target.aborts.append((abort, abort.received))
    rig.ledger.fail(target, SidecarError("engineCrashed", "It died").to_wire())
    assert rig.sink.sent[1]["result"]["outcome"] == "finished"


def test_two_aborts_of_one_request_are_both_answered(rig: Rig) -> None:
    target, first, second = rig.open(1), rig.open(2), rig.open(3)
    target.aborts += [(first, first.received), (second, second.received)]
    rig.ledger.fail(target, ABORTED)
    assert [m["id"] for m in rig.sink.sent] == [1, 2, 3]
    assert rig.ledger.all() == []


def test_too_many_open_requests_are_refused_as_retryable(rig: Rig) -> None:
    requests = [rig.open(n) for n in range(MAX_OPEN_REQUESTS)]
    with pytest.raises(SidecarError) as caught:
        rig.open(-1)
    assert caught.value.kind == "overloaded"
    assert caught.value.to_wire()["data"]["retryable"] is True
    rig.ledger.answer(requests[0], None)
    rig.open(-1)


def test_waiting_for_requests_to_close_ends_with_the_last_of_them(rig: Rig) -> None:
    requests = [rig.open(n) for n in range(3)]
    assert not rig.ledger.wait_closed(requests, 0)
    waiter: list[bool] = []
    thread = threading.Thread(target=lambda: waiter.append(rig.ledger.wait_closed(None, 30)))
    thread.start()
    for request in requests:
        rig.ledger.answer(request, None)
    thread.join(30)
    assert waiter == [True]
    assert rig.ledger.wait_closed(requests, 0)


def test_requests_are_listed_oldest_first(rig: Rig) -> None:
    requests = [rig.open(n) for n in (5, "a", 0, "")]
    assert rig.ledger.all() == requests
