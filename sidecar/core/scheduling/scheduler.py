"""The scheduler: one thread that computes, step by step, for all contexts in turn.

Each step evaluates one batch, which all requests of a context share. What is in it depends on the kind of context:
see `Runner`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.context.context import Context
from sidecar.core.scheduling.between_steps import Result, Task
from sidecar.core.scheduling.runner import Runner
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.writer import Writer

if TYPE_CHECKING:
    from sidecar.core.embedding.request import TextsRequest
    from sidecar.core.scheduling.generation import Generation

DELTA_INTERVAL_S: Final = 0.016
"""Shortest time between two sends of deltas: one frame of a screen. Each delta wakes three threads of two other
processes, which take processor time from the compute threads. The first one is sent at once."""

LOOK_S: Final = 0.05
"""Time between two looks at requests that wait for a picture to be encoded: whether they take too long."""

MAX_WAITING: Final = 256
"""Requests per context that may wait."""


class Scheduler:
    """Thread-safe from outside; `run` is the compute thread."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._changed = threading.Condition()
        """Its lock guards the members below, and the runners except during `place`, `draft` and `compute`."""
        self._runners: dict[Context, Runner] = {}
        self._retired: list[tuple[Context, threading.Event]] = []
        self._tasks: list[Task[Any]] = []  # each has a result of its own type
        self._urgent = False
        """A request was cancelled: do not wait for a slow reader."""

    # ---- from other threads ----------------------------------------------------------------------

    def add(self, runner: Runner) -> None:
        """Serve a new context."""
        with self._changed:
            self._runners[runner.context] = runner

    def remove(self, context: Context) -> None:
        """Abort a context's requests and free it; returns when that is done."""
        done = threading.Event()
        with self._changed:
            self._retired.append((context, done))
            context.abort_flag.set()
            self._wake()
        self._writer.nudge()
        done.wait()

    def submit(self, context: Context, request: Generation | TextsRequest) -> None:
        """Queue a request. Raises SidecarError `overloaded`; `contextNotFound` if the context is disposed of."""
        with self._changed:
            runner = self._runners.get(context)
            if runner is None:
                raise SidecarError("contextNotFound", f"The context {context.context_id} was disposed of")
            if runner.waiting >= MAX_WAITING:
                problem = f"{MAX_WAITING} requests wait for {context.context_id} already"
                raise SidecarError("overloaded", problem)
            runner.add(request)
            self._changed.notify()
        request.job.interruptible(lambda: self._interrupt(runner, request))

    def _interrupt(self, runner: Runner, request: Generation | TextsRequest) -> None:
        with self._changed:
            runner.interrupt(request)
            self._wake()
        self._writer.nudge()

    def _wake(self) -> None:
        self._urgent = True
        self._changed.notify()

    def look(self) -> None:
        """Rows of a picture or a sound have come that a request waits for."""
        with self._changed:
            self._changed.notify()

    def between_steps(self, context: Context, work: Callable[[], Result]) -> Result:
        """Do something with a context's cache on the compute thread. Returns and raises what `work` does.

        Raises SidecarError `contextNotFound` if the context is disposed of.
        """
        task = Task(context, work)
        with self._changed:
            self._tasks.append(task)
            self._changed.notify()
        return task.wait()

    # ---- the compute thread ----------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the process ends."""
        send_at = 0.0
        while True:
            runners = self._next_runners()
            self._run_tasks()
            for runner in runners:
                self._step(runner)
            now = time.monotonic()
            if now >= send_at:
                with self._changed:
                    for runner in self._runners.values():
                        runner.send_deltas()
                self._writer.wake()
                send_at = now + DELTA_INTERVAL_S
            if not self._writer.has_room():
                self._writer.wait_for_room(lambda: self._urgent)

    def _next_runners(self) -> list[Runner]:
        """Wait until there is work; drop cancelled and late requests."""
        with self._changed:
            while True:
                self._urgent = False
                self._free_retired()
                self._drop_unwanted()
                busy = [runner for runner in self._runners.values() if runner.has_work()]
                if busy or self._tasks:
                    return busy
                self._writer.wake()
                idle = all(runner.is_idle() for runner in self._runners.values())
                self._changed.wait(None if idle else LOOK_S)

    def _drop_unwanted(self) -> None:
        for runner in self._runners.values():
            runner.drop_unwanted()

    def _free_retired(self) -> None:
        for context, done in self._retired:
            self._runners.pop(context).close()
            done.set()
        self._retired.clear()

    def _run_tasks(self) -> None:
        if not self._tasks:  # usual case, without the lock: a task that comes now runs after the next step
            return
        with self._changed:
            tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.run(task.context in self._runners)

    def _step(self, runner: Runner) -> None:
        """Compute one batch of one context, unless a context waits to be freed."""
        while True:
            with self._changed:
                if self._retired or not runner.admit():
                    break
            runner.place()
        with self._changed:
            others = (other for other in self._runners.values() if other is not runner)
            if self._retired or not runner.plan(any(other.is_streaming() for other in others)):
                return
        runner.draft()
        with self._changed:
            if self._retired or not runner.fill():
                runner.end()
                return
        runner.compute()
        with self._changed:
            runner.end()
            if self._urgent:  # the answer to an abort does not wait for another context's step
                self._drop_unwanted()
