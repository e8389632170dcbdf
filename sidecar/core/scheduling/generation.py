"""One request for text: its prompt, its sampler, its text so far, and its answer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from sidecar.core.context.context import Context
from sidecar.core.context.conversation_store import Origin
from sidecar.core.context.sequence import Sequence
from sidecar.core.jobs import Job
from sidecar.core.media import media_id
from sidecar.core.output.detokenizer import Detokenizer
from sidecar.core.output.output_constraints import OutputConstraints
from sidecar.core.output.reply import Reply, TextOutput
from sidecar.core.sampling.request_sampler import Sampler
from sidecar.core.scheduling.generation_progress import GenerationProgress, logprobs_of
from sidecar.core.scheduling.overflow import KEPT_AT_SHIFT
from sidecar.core.scheduling.usage import Stopwatch, usage_of
from sidecar.core.speculation.speculation import speculation_of
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.writer import Writer

if TYPE_CHECKING:
    from sidecar.core.media.prompt_media import PromptMedia
    from sidecar.message_handler._types import CompleteParams

PRIORITIES: Final = ("interactive", "background")
MODEL_ERRORS: Final = ("unknownTool", "invalidToolArguments", "invalidOutput")
"""Mistakes of the model: the error response contains the text so far."""

MAX_GRACE_TOKENS: Final = 8
"""How many tokens reasoning may exceed its budget by, to complete a character or a possible end mark."""


class Generation:
    """State of one `complete`, `chat` or `infill`. Only its runner uses it."""

    def __init__(
        self,
        job: Job,
        context: Context,
        prompt: list[int],
        writer: Writer,
        output: TextOutput | Reply,
        constraints: OutputConstraints,
        truncated: int = 0,
        media: PromptMedia | None = None,
    ) -> None:
        """`truncated`: how many tokens the prompt has lost; `media`: what it shows. Raises as Sampler does."""
        params: CompleteParams = job.params
        stop = params.get("stop", [])
        self.job = job
        self.context = context
        self.scales = context.model.adapters.scales_of(params)
        self.prompt = prompt
        self.tokens = list(prompt)
        """Prompt and generated tokens: those that the sequence's cache must hold."""
        self.media = media
        self.sequence: Sequence | None = None
        """The sequence that it runs in. Slots sets and clears this."""
        self.cached: tuple[int, Origin] = (0, "sequence")
        """Prompt tokens that a cache held when the request was admitted, and which cache."""
        self.common = 0
        """Prompt tokens that another conversation begins with, too: here a checkpoint will save work."""
        self.system_end = 0 if truncated else constraints.system_end
        self._truncated = truncated
        self.completed = 0
        """Generated tokens, without the one that ends the text."""
        self.prompt_done = False
        """Whether the prompt is evaluated. The first token sets this."""
        self.arrived = job.arrived
        self.priority = PRIORITIES.index(params.get("priority", DEFAULTS["CompleteParams"]["priority"]))
        """The request with the lowest number is served first."""
        self.queue_position: int | None = None
        """The last position that was sent as progress."""
        self.batch_index = -1
        """Batch index of the next logits; those of the draft tokens follow. Negative: there are none."""
        self.speculation = None if context.piece else speculation_of(context, params)
        self._draft: list[int] = []
        """Draft tokens in the batch, after the last token."""
        self.sampler = Sampler(context.model, params, prompt, constraints.grammar, constraints.calls)
        self._output = output
        self._constraints = constraints
        self._reasoning_tokens = 0
        self._forced: deque[int] = deque()
        """Tokens that come next, whatever the logits are."""
        self._forced_by_grammar = 0
        """Generated tokens about which the grammar left no choice."""
        self._text = Detokenizer([stop] if isinstance(stop, str) else stop)
        self._max_tokens = params.get("maxTokens")
        self._ignores_end: bool = params.get("ignoreEos", False)
        self._shifts = params.get("contextOverflow") == "shift"
        self._progress = GenerationProgress(writer, job, self._max_tokens)
        self._stopwatch = Stopwatch(job.arrived)
        self._apply_constraints()

    # ---- before a step ---------------------------------------------------------------------------

    def admit(self, cached: int, origin: Origin) -> None:
        """Run in its sequence, whose cache holds the first `cached` tokens. `origin`: where they were."""
        if self._stopwatch.admit():
            self.cached = cached, origin
        if self.media is not None:
            self.media.expect(self.tokens[cached:], self._progress.encode)
        if not self.prompt_done:
            self.send_prompt_progress()

    def pending_tokens(self) -> list[int]:
        """The tokens to evaluate before the next one can be sampled, up to the next picture or sound."""
        assert self.sequence is not None
        pending = self.tokens[len(self.sequence.tokens) :]
        return pending if self.media is None else pending[: media_id.text_length(pending)]

    def text_tokens(self) -> list[int]:
        """Its tokens without rows of pictures and sound, which a draft model does not know."""
        return self.tokens if self.media is None else [token for token in self.tokens if token >= 0]

    @property
    def waits(self) -> bool:
        """Whether it can only go on when rows of a picture or a sound have come."""
        return self.media is not None and self.media.waits

    def propose(self, most: int, streams: int) -> list[int]:
        """Up to `most` draft tokens to evaluate after the last token. `streams`: how many requests generate now."""
        self._draft = []
        most = self.max_draft_tokens(most)
        if self.speculation is not None and most > 0:
            cost = self.context.step_cost.of_one_more(streams)
            self._draft = self.speculation.propose(self.tokens, most, cost)
        return self._draft

    def max_draft_tokens(self, most: int) -> int:
        """`most`, or less if the context or `maxTokens` ends earlier."""
        if self.speculation is None or self.sequence is None or not self.prompt_done:
            return 0
        room = [most, self.speculation.limit, self.context.draft_tokens]
        room.append(self.context.size - len(self.sequence.tokens) - 2)
        if self._max_tokens is not None:
            room.append(self._max_tokens - self.completed - 1)
        return min(room)

    # ---- after a step ----------------------------------------------------------------------------

    def sample(self) -> str | None:
        """Sample the next token, and further ones as long as the draft tokens are right.

        Returns the finish reason after the last token. Raises SidecarError `unknownTool`, `invalidToolArguments`.
        """
        if self._max_tokens == 0:
            return "length"
        draft, self._draft = self._draft, []
        reason, accepted = self._accept(self._next_token(self.batch_index)), 0
        while not (reason or self.sampler.waits()) and self.tokens[-1:] == draft[accepted : accepted + 1]:
            accepted += 1
            reason = self._accept(self._next_token(self.batch_index + accepted))
        if draft and self.speculation is not None and self.sequence is not None:
            self.speculation.record(len(draft), accepted)
            self.context.take_back(self.sequence, len(draft) - accepted)
        return self._accept_forced() if reason is None else reason

    def _accept_forced(self) -> str | None:
        """Add the tokens that the grammar leaves no choice about. They are evaluated in the next step, together."""
        room = self.context.size - len(self.tokens) - 1
        if self._max_tokens is not None:
            room = min(room, self._max_tokens - self.completed)
        for token in self.sampler.forced(room):
            self._forced_by_grammar += 1
            if (reason := self._accept(token)) is not None:
                return reason
        return "stop" if self.sampler.ended else None

    def _next_token(self, index: int) -> int:
        if not self._forced:
            token = self.sampler.sample(self.context, index)
            if not (self.sampler.grammar_waits and self.context.model.ends(token)):
                return token
            self.sampler.discard_last()  # the answer, to which the grammar applies, has not begun
            self._forced.extend(self._constraints.reasoning_end)
        token = self._forced.popleft()
        self.sampler.force(self.context, index, token)
        return token

    def _accept(self, token: int) -> str | None:
        """Add a token to the text."""
        self._stopwatch.count_token()
        if self.context.model.ends(token) and not self._ignores_end:
            return "stop"
        self.completed += 1
        self.prompt_done = True
        self.tokens.append(token)
        self._reasoning_tokens += self._output.in_reasoning
        self._output.feed(self._text.feed(self._piece(token)))
        self._apply_constraints()
        if self._text.stop_string is not None:
            return "stop"
        if self._max_tokens is not None and self.completed >= self._max_tokens:
            return "length"
        assert self.sequence is not None
        if len(self.sequence.tokens) < self.context.size:
            return None
        if not self._shifts:
            return "contextFull"
        removed = self.context.shift(self.sequence, KEPT_AT_SHIFT)
        self._truncated += len(self.tokens[removed])
        del self.tokens[removed]
        return None

    def _piece(self, token: int) -> bytes:
        model, visible = self.context.model, token in self._constraints.visible_tokens
        return model.token_text(token).encode() if visible else model.piece(token)

    def _apply_constraints(self) -> None:
        """End reasoning that has used up its budget; let a grammar apply once the answer, or a call, begins."""
        constraints = self._constraints
        if (begun := self._output.take_call()) is not None:
            self.sampler.begin_call(begun + self._text.held)
        if not self._output.in_reasoning:
            if not self._forced:
                self.sampler.constrain()
        elif constraints.reasoning_budget is not None and not self._forced:
            beyond = self._reasoning_tokens - constraints.reasoning_budget
            between = self._text.at_character_end and not self._output.has_partial_mark
            if beyond >= (0 if between else MAX_GRACE_TOKENS):
                self._forced.extend(constraints.at_budget)

    # ---- progress --------------------------------------------------------------------------------

    def send_prompt_progress(self) -> None:
        """Send progress of type `prompt`."""
        assert self.sequence is not None
        self._progress.send_prompt(len(self.prompt), len(self.sequence.tokens))

    def send_deltas(self) -> None:
        """Send progress of type `generate` with the text that has come since the last call."""
        deltas = self._output.take_deltas()
        self._progress.send_text(deltas, self.completed, self.sampler.logprobs)

    # ---- the answer ------------------------------------------------------------------------------

    def finish(self, reason: str) -> None:
        """Answer with the result."""
        try:
            self._output.feed(self._text.end())
            reason = self._output.end(reason)
            if reason == "stop":
                self.sampler.check(self._output.text)
        except SidecarError as error:
            self.fail(error)
            return
        self._close()
        ended = {"finishReason": reason, "stopString": self._text.stop_string, "seed": self.sampler.seed}
        media = {} if self.media is None else {"media": self.media.told}
        told = {**media, **self.sampler.told, **logprobs_of(self.sampler.logprobs, 0, self.completed)}
        self.job.answer({**self._output.result(), **ended, **told, **self._costs()}, wake=False)

    def abort(self) -> None:
        """Answer with the error `aborted` and the text so far."""
        self._close()
        self.job.abort(self._partial())

    def expire(self) -> None:
        """Answer with the error `timedOut` and the text so far."""
        self._close()
        self.job.expire(self._partial())

    def fail(self, error: BaseException) -> None:
        """Answer with another error."""
        self._close()
        if isinstance(error, SidecarError) and error.kind in MODEL_ERRORS:
            error.details["partial"] = self._partial()
        self.job.fail(error)

    def _close(self) -> None:
        """Send the last text, and free the sampler."""
        self.send_deltas()
        self.sampler.free()

    def _partial(self) -> dict[str, object]:
        return {**self._output.partial(), **self._costs()}

    def _costs(self) -> dict[str, object]:
        """The members `usage` and `timings`."""
        counts = len(self.prompt), self.cached, self.completed, self._reasoning_tokens
        usage = usage_of(*counts, self._forced_by_grammar, self._truncated, self.speculation)
        return {"usage": usage, "timings": self._stopwatch.timings(self.completed)}
