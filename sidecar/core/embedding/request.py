"""One request for vectors or scores: its texts, their vectors so far, and its answer."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from sidecar.core.jobs import Job
from sidecar.message_handler.notifier import Progress
from sidecar.message_handler.writer import Writer

if TYPE_CHECKING:
    from sidecar.message_handler._types import EmbedTimings, Usage

Vector: TypeAlias = "array[float]"
"""Numbers of type float32 (type code "f")."""

ShapeVectors: TypeAlias = "Callable[[list[list[Vector]]], Mapping[str, object]]"
"""Makes the method's own members of the result from the vectors of each text. May take long and may raise."""


class TextsRequest:
    """State of one `embed` or `rerank`. Only its runner uses it."""

    def __init__(self, job: Job, texts: list[list[int]], writer: Writer, shape: ShapeVectors) -> None:
        self.job = job
        self.texts = texts
        """As tokens."""
        self.background: bool = job.params.get("priority") == "background"
        """Whether its texts wait for those of all other requests."""
        self.begun = 0
        """Texts that are or were in a batch."""
        self.ended = False
        self._vectors: dict[int, list[Vector]] = {}
        self._shape = shape
        self._progress = Progress(writer, job.id, "embed")
        self._begun_at = 0.0

    def begin(self, index: int) -> None:
        """Note that a text is in its first batch."""
        self.begun = index + 1
        self._begun_at = self._begun_at or time.monotonic()

    def add_vectors(self, index: int, vectors: list[Vector]) -> None:
        """Add the vectors of a text: one, or one per token. Answers after the last text."""
        self._vectors[index] = vectors
        done, texts = len(self._vectors), len(self.texts)
        self._progress.report(done / texts, texts=texts, processedTexts=done)
        if done == texts:
            self.ended = True
            accounts = {"usage": self._usage(), "timings": self._timings()}
            # Millions of numbers may become text, which must not stop the compute thread.
            threading.Thread(
                target=self._answer, args=(accounts,), name="sidecar:vectors", daemon=True
            ).start()

    def _answer(self, accounts: dict[str, object]) -> None:
        try:
            shaped = self._shape([self._vectors[index] for index in range(len(self.texts))])
        except Exception as error:
            self.job.fail(error)
        else:
            self.job.answer({**shaped, **accounts})

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        self.ended = True
        self.job.fail(error)

    def abort(self) -> None:
        """Answer with the error `aborted`."""
        self.ended = True
        self.job.abort({"usage": self._usage()})

    def expire(self) -> None:
        """Answer with the error `timedOut`."""
        self.ended = True
        self.job.expire({"usage": self._usage()})

    def _usage(self) -> Usage:
        tokens = sum(len(self.texts[index]) for index in self._vectors)
        return {"promptTokens": tokens, "cachedTokens": 0, "completionTokens": 0}

    def _timings(self) -> EmbedTimings:
        now = time.monotonic()
        waited, computed = self._begun_at - self.job.arrived, now - self._begun_at
        return {"queueMs": round(max(waited, 0.0) * 1000, 3), "promptMs": round(computed * 1000, 3)}
