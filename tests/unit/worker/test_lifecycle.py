"""Only the end of a watched process is reported as its end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from sidecar.worker.lifecycle import watch_process

BOUND_S = 30


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


def test_the_end_of_a_killed_process_is_noticed_once(child: subprocess.Popen[bytes]) -> None:
    calls: list[str] = []
    gone = threading.Event()

    def on_gone() -> None:
        calls.append(threading.current_thread().name)
        gone.set()

    watch_process(child.pid, on_gone)
    child.kill()
    assert gone.wait(BOUND_S)
    assert calls == ["sidecar:parent-watch"]


def test_the_end_of_a_process_that_ends_by_itself_is_noticed(child: subprocess.Popen[bytes]) -> None:
    gone = threading.Event()
    watch_process(child.pid, gone.set)
    assert child.stdin is not None
    child.stdin.close()
    assert gone.wait(BOUND_S)


def test_two_watchers_of_one_process_are_both_reported(child: subprocess.Popen[bytes]) -> None:
    events = [threading.Event(), threading.Event()]
    for event in events:
        watch_process(child.pid, event.set)
    child.kill()
    assert all(event.wait(BOUND_S) for event in events)


def ended_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    return ended.pid


@pytest.mark.parametrize(
    "pid", [ended_pid, 0, -1, 2**31, 2**64, 2**22 + 5], ids=lambda pid: getattr(pid, "__name__", str(pid))
)
def test_a_process_that_is_not_there_is_not_taken_for_one_that_ended(pid: object) -> None:
    number = pid() if callable(pid) else pid
    before = {thread.name for thread in threading.enumerate()}
    watch_process(number, lambda: pytest.fail("called for a process that never existed"))  # type: ignore[arg-type]
    assert {thread.name for thread in threading.enumerate()} == before


def test_a_process_that_lives_is_left_in_peace() -> None:
    gone = threading.Event()
    watch_process(os.getppid(), gone.set)
    assert not gone.wait(0.05)
