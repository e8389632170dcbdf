"""Work on a context's cache that must not run during a step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from sidecar.core.context.context import Context
from sidecar.message_handler.errors import SidecarError

Result = TypeVar("Result")


class Task(Generic[Result]):
    """Work that the compute thread does while another thread waits for it."""

    def __init__(self, context: Context, work: Callable[[], Result]) -> None:
        self.context = context
        self._work = work
        self._done = threading.Event()
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def wait(self) -> Result:
        """Wait until the work is done. Returns its result; raises what it raises."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def run(self, context_lives: bool) -> None:
        """Do the work; if the context is disposed of, let `wait` raise SidecarError `contextNotFound`."""
        try:
            if not context_lives:
                problem = f"The context {self.context.context_id} was disposed of"
                raise SidecarError("contextNotFound", problem)
            self._results.append(self._work())
        except Exception as error:
            self._error = error
        self._done.set()
