"""How the router reads a child to its end, and what it does with its own memory when a child begins and ends."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sidecar.hardware import heap
from sidecar.message_handler.writer import RpcMessage
from sidecar.worker import process

WAIT_S = 30

GRANDCHILD = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], stdin=sys.stdin, stdout=sys.stdout)
for number in range(40):
    os.write(1, b'{"number": %d}\\n' % number)
os.write(1, b'{"number": 40, "cut')
"""
"""A child that leaves a process behind, which has its pipes until its input ends."""

SAVES = """
import json, sys
print(json.dumps({"number": json.loads(sys.stdin.readline())["params"]["seconds"]}))
"""
"""A child that ends when it was told how long it may take to save, and says that."""


@contextmanager
def started(
    monkeypatch: pytest.MonkeyPatch, script: str, on_message: Callable[[process.WorkerProcess, int], object]
) -> Iterator[process.WorkerProcess]:
    """A child that runs a script; `on_message` gets it and the number in its message."""

    def take(child: process.WorkerProcess, message: RpcMessage, _line: bytes) -> None:
        on_message(child, message["number"])

    monkeypatch.setattr(process, "own_command", lambda *_: [sys.executable, "-S", "-c", script])
    child = process.WorkerProcess("engine", [], take, lambda _: None)
    try:
        yield child
    finally:
        child.close()
        child._popen.kill()
        with child._popen:  # closes its stdin
            pass


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


def test_what_a_child_wrote_before_its_end_is_read_though_another_process_holds_its_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers: list[int] = []

    def take(child: process.WorkerProcess, number: int) -> None:
        numbers.append(number)
        while child.exit_status is None:  # the rest waits in the pipe when the child is gone
            time.sleep(0.001)

    logged: list[object] = []
    monkeypatch.setattr(process.log, "log_exception", lambda *error: logged.append(error))
    with started(monkeypatch, GRANDCHILD, take) as child:
        assert child.ended.wait(WAIT_S), "it waits for the end of the pipe"
        assert child.exit_status == 0
    assert numbers == [*range(40)]
    assert logged == [], "half a message was taken for a whole one"


def test_a_killed_child_has_ended_though_another_process_holds_its_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def take(child: process.WorkerProcess, number: int) -> None:
        if number == 39:
            child.kill()

    with started(monkeypatch, GRANDCHILD + "sys.stdin.read()", take) as child:
        assert child.ended.wait(WAIT_S), "it waits for the end of the pipe"
        assert child.exit_status not in (None, 0)


def test_a_child_that_cannot_be_killed_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "KILLED_S", 0.1)
    with started(monkeypatch, "import sys; sys.stdin.read()", lambda *_: None) as child:
        with monkeypatch.context() as driver:
            driver.setattr(child._popen, "kill", lambda: None)
            child.kill()
            assert child.ended.wait(WAIT_S)
        assert child.exit_status is None and not child.crashed


def test_a_child_that_saves_is_told_how_long_it_may_and_ends_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "SAVE_TIMEOUT_S", WAIT_S)
    told: list[float] = []
    for end in (process.WorkerProcess.end_when_saved, lambda child: child.end(WAIT_S)):
        with started(monkeypatch, SAVES, lambda _, seconds: told.append(seconds)) as child:
            child.saves = True
            end(child)
            assert child.ended.is_set() and child.exit_status == 0
    assert told == [WAIT_S, process.SAVE_SHARE * WAIT_S], (
        "at the end of the program it has a share of the time"
    )
