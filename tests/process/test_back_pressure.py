"""A client that does not read: memory stays constant, abort still works, and no character is lost."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import Start
from driver import WAIT_S, Sidecar
from process_work import (
    EXACT,
    assert_aborted,
    assert_silent_after_response,
    count,
    let_work,
    load,
    processor_s,
    send_endless,
)

pytestmark = pytest.mark.process

MB = 1024 * 1024

TOKENS = 4000
"""Of each stream that is not read: more than the buffers hold."""

UNREAD_S = 1.5
"""Longer than an aborted engine may take before it is killed."""

ENDLESS: dict[str, Any] = {"contextOverflow": "shift"}
"""Params of a stream that goes on until it is aborted."""


def memory(sidecar: Sidecar) -> int:
    """Resident memory of all processes of the program."""
    return sum(process.memory_info().rss for process in sidecar.family())


def wait_stalled(sidecar: Sidecar) -> None:
    """Wait until the program stops working because the client does not read."""
    processes = sidecar.family()
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        before = sum(map(processor_s, processes))
        let_work(0.5)
        if sum(map(processor_s, processes)) - before <= 0.02:
            return
    raise AssertionError("it never stopped producing")


@pytest.fixture
def unread(start: Start, made_path: str) -> Sidecar:
    """A program with context-1 (two sequences), whose stdout is no longer read and whose stderr never is."""
    sidecar = start("--log-level", "debug", stderr=None)
    load(sidecar, made_path, contextSize=TOKENS + 96, sequences=2, **EXACT)
    assert count(sidecar)
    sidecar.stop_reading()
    sidecar.send("ping")  # the reader takes one more chunk
    return sidecar


def stall(sidecar: Sidecar, *streams: dict[str, Any]) -> list[Any]:
    """Start streams and fill every buffer between the engine and the client; returns all requests.

    First the router's buffer, so that it takes nothing more from the engine, then the engine's.
    """
    filling = [sidecar.send("rpc.discover") for _ in range(12)]
    requests = [send_endless(sidecar, **params) for params in streams]
    text = {"modelId": "model-1", "text": "a b c d e f g h " * 1500}
    filling += [sidecar.send("tokenize", text) for _ in range(10)]
    wait_stalled(sidecar)
    return requests + filling


@pytest.mark.slow
def test_memory_stays_flat_while_two_streams_run_unread(unread: Sidecar) -> None:
    requests = [send_endless(unread, maxTokens=TOKENS) for _ in range(2)]
    running = unread.family()
    measured = [memory(unread)]
    before = -1.0
    while before < (now := sum(map(processor_s, running))):  # until all is generated
        before = now
        let_work(0.5)
        measured.append(memory(unread))
    assert max(measured) - measured[0] < 8 * MB
    unread.start_reading()
    for request in requests:
        result = unread.result(request)
        assert result["usage"]["completionTokens"] == TOKENS
        assert unread.streamed(request) == result["text"]
        assert_silent_after_response(unread, request)
    assert len(unread.progress(requests[0], "generate")) < TOKENS, "nothing was merged"
    assert unread.call("ping")


def test_work_waits_for_the_reader_and_goes_on_with_every_letter(unread: Sidecar) -> None:
    engines = [process.pid for process in unread.family()]
    first, second, *filling = stall(unread, {"maxTokens": TOKENS}, {"maxTokens": TOKENS})
    requests = [first, second]
    flat = memory(unread)
    time.sleep(1)
    assert memory(unread) - flat < 2 * MB
    unread.start_reading()
    texts = set()
    for request in requests:
        result = unread.result(request)
        assert result["usage"]["completionTokens"] == TOKENS
        assert unread.streamed(request) == result["text"]
        texts.add(result["text"])
    (text,) = texts
    assert text.startswith(count(unread))
    assert all("result" in unread.response(request) for request in filling)
    assert [process.pid for process in unread.family()] == engines
    assert unread.call("ping")


@pytest.mark.parametrize("form", ["abort", "$/cancelRequest"])
def test_abort_works_while_the_client_does_not_read(unread: Sidecar, form: str) -> None:
    engine = sorted(process.pid for process in unread.family())
    stays, goes, *_ = stall(unread, {"maxTokens": TOKENS}, ENDLESS)
    asked = time.monotonic()
    if form == "abort":
        abort = unread.send("abort", {"requestId": goes})
    else:
        unread.notify(form, {"id": goes})
    let_work(UNREAD_S)
    assert sorted(process.pid for process in unread.family()) == engine
    unread_ms = 1000 * (time.monotonic() - asked)
    unread.start_reading()
    partial = assert_aborted(unread, goes)
    assert partial["text"] == unread.streamed(goes)
    if form == "abort":
        result = unread.result(abort)
        assert result["outcome"] == "aborted"
        assert result["tookMs"] < unread_ms, "it waited for the reader"
    result = unread.result(stays)
    assert result["usage"]["completionTokens"] == TOKENS
    assert result["text"] == unread.streamed(stays)
    assert result["text"].startswith(count(unread))


def test_unload_works_while_the_client_does_not_read(unread: Sidecar) -> None:
    request, *_ = stall(unread, ENDLESS)
    unload = unread.send("unloadModel", {"modelId": "model-1"})
    deadline = time.monotonic() + WAIT_S
    while unread.workers():
        assert time.monotonic() < deadline, "the engine is still there"
    unread.start_reading()
    assert_aborted(unread, request)
    assert unread.result(unload)["memoryAfterBytes"] > 0


def test_it_ends_in_time_for_a_client_that_never_reads_and_closes_stdin(start: Start, made_path: str) -> None:
    sidecar = start("--log-level", "debug", stderr=None)
    load(sidecar, made_path, sequences=2)
    sidecar.stop_reading()
    stall(sidecar, ENDLESS, ENDLESS, ENDLESS)
    sidecar.close_stdin()
    assert not sidecar.survivors(1.5)
    assert sidecar.wait_exit(1) == 0


def test_a_client_that_sends_and_does_not_read_does_not_fill_memory(start: Start) -> None:
    sidecar = start(read=False)
    before = memory(sidecar)
    ping = b'{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}\n'
    written = sidecar.write_until_full(ping * 1000, 4 * MB)
    assert written < 4 * MB, "it took everything"
    assert memory(sidecar) - before < 64 * MB
    sidecar.start_reading()
    sidecar.wait_for(lambda m: m["id"] == 1)
