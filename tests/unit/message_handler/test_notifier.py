"""The form of messages, and how often progress is sent."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.message_handler import notifier
from sidecar.message_handler.notifier import Progress, error_response, progress_key, response


class Sink:
    """Takes the place of the writer."""

    def __init__(self) -> None:
        self.params: list[Any] = []

    def progress(self, _key: Any, message: Any, **_: Any) -> None:
        self.params.append(message["params"])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(notifier.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def sink() -> Sink:
    return Sink()


def test_a_null_result_is_a_member() -> None:
    assert response(0, None) == {"jsonrpc": "2.0", "id": 0, "result": None}


def test_an_error_without_a_request_has_the_id_null() -> None:
    assert error_response(None, {"code": 1})["id"] is None


def test_1_and_the_text_1_do_not_merge() -> None:
    keys = {progress_key({"requestId": each, "progressType": "load"}) for each in (1, "1")}
    assert len(keys) == 2


def test_progress_never_falls_and_never_passes_one(sink: Sink, clock: list[float]) -> None:
    progress = Progress(sink, 1, "load")  # type: ignore[arg-type]
    for fraction in (0.0, 0.5, 0.25, 0.75, 1.5):
        clock[0] += 1
        progress.report(fraction)
    assert [p["progress"] for p in sink.params] == [0.0, 0.5, 0.5, 0.75, 1.0]


def test_progress_is_limited_in_rate_but_its_end_is_always_sent(sink: Sink, clock: list[float]) -> None:
    progress = Progress(sink, 1, "load")  # type: ignore[arg-type]
    for step in range(101):
        clock[0] += notifier.PROGRESS_INTERVAL_S / 10
        progress.report(step / 100)
    assert 9 <= len(sink.params) <= 12
    assert sink.params[-1] == {"requestId": 1, "progressType": "load", "progress": 1.0}
