"""Something that is to be done with a context's cache while nothing is computed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from sidecar.core.context.context import Context
from sidecar.message_handler.errors import SidecarError

Result = TypeVar("Result")


class Errand(Generic[Result]):
    """One thread waits for it, the one that computes runs it."""

    def __init__(self, context: Context, work: Callable[[], Result]) -> None:
        self.context = context
        self._work = work
        self._done = threading.Event()
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def wait(self) -> Result:
        """Wait for its end; returns, or raises, what the work did."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def run(self, context_lives: bool) -> None:
        """Do the work, or have the waiting thread told that the context went meanwhile."""
        try:
            if not context_lives:
                problem = f"The context {self.context.context_id} was disposed of"
                raise SidecarError("contextNotFound", problem)
            self._results.append(self._work())
        except Exception as error:
            self._error = error
        self._done.set()
