"""A grammar that takes long holds up only its own request, and that one only so long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from byte_model import MODEL

from sidecar.core.structured_output import compiling, json_schema
from sidecar.core.structured_output.llguidance_api import Matcher
from sidecar.core.structured_output.llguidance_schema import Options
from sidecar.message_handler.errors import SidecarError


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Compiling does not end until the event is set. No thread of an earlier test still holds a place."""
    wait_for_threads()
    go_on = threading.Event()
    compile_it = Matcher.compile

    def wait(*args: Any) -> Matcher:
        go_on.wait()
        return compile_it(*args)

    monkeypatch.setattr(Matcher, "compile", wait)
    monkeypatch.setattr(compiling, "PATIENCE_S", 0.001)
    yield go_on
    go_on.set()
    wait_for_threads()


def wait_for_threads() -> None:
    for thread in threads("sidecar:compile", "sidecar:calls"):
        thread.join()


def threads(*names: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name in names]


def test_it_ends_when_nobody_wants_it_any_more(
    stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted() -> None:
        raise SidecarError("aborted", "chat was aborted")

    monkeypatch.setattr(compiling, "checkpoint", unwanted)
    with pytest.raises(SidecarError) as ended:
        json_schema.enforced(MODEL, {"const": "unwanted"}, "/jsonSchema", Options())
    assert ended.value.kind == "aborted"


def test_it_ends_after_a_time_and_only_so_many_run(
    stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "MAX_COMPILE_S", 0.01)
    monkeypatch.setattr(compiling, "MAX_QUEUE_S", 0.01)
    for number in range(compiling.MAX_COMPILING):
        with pytest.raises(SidecarError, match="to compile") as ended:
            json_schema.enforced(MODEL, {"const": f"slow {number}"}, "/jsonSchema", Options())
        assert (ended.value.kind, ended.value.details["pointer"]) == ("schemaTooComplex", "/jsonSchema")
    with pytest.raises(SidecarError) as ended:
        json_schema.enforced(MODEL, {"const": "behind them"}, "/jsonSchema", Options())
    assert ended.value.kind == "overloaded", "it is not the fault of this schema"
    assert len(threads("sidecar:compile")) == compiling.MAX_COMPILING


def test_a_thread_that_does_not_start_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(compiling, "start_thread", no_thread)
        for _ in range(compiling.MAX_COMPILING):
            with pytest.raises(RuntimeError):
                json_schema.enforced(MODEL, {"const": "no thread"}, "/jsonSchema", Options())
    json_schema.enforced(MODEL, {"const": "a thread"}, "/jsonSchema", Options())


def make(name: str) -> Matcher:
    return compiling.compiled(MODEL, "lark", f'start: "{name}"')


def test_what_is_promised_is_made_beside_and_then_shared(stuck: threading.Event) -> None:
    promised = compiling.Promised(lambda: make("promised"))
    assert not promised.ready
    stuck.set()
    first, second = promised.copy(), promised.copy()
    assert promised.ready
    assert first is not None
    assert second is not None
    assert first.follow("promi")
    assert second.follow("p")
    assert first.allows(ord("s"))


def test_only_so_many_are_made_beside(stuck: threading.Event) -> None:
    beside = [compiling.Promised(lambda: make("beside")) for _ in range(compiling.MAX_MAKING)]
    own = compiling.Promised(lambda: None)  # it does not wait for a place
    assert own.ready
    assert own.copy() is None
    assert not any(promised.ready for promised in beside)
    stuck.set()
    assert all(promised.copy() is not None for promised in beside)


def test_what_cannot_be_made_is_none() -> None:
    def fail() -> Matcher:
        raise SidecarError("overloaded", "no time")

    assert compiling.Promised(fail).copy() is None
