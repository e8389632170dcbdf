"""One request for text: its prompt, its sampler, what it has said so far, and its answer."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

from sidecar.core.context.context import Context
from sidecar.core.context.sequence import Sequence
from sidecar.core.jobs import Job
from sidecar.core.output.detokenizer import Detokenizer
from sidecar.core.output.reply import Reply, TextOutput
from sidecar.core.output.segments import Delta
from sidecar.core.output.steering import Steering
from sidecar.core.sampling.sampler import Sampler
from sidecar.core.scheduling.overflow import KEPT_AT_SHIFT
from sidecar.core.speculation.speculation import speculation_of
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.notifier import Progress, send_progress
from sidecar.message_handler.writer import Writer

PRIORITIES: Final = ("interactive", "background")
MODEL_ERRORS: Final = ("unknownTool", "invalidToolArguments")
"""Errors that the model makes: the answer has the text so far."""

MAX_GRACE_TOKENS: Final = 8
"""How far a thought may go past its budget to end a character, or what could be the mark of its end."""


class Generation:
    """State of one `complete` or `chat`. The scheduler moves it on; nobody else touches it."""

    def __init__(
        self,
        job: Job,
        context: Context,
        prompt: list[int],
        writer: Writer,
        output: TextOutput | Reply,
        steering: Steering,
        truncated: int = 0,
    ) -> None:
        """`truncated`: tokens that were cut out of the prompt.

        Raises SidecarError: what Sampler does.
        """
        params = job.params
        stop = params.get("stop", [])
        self.job = job
        self.context = context
        self.scales = context.model.adapters.scales_of(params)
        self.prompt = prompt
        self.tokens = list(prompt)
        """Prompt and generated tokens: what the sequence's cache is to hold."""
        self.sequence: Sequence | None = None
        """The sequence that it runs in. Slots sets and clears this."""
        self.cached = 0
        self._truncated = truncated
        self.completed = 0
        """Tokens generated, the one that ends the text not counted."""
        self.prompt_done = False
        """Whether the prompt is evaluated: set with the first token."""
        self.arrived = job.arrived
        self.priority = PRIORITIES.index(params.get("priority", DEFAULTS["CompleteParams"]["priority"]))
        """The lower, the sooner it is served."""
        self.queue_position: int | None = None
        """The last one that was sent as progress."""
        self.batch_index = -1
        """Batch index of the logits of the next token; those of the draft tokens follow. Negative: there are none."""
        self.speculation = speculation_of(context.model, params)
        self._draft: list[int] = []
        """Draft tokens in the batch, after its last token."""
        self.sampler = Sampler(context.model, params, prompt, steering.grammar)
        self._output = output
        self._steering = steering
        self._reasoning_tokens = 0
        self._forced: deque[int] = deque()
        """Tokens that come next whatever the model would say."""
        self._sent_logprobs = 0
        self._text = Detokenizer([stop] if isinstance(stop, str) else stop)
        self._max_tokens: int | None = params.get("maxTokens")
        self._stream: bool = params.get("stream", DEFAULTS["CompleteParams"]["stream"])
        self._writer = writer
        self._prompt_progress = Progress(writer, job.id, "prompt")
        self._admitted = self._first_at = self._last_at = 0.0
        self._steer()

    # ---- life ------------------------------------------------------------------------------------

    def admit(self, sequence: Sequence, cached: int) -> None:
        """Take a sequence, whose cache holds the first `cached` tokens."""
        self.sequence = sequence
        if not self._admitted:
            self._admitted = time.monotonic()
            self.cached = cached
        if not self.prompt_done:
            self.send_prompt_progress()

    def pending_tokens(self) -> list[int]:
        """The tokens that are to be evaluated before the next one can be sampled."""
        assert self.sequence is not None
        return self.tokens[len(self.sequence.tokens) :]

    def send_prompt_progress(self) -> None:
        """Send progress of type `prompt`."""
        assert self.sequence is not None
        total, done = len(self.prompt), min(len(self.sequence.tokens), len(self.prompt))
        self._prompt_progress.tell(done / total, promptTokens=total, processedTokens=done)

    def propose(self, most: int, streams: int) -> list[int]:
        """Up to `most` draft tokens to evaluate after the last token. `streams`: the requests that generate now."""
        self._draft = []
        most = self.max_draft_tokens(most)
        if self.speculation is not None and most > 0:
            cost = self.context.step_cost.of_one_more(streams)
            self._draft = self.speculation.propose(self.tokens, most, cost)
        return self._draft

    def max_draft_tokens(self, most: int) -> int:
        """`most`, or less where the context or `maxTokens` ends earlier."""
        if self.speculation is None or self.sequence is None or not self.prompt_done:
            return 0
        room = [most, self.speculation.limit, self.context.size - len(self.sequence.tokens) - 2]
        if self._max_tokens is not None:
            room.append(self._max_tokens - self.completed - 1)
        return min(room)

    def sample(self) -> str | None:
        """Sample the next token, and those after it as long as the draft tokens are right.

        Returns and raises as `accept` does.
        """
        draft, self._draft = self._draft, []
        reason, accepted = self.accept(self._next_token(self.batch_index)), 0
        while reason is None and accepted < len(draft) and self.tokens[-1] == draft[accepted]:
            accepted += 1
            reason = self.accept(self._next_token(self.batch_index + accepted))
        if draft and self.speculation is not None and self.sequence is not None:
            self.speculation.record(len(draft), accepted)
            self.context.cut(self.sequence, len(self.sequence.tokens) - len(draft) + accepted)
        return reason

    def _next_token(self, index: int) -> int:
        if not self._forced:
            token = self.sampler.sample(self.context, index)
            if not (self.sampler.grammar_waits and self.context.model.ends(token)):
                return token
            self.sampler.discard_last()  # the part that the grammar is for is still to come
            self._forced.extend(self._steering.reasoning_end)
        token = self._forced.popleft()
        self.sampler.force(self.context, index, token)
        return token

    def _steer(self) -> None:
        """End a thought that has taken its tokens; constrain the answer that begins."""
        steering = self._steering
        if not self._output.in_reasoning:
            if not self._forced:
                self.sampler.constrain()
        elif steering.reasoning_budget is not None and not self._forced:
            beyond = self._reasoning_tokens - steering.reasoning_budget
            between = self._text.at_character_end and not self._output.has_partial_mark
            if beyond >= (0 if between else MAX_GRACE_TOKENS):
                self._forced.extend(steering.reasoning_end)

    def accept(self, token: int) -> str | None:
        """Add the next token to the text. Returns the finish reason if it was the last one.

        Raises SidecarError `unknownTool`, `invalidToolArguments`.
        """
        self._last_at = time.monotonic()
        if not self._first_at:
            self._first_at = self._last_at
        if self.context.model.ends(token) and not self.job.params.get("ignoreEos", False):
            return "stop"
        self.completed += 1
        self.prompt_done = True
        self.tokens.append(token)
        self._reasoning_tokens += self._output.in_reasoning
        self._output.feed(self._text.feed(self._piece(token)))
        self._steer()
        if self._text.stop_string is not None:
            return "stop"
        if self._max_tokens is not None and self.completed >= self._max_tokens:
            return "length"
        assert self.sequence is not None
        if len(self.sequence.tokens) < self.context.size:
            return None
        if self.job.params.get("contextOverflow") != "shift":
            return "contextFull"
        gone = self.context.shift(self.sequence, KEPT_AT_SHIFT)
        self._truncated += gone
        del self.tokens[KEPT_AT_SHIFT : KEPT_AT_SHIFT + gone]
        return None

    def _piece(self, token: int) -> bytes:
        model = self.context.model
        return (
            model.token_text(token).encode() if token in self._steering.visible_tokens else model.piece(token)
        )

    def finish(self, reason: str) -> None:
        """Answer with the result."""
        try:
            self._output.feed(self._text.end())
            reason = self._output.end(reason)
        except SidecarError as error:
            self.fail(error)
            return
        self._release()
        result = {
            **self._output.result(),
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
        self.job.abort({**self._output.partial(), **self._accounts()})

    def expire(self) -> None:
        """Answer with the error `timedOut` and the text so far."""
        self._release()
        self.job.expire({**self._output.partial(), **self._accounts()})

    def fail(self, error: BaseException) -> None:
        """Answer with another error."""
        self._release()
        if isinstance(error, SidecarError) and error.kind in MODEL_ERRORS:
            error.details["partial"] = {**self._output.partial(), **self._accounts()}
        self.job.fail(error)

    def _release(self) -> None:
        self.send_deltas()
        self.sampler.free()

    # ---- what is sent ----------------------------------------------------------------------------

    def send_deltas(self) -> None:
        """Send progress of type `generate` with the text that has come since the last call."""
        deltas = self._output.take_deltas()
        if not self._stream:
            return
        logprobs = self._logprobs(self._sent_logprobs)
        self._sent_logprobs = self.completed
        if logprobs.get("logprobs") and not deltas:
            deltas = [Delta("text", "")]
        progress = None if self._max_tokens is None else round(self.completed / self._max_tokens, 4)
        for delta in deltas:
            send_progress(
                self._writer,
                self.job.id,
                "generate",
                progress,
                wake=False,
                segment=delta.segment,
                delta=delta.text,
                **({} if delta.call is None else {"toolCall": delta.call}),
                completionTokens=self.completed,
                **logprobs,
            )
            logprobs = {}

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
                **({"truncatedTokens": self._truncated} if self._truncated else {}),
                **({} if self.speculation is None else self.speculation.usage()),
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
