"""One request for text: its prompt, its sampler, what it has said so far, and its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sidecar.core.context import Context, Sequence
from sidecar.core.jobs import Job
from sidecar.core.sampling import Sampler
from sidecar.core.text import TextStream
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.notifier import Progress, send_progress
from sidecar.message_handler.writer import Writer

ShapeResult = Callable[[str], dict[str, Any]]
"""Makes the method's own members of the result from the text."""


class Generation:
    """State of one `complete` or `chat`. The scheduler moves it on; nobody else touches it."""

    def __init__(
        self, job: Job, context: Context, prompt: list[int], writer: Writer, shape: ShapeResult
    ) -> None:
        params = job.params
        stop = params.get("stop", [])
        self.job = job
        self.context = context
        self.prompt = prompt
        self.tokens = list(prompt)
        """Prompt and generated tokens: what the sequence's cache is to hold."""
        self.sequence: Sequence | None = None
        self.cached = 0
        self.completed = 0
        """Tokens generated, the one that ends the text not counted."""
        self.queue_position: int | None = None
        """What `queue` progress told last."""
        self.batch_index = -1
        self.sampler = Sampler(context.model, params, prompt)
        self._untold = ""
        self._told_logprobs = 0
        self._text = TextStream([stop] if isinstance(stop, str) else stop)
        self._max_tokens: int | None = params.get("maxTokens")
        self._stream: bool = params.get("stream", DEFAULTS["CompleteParams"]["stream"])
        self._writer = writer
        self._shape = shape
        self._prompt_progress = Progress(writer, job.id, "prompt")
        self._admitted = self._first_at = self._last_at = 0.0

    # ---- life ------------------------------------------------------------------------------------

    def admit(self, sequence: Sequence, cached: int) -> None:
        """Take a sequence, whose cache holds the first `cached` tokens of the prompt."""
        self._admitted = time.monotonic()
        self.sequence = sequence
        self.cached = cached
        sequence.generation = self
        self.tell_prompt()

    def pending_tokens(self) -> list[int]:
        """The tokens that are to be evaluated before the next one can be sampled."""
        assert self.sequence is not None
        return self.tokens[len(self.sequence.tokens) :]

    @property
    def generating(self) -> bool:
        """Whether the prompt is done."""
        return len(self.tokens) > len(self.prompt)

    def tell_prompt(self) -> None:
        """Progress of type `prompt`."""
        assert self.sequence is not None
        total, done = len(self.prompt), min(len(self.sequence.tokens), len(self.prompt))
        self._prompt_progress.tell(done / total, promptTokens=total, processedTokens=done)

    def take(self, token: int) -> str | None:
        """Take a sampled token. Returns the finish reason if it was the last one."""
        self._last_at = time.monotonic()
        if not self._first_at:
            self._first_at = self._last_at
        if self.context.model.ends(token) and not self.job.params.get("ignoreEos", False):
            return "stop"
        self.completed += 1
        self.tokens.append(token)
        delta = self._text.feed(self.context.model.piece(token))
        self._untold += delta
        if self._text.stop_string is not None:
            return "stop"
        if self._max_tokens is not None and self.completed >= self._max_tokens:
            return "length"
        assert self.sequence is not None
        if len(self.sequence.tokens) >= self.context.size:
            return "contextFull"
        return None

    def finish(self, reason: str) -> None:
        """Answer with the result."""
        self._untold += self._text.end()
        self._release()
        result = {
            **self._shape(self._text.text),
            "finishReason": reason,
            "stopString": self._text.stop_string,
            "seed": self.sampler.seed,
            **self._logprobs(0),
            **self._accounts(),
        }
        self.job.answer(result, wake=False)

    def abort(self) -> None:
        """Answer with the error `aborted` and the text so far."""
        self._release()
        self.job.abort({"text": self._text.text, **self._accounts()})

    def fail(self, error: BaseException) -> None:
        """Answer with another error."""
        self._release()
        self.job.fail(error)

    def _release(self) -> None:
        self.tell()
        self.sampler.free()
        if self.sequence is not None:
            self.sequence.generation = None
            self.sequence.last_used = time.monotonic()

    # ---- what is told ----------------------------------------------------------------------------

    def tell(self) -> None:
        """Progress of type `generate` with the text that has come since the last."""
        delta, self._untold = self._untold, ""
        logprobs = self._logprobs(self._told_logprobs)
        if (delta or logprobs.get("logprobs")) and self._stream:
            self._told_logprobs = self.completed
            progress = None if self._max_tokens is None else round(self.completed / self._max_tokens, 4)
            send_progress(
                self._writer,
                self.job.id,
                "generate",
                progress,
                wake=False,
                segment="text",
                delta=delta,
                completionTokens=self.completed,
                **logprobs,
            )

    def _logprobs(self, start: int) -> dict[str, Any]:
        """The member `logprobs` with the tokens from the `start`th on, if it was asked for."""
        if self.sampler.logprobs is None:
            return {}
        return {"logprobs": self.sampler.logprobs.entries[start : self.completed]}

    def _accounts(self) -> dict[str, Any]:
        return {
            "usage": {
                "promptTokens": len(self.prompt),
                "cachedTokens": self.cached,
                "completionTokens": self.completed,
            },
            "timings": self._timings(),
        }

    def _timings(self) -> dict[str, Any]:
        arrived, now = self.job.arrived, time.monotonic()
        admitted = self._admitted or now
        first = self._first_at or now
        generated = self._last_at - self._first_at if self._first_at else 0.0
        rate = (self.completed - 1) / generated if self.completed > 1 and generated > 0 else None
        return {
            "queueMs": _ms(admitted - arrived),
            "promptMs": _ms(first - admitted),
            "timeToFirstTokenMs": _ms(first - arrived) if self._first_at else None,
            "generateMs": _ms(generated),
            "tokensPerSecond": round(rate, 2) if rate is not None else None,
        }


def _ms(seconds: float) -> float:
    return round(max(seconds, 0.0) * 1000, 3)
