"""Makes the rows of pictures and sound, on a thread of its own, while the compute thread goes on with other requests.

The rows that were used last are kept, so that a prompt that is evaluated again need not be encoded again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidecar.core.jobs import start_thread
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.media.projector import Chunk, Projector

MAX_BYTES: Final = 128 * 1024 * 1024
"""Of rows that are kept. Those that a request waits for are kept in any case: of one chunk per sequence."""


class _Rows:
    """The rows of one chunk, as far as they are known."""

    def __init__(self, chunk: Chunk) -> None:
        self.id = chunk.id
        self.chunk: Chunk | None = chunk
        """With the bytes of its file; None when they are not needed any more."""
        self.requests: set[object] = set()
        """Those that need these rows next."""
        self.data: bytearray | None = None
        self.error: SidecarError | None = None

    @property
    def missing(self) -> bool:
        """Whether they must be made."""
        return self.chunk is not None


class Encoder:
    """Of one projector. Thread-safe. It encodes in the order in which rows are asked for."""

    def __init__(self, projector: Projector) -> None:
        self.projector = projector
        self.on_rows: Callable[[], None] = lambda: None
        """Called when rows have come that a request waits for, or an error."""
        self._changed = threading.Condition()
        self._rows: dict[int, _Rows] = {}
        """By the chunk's id. Of those that are there, the ones used last come last."""
        self._current: _Rows | None = None
        self._begun = False

    def rows(self, chunk: Chunk, request: object) -> bytearray | None:
        """The rows of a chunk, for a request; None: they will come, and `on_rows` is called.

        They stay until the request calls `release`. Raises SidecarError if they could not be made.
        """
        with self._changed:
            found = self._rows.setdefault(chunk.id, _Rows(chunk))
            if found.error is not None:
                del self._rows[chunk.id]
                raise found.error
            found.requests.add(request)
            if found.data is None:
                self._start()
            else:
                self._rows[chunk.id] = self._rows.pop(chunk.id)
            return found.data

    def waits(self, request: object) -> bool:
        """Whether the rows that the request has asked for have not come yet."""
        with self._changed:
            return any(found.missing and request in found.requests for found in self._rows.values())

    def release(self, request: object) -> None:
        """The request does not need the rows that it has asked for. What nobody needs is not encoded further."""
        with self._changed:
            for found in list(self._rows.values()):
                found.requests.discard(request)
                if found.data is None and not found.requests:
                    del self._rows[found.id]
            if self._current is not None and not self._current.requests:
                self.projector.stop.is_set = True
            self._drop_old()

    def _drop_old(self) -> None:
        kept = sum(len(found.data or b"") for found in self._rows.values())
        for found in list(self._rows.values()):
            if kept <= MAX_BYTES:
                return
            if found.data is not None and not found.requests:
                kept -= len(found.data)
                del self._rows[found.id]

    def _start(self) -> None:
        if not self._begun:
            self._begun = True
            start_thread(self._serve, "sidecar:encoder")
        self._changed.notify()

    # ---- the encoder's thread --------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            found, chunk = self._next()
            try:
                found.data = self.projector.encode(chunk)
            except SidecarError as error:
                found.error = error
            except Exception as error:
                log.log_exception("a picture or a sound could not be encoded", error)
                found.error = SidecarError("decodeFailed", f"the {chunk.media.kind} could not be encoded")
            with self._changed:
                self._current = None
                if found.data is not None or found.error is not None:  # if not, it was stopped
                    found.chunk = None
            del chunk
            self.on_rows()

    def _next(self) -> tuple[_Rows, Chunk]:
        """Wait for a chunk whose rows are needed."""
        with self._changed:
            while True:
                for found in self._rows.values():
                    if found.chunk is not None:
                        self._current, self.projector.stop.is_set = found, False
                        return found, found.chunk
                self._changed.wait()
