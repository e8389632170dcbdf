"""What ended a process is told from its exit status, on each platform by its own rules."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidecar.worker import exit_status, outcome
from sidecar.worker.pool import ModelEntry


@pytest.mark.parametrize(
    ("platform", "status", "killed"),
    [
        ("linux", -9, True),
        ("linux", -15, True),
        ("linux", -6, False),  # abort()
        ("linux", 1, False),
        ("win32", 1, True),  # Popen.kill, the Task Manager
        ("win32", 15, True),  # psutil's kill
        ("win32", 3, False),  # abort()
        ("win32", 0xC0000005, False),
    ],
)
def test_an_engine_killed_while_it_loads_says_nothing_about_the_file(
    monkeypatch: pytest.MonkeyPatch, platform: str, status: int, killed: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert _kind_after_death(monkeypatch, status) == ("engineCrashed" if killed else "modelLoadFailed")


@pytest.mark.parametrize(
    ("platform", "status", "crash"),
    [
        ("linux", -6, True),
        ("linux", -9, False),
        ("linux", -15, False),
        ("linux", 3, False),
        ("win32", 3, True),
        ("win32", 0xC0000005, True),
        ("win32", 1, False),
        ("win32", 15, False),
    ],
)
def test_a_crash_is_told_from_a_kill(
    monkeypatch: pytest.MonkeyPatch, platform: str, status: int, crash: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert exit_status.is_crash(status) == crash


def _kind_after_death(monkeypatch: pytest.MonkeyPatch, status: int) -> str:
    monkeypatch.setattr(outcome, "_died_of_a_file", lambda *_: {"data": {"kind": "modelLoadFailed"}})
    monkeypatch.setattr(outcome, "_fail_followers", lambda *_: None)
    model = ModelEntry("model-1", {"path": "a.gguf"}, None)
    process = SimpleNamespace(role="engine", ready=True, fault=None, exit_status=status)
    request = SimpleNamespace(method="loadModel", model=model, params={}, cancelled=False)
    answers: list[Any] = []
    supervisor = SimpleNamespace(
        lock=_NoLock(),
        ledger=SimpleNamespace(fail=lambda _request, error: answers.append(error)),
        pool=SimpleNamespace(forget=lambda _: None, spare=lambda: None),
    )
    outcome.after_death(cast(Any, supervisor), cast(Any, process), model, [cast(Any, request)])
    (answer,) = answers
    return str(answer["data"]["kind"])


class _NoLock:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-15, "SIGTERM"),
        (-200, "signal 200"),
        (3, "exit status 3"),
        (0xC0000005, "exit status 0xC0000005, access violation"),
        (0xC0000420, "exit status 0xC0000420"),
    ],
)
def test_a_status_in_words(status: int, words: str) -> None:
    assert exit_status.in_words(status) == words
