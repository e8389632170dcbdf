"""What a request for text sends while it computes: how far its prompt is, and what it has written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sidecar.core.output.segments import Delta
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.notifier import Progress, send_progress

if TYPE_CHECKING:
    from sidecar.core.jobs import Job
    from sidecar.core.sampling.logprobs import Logprobs
    from sidecar.message_handler._types import ChosenToken
    from sidecar.message_handler.writer import Writer


class GenerationProgress:
    """Of one request."""

    def __init__(self, writer: Writer, job: Job, max_tokens: int | None) -> None:
        self.encode = Progress(writer, job.id, "encode")
        """For the pictures and sounds of its prompt."""
        self._prompt = Progress(writer, job.id, "prompt")
        self._writer = writer
        self._id = job.id
        self._max_tokens = max_tokens
        self._streams = bool(job.params.get("stream", DEFAULTS["CompleteParams"]["stream"]))
        self._sent_logprobs = 0

    def send_prompt(self, total: int, held: int) -> None:
        """Of `total` tokens of the prompt, the cache holds the first; `held`: with the text behind it."""
        done = min(held, total)
        self._prompt.report(done / total, promptTokens=total, processedTokens=done)

    def send_text(self, deltas: Sequence[Delta], completed: int, logprobs: Logprobs | None) -> None:
        """Send new pieces of text. `completed`: how many tokens were generated in all."""
        if not self._streams:
            return
        told = logprobs_of(logprobs, self._sent_logprobs, completed)
        self._sent_logprobs = completed
        if told.get("logprobs") and not deltas:
            deltas = [Delta("text", "")]
        progress = None if not self._max_tokens else round(completed / self._max_tokens, 4)
        for delta in deltas:
            send_progress(
                self._writer,
                self._id,
                "generate",
                progress,
                wake=False,
                segment=delta.segment,
                delta=delta.text,
                **({} if delta.call is None else {"toolCall": delta.call}),
                completionTokens=completed,
                **told,
            )
            told = {}


def logprobs_of(logprobs: Logprobs | None, start: int, end: int) -> dict[str, list[ChosenToken]]:
    """The member `logprobs` with the tokens from index `start` to `end`; nothing if it was not asked for."""
    return {} if logprobs is None else {"logprobs": logprobs.entries[start:end]}
