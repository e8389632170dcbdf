"""The writer's queue, and what happens while the other side does not read."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.message_handler.notifier import progress_key
from sidecar.message_handler.writer import MAX_PENDING_INFO, ROOM_BYTES, Writer

BOUND_S = 30.0
"""Only to prevent a hanging test."""

PIPE_BYTES = 1024 * 1024
"""More than a pipe can hold."""


class Pipe:
    """A writer on a pipe that is read only when the test says so."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.broken = threading.Event()
        self.broken_calls = 0
        self.writer = Writer(self.write_end, self._on_broken)

    def _on_broken(self) -> None:
        self.broken_calls += 1
        self.broken.set()

    def fill(self) -> int:
        """Send responses until the writer's thread is stuck; returns how many bytes."""
        line = b'"' + b"x" * (PIPE_BYTES - 3) + b'"\n'
        self.writer.send(line)
        deadline = time.monotonic() + BOUND_S
        while self.writer.waiting_bytes and time.monotonic() < deadline:
            os.sched_yield() if hasattr(os, "sched_yield") else None
        return len(line)

    def rest(self) -> None:
        """Wait until the writer's thread waits for something to write."""
        deadline = time.monotonic() + BOUND_S
        while not self.writer._changed._waiters:  # type: ignore[attr-defined]
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def read_lines(self, last: bytes) -> list[bytes]:
        """Read until the line `last` has come."""
        data = b""
        while not data.endswith(last):
            data += os.read(self.read_end, 1 << 20)
        return data.splitlines(keepends=True)

    def messages(self) -> list[Any]:
        self.writer.send(b'"end"\n')
        return [json.loads(line) for line in self.read_lines(b'"end"\n')[:-1]]

    def close_reader(self) -> None:
        if self.read_end >= 0:
            os.close(self.read_end)
            self.read_end = -1


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close_reader()  # frees a thread that is blocked in a write
    pipe.writer.send(b"0\n")
    assert pipe.broken.wait(BOUND_S)
    os.close(pipe.write_end)


def progress(
    request_id: Any, delta: str | None = None, kind: str = "generate", **more: Any
) -> dict[str, Any]:
    params = {"requestId": request_id, "progressType": kind, **more}
    if delta is not None:
        params |= {"delta": delta, "segment": "text"}
    return {"jsonrpc": "2.0", "method": "progress", "params": params}


def put(pipe: Pipe, message: dict[str, Any], **options: Any) -> None:
    pipe.writer.progress(progress_key(message["params"]), message, **options)


def test_lines_are_written_in_order(pipe: Pipe) -> None:
    for number in range(500):
        pipe.writer.send(b"%d\n" % number)
    assert pipe.messages() == list(range(500))


def test_deltas_of_one_request_are_joined_while_they_wait(pipe: Pipe) -> None:
    pipe.fill()
    for number in range(1000):
        put(pipe, progress(1, f"<{number}>", completionTokens=number, progress=number / 1000))
    _, only = pipe.messages()
    assert only["params"]["delta"] == "".join(f"<{n}>" for n in range(1000))
    assert only["params"]["completionTokens"] == 999, "the newest of everything else"
    assert only["params"]["progress"] == 0.999


def test_logprobs_are_joined_with_their_deltas(pipe: Pipe) -> None:
    pipe.fill()
    for number in range(3):
        put(pipe, progress(1, str(number), logprobs=[number]))
    _, only = pipe.messages()
    assert only["params"]["delta"] == "012"
    assert only["params"]["logprobs"] == [0, 1, 2]


def test_encoded_lines_merge_too(pipe: Pipe) -> None:
    pipe.fill()
    for delta in "é😀x":
        message = progress(1, delta)
        put(pipe, message, line=json.dumps(message).encode() + b"\n")
    assert [m["params"]["delta"] for m in pipe.messages()[1:]] == ["é😀x"]


def test_only_the_same_request_type_and_segment_merge(pipe: Pipe) -> None:
    pipe.fill()
    for request_id in (1, "1", 2):
        put(pipe, progress(request_id, "a"))
        put(pipe, progress(request_id, kind="prompt", progress=0.5))
    put(pipe, progress(1, "b"))
    put(pipe, progress("1", kind="prompt", progress=1))
    written = [(m["params"]["requestId"], m["params"].get("delta")) for m in pipe.messages()[1:]]
    assert written == [(1, "ab"), (1, None), ("1", "a"), ("1", None), (2, "a"), (2, None)]


def test_a_response_follows_the_text_that_came_before_it(pipe: Pipe) -> None:
    pipe.fill()
    put(pipe, progress(1, "a"), wake=False)
    put(pipe, progress(1, "b"), wake=False)
    pipe.writer.send(b'{"id":1,"result":"ab"}\n')
    assert [m.get("params", m).get("delta", "response") for m in pipe.messages()[1:]] == ["ab", "response"]


