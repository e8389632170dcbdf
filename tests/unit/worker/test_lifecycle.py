"""Only the end of a watched process is reported as its end."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import sidecar
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
    before = set(threading.enumerate())
    watch_process(number, lambda: pytest.fail("called for a process that never existed"))  # type: ignore[arg-type]
    assert set(threading.enumerate()) <= before


def test_a_process_that_lives_is_left_in_peace() -> None:
    gone = threading.Event()
    watch_process(psutil.Process().ppid(), gone.set)
    assert not gone.wait(0.05)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system lets nobody wait for a process, as Windows does for one that was started as administrator."""

    def refuse(*_: object, **__: object) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(sys, "platform", "one without a call of its own")
    monkeypatch.setattr(psutil.Process, "wait", refuse)


@pytest.mark.usefixtures("no_waiting")
def test_the_end_of_a_process_that_cannot_be_waited_for_is_noticed(child: subprocess.Popen[bytes]) -> None:
    gone = threading.Event()
    watch_process(child.pid, gone.set)
    child.kill()
    assert gone.wait(BOUND_S)


def test_process_0_is_not_watched_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows it is the idle process, and psutil waits for it by raising ValueError."""
    monkeypatch.setattr(sys, "platform", "one without a call of its own")
    monkeypatch.setattr(psutil, "Process", lambda pid: pytest.fail(f"process {pid} is watched"))
    watch_process(0, lambda: None)


CONSOLE = """
import os, sys
from sidecar.worker import lifecycle
lifecycle.on_end_signals(lambda: os._exit(7))
lifecycle.guard_child(os.getpid())
event = int(sys.argv[1])
sys.exit(lifecycle.end_with_console(event))
"""


@pytest.mark.parametrize(
    ("event", "status"),
    [(0, 0), (1, 0), (2, 7), (5, 7), (6, 7)],
    ids=["Ctrl-C", "Ctrl-Break", "close", "logoff", "shutdown"],
)
def test_a_console_that_closes_ends_the_program_in_order(event: int, status: int) -> None:
    """Windows ends the process as soon as the function returns: it must not, before the end is done."""
    done = subprocess.run([sys.executable, "-c", CONSOLE, str(event)], timeout=BOUND_S, check=False)
    assert done.returncode == status


SPAWNS = re.compile(r"subprocess\.(?:Popen|run|call|check_call|check_output)\(")


def test_no_child_of_the_program_opens_a_window() -> None:
    """On Windows each console program gets one, unless its parent says otherwise."""
    package = Path(sidecar.__file__).parent
    sources = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    calls = [(path, text[found.end() :]) for path, text in sources.items() for found in SPAWNS.finditer(text)]
    assert len(calls) >= 3
    assert [path.name for path, text in calls if "creationflags=" not in text[:500]] == []
