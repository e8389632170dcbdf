"""The engine's side of a request: one answer, and a cancel at any moment."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.jobs import Jobs
from sidecar.message_handler.errors import SidecarError
from sidecar.worker import exit_status


@pytest.fixture
def sent() -> list[Any]:
    return []


@pytest.fixture
def jobs(sent: list[Any]) -> Jobs:
    writer: Any = SimpleNamespace(send=lambda line, wake=True: sent.append(json.loads(line)))
    return Jobs(writer)


def test_only_the_first_answer_leaves(jobs: Jobs, sent: list[Any]) -> None:
    job = jobs.open(1, "chat", {})
    job.answer({"a": 1})
    job.answer({"a": 2})
    job.fail(SidecarError("aborted", "x"))
    assert [m["result"] for m in sent] == [{"a": 1}]


def test_the_crash_of_a_library_that_ctypes_has_caught_ends_the_engine(
    jobs: Jobs, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows, where the engine would go on with damaged memory."""

    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(SystemExit) as ended:
        jobs.open(1, "chat", {}).fail(OSError("exception: access violation reading 0x0000000000000008"))
    assert not sent, "the router answers"
    assert isinstance(ended.value.code, int) and ended.value.code % 2**32 in exit_status.FAILURES
    for number, harmless in enumerate(
        (OSError(2, "exception"), OSError("no exception"), ValueError("exception"))
    ):
        jobs.open(2 + number, "chat", {}).fail(harmless)
    assert len(sent) == 3


def test_a_job_that_has_not_begun_is_aborted_at_once(jobs: Jobs, sent: list[Any]) -> None:
    job = jobs.open("x", "chat", {})
    jobs.cancel("x")
    assert sent[0]["error"]["code"] == -32800
    assert not jobs.begin(job), "the request thread must not start it"


def test_a_running_job_is_interrupted(jobs: Jobs, sent: list[Any]) -> None:
    job, calls = jobs.open(1, "chat", {}), []
    assert jobs.begin(job)
    job.interruptible(lambda: calls.append(1))
    jobs.cancel(1)
    assert calls == [1]
    assert sent == [], "whoever works on it answers"


def test_a_cancel_between_two_kinds_of_work_interrupts_the_next(jobs: Jobs) -> None:
    job, calls = jobs.open(1, "chat", {}), []
    jobs.begin(job)
    jobs.cancel(1)
    job.interruptible(lambda: calls.append(1))
    assert calls == [1]
    with pytest.raises(SidecarError):
        job.check()


def test_cancelling_1_does_not_touch_the_text_1_nor_an_unknown_id(jobs: Jobs, sent: list[Any]) -> None:
    jobs.open("1", "chat", {})
    jobs.cancel(1)
    jobs.cancel(99)
    assert sent == []


def test_a_defect_is_answered_without_its_words(jobs: Jobs, sent: list[Any]) -> None:
    jobs.open(1, "chat", {}).fail(RuntimeError("secret"))
    assert sent[0]["error"]["data"]["kind"] == "internalError"
    assert "secret" not in json.dumps(sent)


def test_an_abort_carries_what_was_done(jobs: Jobs, sent: list[Any]) -> None:
    jobs.open(1, "chat", {}).abort({"text": "so far"})
    assert sent[0]["error"]["data"]["partial"] == {"text": "so far"}