def test_text_of_a_later_request_does_not_join_that_of_an_earlier_one_of_the_same_id(pipe: Pipe) -> None:
    pipe.fill()
    put(pipe, progress(1, "first"))
    pipe.writer.send(b'{"id":1,"result":"first"}\n')
    put(pipe, progress(1, "second"))
    assert [m.get("params", {}).get("delta") for m in pipe.messages()[1:]] == ["first", None, "second"]


def test_messages_queued_without_waking_are_written_with_the_next_that_wakes(pipe: Pipe) -> None:
    pipe.rest()
    put(pipe, progress(1, "a"), wake=False)
    put(pipe, progress(2, "b"), wake=False)
    pipe.writer.wake()
    lines = pipe.read_lines(b"}\n")
    assert len(lines) == 2, "two streams of a step should leave in one write"


def test_memory_is_bounded_and_nothing_is_lost_without_a_reader(pipe: Pipe) -> None:
    pipe.fill()
    sent = ""
    for number in range(50_000):
        if not pipe.writer.has_room():
            break
        delta = f"{number} "
        sent += delta
        put(pipe, progress(1, delta))
        pipe.writer.send(b'{"id":%d,"result":null}\n' % number) if number % 100 == 0 else None
    assert not pipe.writer.has_room(), "a producer would never have had to pause"
    assert pipe.writer.waiting_bytes < ROOM_BYTES + 1000
    messages = pipe.messages()[1:]
    assert "".join(m["params"]["delta"] for m in messages if "params" in m) == sent
    responses = [m["id"] for m in messages if "result" in m]
    assert responses == list(range(0, 100 * len(responses), 100))
    assert pipe.writer.has_room()


def test_responses_are_always_accepted(pipe: Pipe) -> None:
    pipe.fill()
    for number in range(200):
        pipe.writer.send(b'"%s%d"\n' % (b"x" * 5000, number))
    assert not pipe.writer.has_room()
    assert len(pipe.messages()) == 201


def test_waiting_for_room_ends_when_the_other_side_reads(pipe: Pipe) -> None:
    pipe.fill()
    pipe.writer.send(b'"' + b"x" * ROOM_BYTES + b'"\n')
    waited = threading.Thread(target=pipe.writer.wait_for_room, args=(lambda: False,))
    waited.start()
    assert waited.is_alive()
    pipe.messages()
    waited.join(BOUND_S)
    assert not waited.is_alive()


def test_waiting_for_room_can_be_given_up(pipe: Pipe) -> None:
    pipe.fill()
    pipe.writer.send(b'"' + b"x" * ROOM_BYTES + b'"\n')
    given_up = threading.Event()
    waited = threading.Thread(target=pipe.writer.wait_for_room, args=(given_up.is_set,))
    waited.start()
    given_up.set()
    pipe.writer.nudge()
    waited.join(BOUND_S)
    assert not waited.is_alive()


def test_info_is_dropped_while_too_many_wait(pipe: Pipe) -> None:
    pipe.fill()
    for number in range(MAX_PENDING_INFO + 50):
        pipe.writer.info({"info": number})
    assert [m["info"] for m in pipe.messages()[1:]] == list(range(MAX_PENDING_INFO))
    pipe.writer.info({"info": "later"})
    assert pipe.messages() == [{"info": "later"}]


def test_a_closed_reader_is_reported_once(pipe: Pipe) -> None:
    pipe.close_reader()
    for _ in range(10):
        pipe.writer.send(b"1\n")
    assert pipe.broken.wait(BOUND_S)
    pipe.writer.send(b"2\n")
    put(pipe, progress(1, "a"))
    assert pipe.broken_calls == 1
    assert not pipe.writer.flush(BOUND_S)


def test_waiting_for_room_ends_when_the_reader_is_gone(pipe: Pipe) -> None:
    pipe.fill()
    pipe.writer.send(b'"' + b"x" * ROOM_BYTES + b'"\n')
    waited = threading.Thread(target=pipe.writer.wait_for_room, args=(lambda: False,))
    waited.start()
    pipe.close_reader()
    waited.join(BOUND_S)
    assert not waited.is_alive()


def test_flush_returns_when_all_is_written(pipe: Pipe) -> None:
    put(pipe, progress(1, "a"), wake=False)
    assert pipe.writer.flush(BOUND_S)
    assert b'"delta"' in os.read(pipe.read_end, 1000)


def test_flush_gives_up_without_a_reader(pipe: Pipe) -> None:
    pipe.fill()
    started = time.monotonic()
    assert not pipe.writer.flush(0.05)
    assert time.monotonic() - started < BOUND_S / 2
