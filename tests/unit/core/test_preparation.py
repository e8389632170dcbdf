"""A request that takes long to prepare does not hold up the next ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from sidecar.core import preparation
from sidecar.core.engine import Engine
from sidecar.core.engine_process import EngineProcess
from sidecar.core.jobs import STACK_BYTES, Job, Jobs, start_thread
from sidecar.core.methods import state
from sidecar.core.methods.handlers import HANDLERS, INFERENCE, PREPARED
from sidecar.core.preparation import MAX_THREADS, Preparation

WAIT_S = 30


class Sent:
    """A writer that keeps what was sent."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.any = threading.Event()

    def send(self, line: bytes, wake: bool = True) -> None:
        self.lines.append(line)
        self.any.set()


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    """Lets the slow handlers go on; set at the end of a test."""
    event = threading.Event()
    yield event
    event.set()


def opened(sent: Any, request_id: int = 1, **params: Any) -> Job:
    return Jobs(sent).open(request_id, "tokenize", params)


def test_fast_handlers_run_one_after_the_other_on_one_thread(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "PATIENCE_S", WAIT_S)  # on a busy machine a fast one is not done at once
    made, threads = Preparation(), []
    for number in range(5):
        made.run(opened(sent, number), lambda: threads.append(threading.get_ident()))
        assert len(threads) == number + 1
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_the_next_request_does_not_wait_for_a_slow_one(
    sent: Sent, go_on: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Preparation()
    made.run(opened(sent), lambda: {"slow": go_on.wait(WAIT_S)})
    monkeypatch.setattr(preparation, "PATIENCE_S", WAIT_S)
    made.run(opened(sent, 2), lambda: {"fast": True})
    assert sent.lines == [b'{"jsonrpc":"2.0","id":2,"result":{"fast":true}}\n']
    sent.any.clear()
    go_on.set()
    assert sent.any.wait(WAIT_S)
    assert b'"slow":true' in sent.lines[1]


def test_the_next_request_does_not_wait_for_the_tokens_of_a_state(
    sent: Sent, go_on: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "save_state", lambda _, job: job.answer({"saved": go_on.wait(WAIT_S)}))
    engine = EngineProcess.__new__(EngineProcess)
    engine.engine, engine._preparation = Engine.__new__(Engine), Preparation()
    engine._handlers, engine._prepared, engine._abort_at_once = HANDLERS, PREPARED, INFERENCE
    engine._answer(Jobs(cast(Any, sent)).open(1, "saveState", {}))
    assert not sent.any.is_set()
    go_on.set()
    assert sent.any.wait(WAIT_S)
    assert b'"saved":true' in sent.lines[0]


def test_a_slow_one_keeps_its_time_limit(sent: Sent, go_on: threading.Event) -> None:
    Preparation().run(opened(sent, timeoutMs=1), lambda: {"slow": go_on.wait(WAIT_S)})
    assert sent.any.wait(WAIT_S)
    assert b'"kind":"timedOut"' in sent.lines[0]


def test_there_are_only_so_many_threads(
    sent: Sent, go_on: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "PATIENCE_S", 0.01)
    made, begun, ended = Preparation(), threading.Semaphore(0), threading.Event()

    def slow() -> dict[str, object]:
        begun.release()
        go_on.wait(WAIT_S)
        return {}

    def send_one_more() -> None:
        for number in range(MAX_THREADS + 1):
            made.run(opened(sent, number), slow)
        ended.set()

    threading.Thread(target=send_one_more, daemon=True).start()
    for _ in range(MAX_THREADS):
        assert begun.acquire(timeout=WAIT_S)
    assert not begun.acquire(timeout=0.2), "one more preparation than is allowed"
    go_on.set()
    assert ended.wait(WAIT_S)
    assert begun.acquire(timeout=WAIT_S)


def test_threads_that_tokenize_have_a_large_stack() -> None:
    sizes: list[int] = []
    usual, done = threading.stack_size(), threading.Event()

    def note() -> None:
        done.set()

    original = threading.Thread.start

    def start(self: threading.Thread) -> None:
        sizes.append(threading.stack_size())
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        start_thread(note, "test")
    assert done.wait(WAIT_S)
    assert sizes == [STACK_BYTES]
    assert threading.stack_size() == usual


def test_threads_that_start_at_once_leave_the_systems_stack_size() -> None:
    usual = threading.stack_size()
    starters = [
        threading.Thread(target=lambda: [start_thread(int, "test") for _ in range(20)]) for _ in range(8)
    ]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert threading.stack_size() == usual
