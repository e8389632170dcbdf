"""The scheduler: what happens between the steps of several contexts."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace
from typing import Any

from sidecar.core.scheduling.scheduler import Scheduler
from sidecar.message_handler.writer import Writer

END_S = 10.0


class Named:
    """What the scheduler knows of a context."""

    def __init__(self, name: str) -> None:
        self.context_id, self.abort_flag = name, threading.Event()


class Steps:
    """A runner whose first step lasts until its request is cancelled; it notes what it is asked."""

    def __init__(self, name: str, notes: list[str], lasts: bool) -> None:
        self.context: Any = Named(name)
        self.notes, self.lasts, self.waiting = notes, lasts, 0
        self.begun, self.cancelled, self.over = threading.Event(), threading.Event(), threading.Event()
        self.work = False

    def add(self, _: Any) -> None:
        self.work = True

    def interrupt(self, _: Any) -> None:
        self.cancelled.set()

    def drop_unwanted(self) -> None:
        if self.cancelled.is_set() and self.work:
            self.notes.append(f"{self.context.context_id} answers")
            self.work = False

    def has_work(self) -> bool:
        return self.work

    def is_idle(self) -> bool:
        return not self.work

    def is_streaming(self) -> bool:
        return False

    def send_deltas(self) -> None:
        pass

    def close(self) -> None:
        self.notes.append(f"{self.context.context_id} is freed")

    def admit(self) -> bool:
        return False

    def place(self) -> None:
        pass

    def plan(self, others_streaming: bool) -> bool:
        return self.work

    def draft(self) -> None:
        pass

    def fill(self) -> bool:
        return True

    def compute(self) -> None:
        self.begun.set()
        if self.lasts:
            assert self.cancelled.wait(END_S)
        else:
            self.notes.append(f"{self.context.context_id} computes")
            self.work = False
            self.over.set()

    def end(self) -> None:
        pass


def test_an_abort_is_answered_before_the_step_of_another_context() -> None:
    notes: list[str] = []
    aborted, other = Steps("aborted", notes, lasts=True), Steps("other", notes, lasts=False)
    stops = []
    request: Any = SimpleNamespace(job=SimpleNamespace(interruptible=stops.append))
    scheduler = Scheduler(Writer(os.open(os.devnull, os.O_WRONLY), lambda: None))
    for runner in (aborted, other):
        scheduler.add(runner)
        scheduler.submit(runner.context, request)
    threading.Thread(target=scheduler.run, daemon=True).start()
    assert aborted.begun.wait(END_S)

    stops[0]()

    assert other.over.wait(END_S)
    assert notes == ["aborted answers", "other computes"]
