"""The encoder's thread: who waits for which rows, what is kept, what is given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.media import encoder as module
from sidecar.core.media.encoder import Encoder
from sidecar.message_handler.errors import SidecarError

WAIT_S = 10.0


class Projector:
    """Makes rows as soon as `allow` is called, once for each call."""

    def __init__(self) -> None:
        self.stop = SimpleNamespace(is_set=False)
        self.encoded: list[int] = []
        self.error: Exception | None = None
        self._allowed = threading.Semaphore(0)

    def allow(self) -> None:
        self._allowed.release()

    def encode(self, chunk: Any) -> bytearray | None:
        self.encoded.append(chunk.id)
        while not self._allowed.acquire(timeout=0.005):
            if self.stop.is_set:
                return None
        if self.error is not None:
            raise self.error
        return bytearray(chunk.id)


class Bench:
    """An encoder with a projector that is told when to be done."""

    def __init__(self) -> None:
        self.projector = Projector()
        self.encoder = Encoder(self.projector)  # type: ignore[arg-type]
        self._came = threading.Semaphore(0)
        self.encoder.on_rows = self._came.release

    def finish(self) -> None:
        """Let the current chunk be done, and wait for that."""
        self.projector.allow()
        assert self._came.acquire(timeout=WAIT_S)

    def until(self, holds: Callable[[], bool]) -> None:
        gone = threading.Event()
        for _ in range(int(WAIT_S / 0.005)):
            if holds():
                return
            gone.wait(0.005)
        raise AssertionError("it never held")


def chunk(size: int) -> Any:
    return SimpleNamespace(id=size, media=SimpleNamespace(kind="image"))


def test_rows_come_once_for_all_who_ask() -> None:
    bench = Bench()
    assert bench.encoder.rows(chunk(5), "a") is None
    assert bench.encoder.rows(chunk(5), "b") is None
    assert bench.encoder.waits("a") and bench.encoder.waits("b") and not bench.encoder.waits("c")
    bench.finish()
    assert not bench.encoder.waits("a")
    for request in ("a", "b", "c"):
        assert bench.encoder.rows(chunk(5), request) == bytearray(5)
    assert bench.projector.encoded == [5]


def test_they_are_encoded_in_the_order_in_which_they_were_asked_for() -> None:
    bench = Bench()
    for size, request in ((5, "a"), (7, "b"), (6, "c"), (5, "d")):
        bench.encoder.rows(chunk(size), request)
    for _ in range(3):
        bench.encoder.rows(chunk(7), "b")  # asking again changes nothing
        bench.finish()
    assert bench.projector.encoded == [5, 7, 6]


def test_what_nobody_waits_for_any_more_is_stopped_and_the_next_goes_on() -> None:
    bench = Bench()
    bench.encoder.rows(chunk(5), "a")
    bench.encoder.rows(chunk(6), "b")
    bench.until(lambda: bench.projector.encoded == [5])
    bench.encoder.release("a")
    bench.until(lambda: bench.projector.encoded == [5, 6])
    bench.until(lambda: not bench.projector.stop.is_set)
    bench.projector.allow()
    bench.until(lambda: not bench.encoder.waits("b"))
    assert bench.encoder.rows(chunk(6), "b") == bytearray(6)


def test_a_chunk_that_another_one_waits_for_is_not_stopped() -> None:
    bench = Bench()
    bench.encoder.rows(chunk(5), "a")
    bench.encoder.rows(chunk(5), "b")
    bench.until(lambda: bench.projector.encoded == [5])
    bench.encoder.release("a")
    assert not bench.projector.stop.is_set
    bench.finish()
    assert bench.encoder.rows(chunk(5), "b") == bytearray(5)


def test_an_error_is_raised_and_the_next_try_encodes_again() -> None:
    bench = Bench()
    bench.projector.error = SidecarError("decodeFailed", "no")
    bench.encoder.rows(chunk(5), "a")
    bench.finish()
    assert not bench.encoder.waits("a")
    with pytest.raises(SidecarError, match="no"):
        bench.encoder.rows(chunk(5), "a")
    bench.projector.error = None
    assert bench.encoder.rows(chunk(5), "a") is None
    bench.finish()
    assert bench.encoder.rows(chunk(5), "a") == bytearray(5)


def test_an_unexpected_error_becomes_one_of_the_table() -> None:
    bench = Bench()
    bench.projector.error = OSError("secret")
    bench.encoder.rows(chunk(5), "a")
    bench.finish()
    with pytest.raises(SidecarError) as failed:
        bench.encoder.rows(chunk(5), "a")
    assert failed.value.kind == "decodeFailed" and "secret" not in failed.value.problem


def test_the_rows_used_longest_ago_go_first_but_none_that_a_request_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 12)
    bench = Bench()
    for size in (5, 6, 7):
        bench.encoder.rows(chunk(size), f"request {size}")
        bench.finish()
    bench.encoder.release("request 6")  # 18 bytes are too many, and the only ones that can go are these 6
    bench.encoder.release("request 5")
    assert bench.encoder.rows(chunk(5), "x") == bytearray(5)
    assert bench.encoder.rows(chunk(6), "x") is None
