"""What the router does with its own memory when a child begins and ends."""

from __future__ import annotations

import sys
import threading

import pytest

from sidecar.hardware import heap
from sidecar.worker import process


def test_threads_share_a_heap_and_its_pages_go_back_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, ended, given_back = list[str](), list[process.WorkerProcess](), threading.Event()

    def give_back() -> None:
        seen.append("free pages" if ended[0].ended.is_set() else "still answering")
        given_back.set()

    monkeypatch.setattr(heap, "share_heaps", lambda: seen.append("one heap"))
    monkeypatch.setattr(heap, "give_free_pages_back", give_back)
    monkeypatch.setattr(process, "own_command", lambda *_: [sys.executable, "-S", "-c", "print('{}')"])
    child = process.WorkerProcess("engine", [], lambda *_: seen.append("message"), ended.append)
    with child._popen:  # closes the pipes
        assert given_back.wait(30)
    assert seen == ["one heap", "message", "free pages"]
