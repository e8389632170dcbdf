"""One request for vectors or scores: its texts, what has come of them so far, and its answer."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable
from typing import Any, TypeAlias

from sidecar.core.jobs import Job
from sidecar.message_handler.notifier import Progress
from sidecar.message_handler.writer import Writer

Vector: TypeAlias = "array[float]"
"""Of float32 (type code "f")."""

ShapeVectors: TypeAlias = "Callable[[list[list[Vector]]], dict[str, Any]]"
"""Makes the method's own members of the result from the vectors of each text. May take long, and may raise."""


class TextsRequest:
    """State of one `embed` or `rerank`. The scheduler moves it on; nobody else touches it."""

    def __init__(self, job: Job, texts: list[list[int]], writer: Writer, shape: ShapeVectors) -> None:
        self.job = job
        self.texts = texts
        """As tokens."""
        self.background: bool = job.params.get("priority") == "background"
        """Whether its texts wait for those of all others."""
        self.begun = 0
        """Texts that have been in a batch, or are."""
        self.ended = False
        self._vectors: dict[int, list[Vector]] = {}
        self._shape = shape
        self._progress = Progress(writer, job.id, "embed")
        self._begun_at = 0.0

    def begin(self, index: int) -> None:
        """A text is put into its first batch."""
        self.begun = index + 1
        self._begun_at = self._begun_at or time.monotonic()

    def add_vectors(self, index: int, vectors: list[Vector]) -> None:
        """Add the vectors of a text: one, or one per token. Answers after the last text."""
        self._vectors[index] = vectors
        done, texts = len(self._vectors), len(self.texts)
        self._progress.tell(done / texts, texts=texts, processedTexts=done)
        if done == texts:
            self.ended = True
            accounts = {"usage": self._usage(), "timings": self._timings()}
            # Numbers by the million become text: not on the thread that computes.
            threading.Thread(
                target=self._answer, args=(accounts,), name="sidecar:vectors", daemon=True
            ).start()

    def _answer(self, accounts: dict[str, Any]) -> None:
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

    def _usage(self) -> dict[str, Any]:
        tokens = sum(len(self.texts[index]) for index in self._vectors)
        return {"promptTokens": tokens, "cachedTokens": 0, "completionTokens": 0}

    def _timings(self) -> dict[str, Any]:
        now = time.monotonic()
        waited, computed = self._begun_at - self.job.arrived, now - self._begun_at
        return {"queueMs": round(max(waited, 0.0) * 1000, 3), "promptMs": round(computed * 1000, 3)}
