"""The one request of a transfer process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.notifier import RequestId, error_response, send
from sidecar.message_handler.writer import RpcMessage, Writer


class TransferJob:
    """The request of the router, which is answered once: with its result or error, or as aborted."""

    def __init__(self, writer: Writer, message: RpcMessage) -> None:
        self.writer = writer
        self.id: RequestId = message["id"]
        self.method: str = message["method"]
        self.params: Any = message["params"]  # the params of its method, which the router has validated
        nothing = {"keptBytes": 0} if self.method == "downloadModel" else {}
        self._partial: Callable[[], dict[str, int]] = lambda: nothing
        self._answered = threading.Lock()

    def on_abort(self, partial: Callable[[], dict[str, int]]) -> None:
        """From now on an abort calls `partial`, which returns the partial result."""
        self._partial = partial

    def abort(self) -> None:
        """Answer with the error `aborted`, from any thread."""
        if self._answered.acquire(blocking=False):
            error = SidecarError("aborted", f"{self.method} was aborted", partial=self._partial())
            send(self.writer, error_response(self.id, error.to_wire()))

    def answer(self, message: RpcMessage) -> None:
        """Answer with a response. After an abort it waits, since the abort ends the process."""
        self._answered.acquire()
        send(self.writer, message)
