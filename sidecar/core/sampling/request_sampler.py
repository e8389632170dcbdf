"""The sampler of a request: its chain, its grammar, and its log-probabilities."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast

from sidecar.core.context.context import Context
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.sampling.grammar_sampler import GrammarSampler
from sidecar.core.sampling.logprobs import Logprobs
from sidecar.core.sampling.sampler_chain import (
    MINUS_INFINITY,
    Chain,
    check_combination,
    kind_of,
    penalty_window,
    token_biases,
)
from sidecar.core.structured_output.grammar import Grammar, grammar_of
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.sampling.mask_sampler import MaskSampler
    from sidecar.core.structured_output.compiling import Promised
    from sidecar.core.structured_output.llguidance_api import Matcher
    from sidecar.message_handler._types import SamplingParams

MAX_SEED: Final = 0xFFFFFFFE
"""For 0xFFFFFFFF, llama.cpp chooses a seed and does not report it."""


class Sampler:
    """Owns a llama_sampler chain of one request."""

    def __init__(
        self,
        model: Model,
        params: SamplingParams,
        prompt: list[int],
        grammar: Grammar | None = None,
        calls: Promised | None = None,
    ) -> None:
        """Create it. A `grammar`, or the one that the params ask for, applies after `constrain`.

        `calls`: a copy of it applies after `begin_call`, if there is no grammar.

        Raises SidecarError: `invalidParams` (options that cannot be combined), `invalidToken`, and those of
        `grammar_of` and `make_sampler`.
        """
        check_combination(params)
        options = cast("SamplingParams", {**DEFAULTS["CompleteParams"], **params})
        self.seed: int = params.get("seed", int.from_bytes(os.urandom(4), "little") % (MAX_SEED + 1))
        self.logprobs: Logprobs | None = None
        self._grammar: GrammarSampler | None = None
        self._mask: MaskSampler | None = None
        self._constrained = False
        self._calls = calls
        self._begun: str | None = None
        """The text after the mark of a call whose grammar is not made yet."""
        self._call: MaskSampler | None = None
        """Holds the call that is being written."""
        self._model = model
        self._asked = grammar = grammar or grammar_of(model, params)
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        try:
            biases = token_biases(model, options)
            for sampler in Chain(model, options, self.seed).samplers(biases):
                lib.llama_sampler_chain_add(self._chain, sampler)
            self._kind = kind_of(options, biases)
            self._forbidden = forbidden = {t for t, bias in biases.items() if bias == MINUS_INFINITY}
            if grammar is not None:
                if grammar.matcher is not None:
                    from sidecar.core.sampling.mask_sampler import MaskSampler  # only for requests with one

                    self._mask = MaskSampler(model, grammar.matcher, self._chain, self._kind, forbidden)
                else:
                    self._grammar = GrammarSampler(model, grammar, self._chain, forbidden)
        except SidecarError:
            self.free()
            raise
        window = penalty_window(options)
        # Rows of pictures and sound are negative.
        for token in [token for token in prompt if token >= 0][-window:] if window else []:
            lib.llama_sampler_accept(self._chain, token)
        self.logprobs = Logprobs(model, options["topLogprobs"]) if options["logprobs"] else None
        self._forces = options["forcedTokens"] and self.logprobs is None

    def sample(self, context: Context, batch_index: int) -> int:
        """Choose a token from the logits at a batch index. The penalties take it into account from now on."""
        if self.logprobs is not None:
            self.logprobs.observe(context, batch_index)
        holder = self._grammar or self._mask
        if self._call is not None:
            token = self._sample_call(self._call, context, batch_index)
        elif holder is not None and self._constrained:
            token = holder.sample(context, batch_index)
        else:
            token = lib.llama_sampler_sample(self._chain, context.handle, batch_index)
        if self.logprobs is not None:
            self.logprobs.record(token)
        return token

    def _sample_call(self, call: MaskSampler, context: Context, batch_index: int) -> int:
        try:
            token = call.sample(context, batch_index)
        except SidecarError:  # it cannot be followed further: then it is only checked
            self._end_call()
            return lib.llama_sampler_sample(self._chain, context.handle, batch_index)
        if call.ended:
            self._end_call()
        return token

    def forced(self, most: int) -> list[int]:
        """Up to `most` tokens that come next because the grammar leaves no choice. They count as chosen."""
        if not self._forces:
            return []
        if self._call is not None:
            tokens = self._call.forced(most)
            if self._call.ended:
                self._end_call()
            return tokens
        return [] if self._mask is None or not self._constrained else self._mask.forced(most)

    @property
    def ended(self) -> bool:
        """Whether the grammar allows nothing more."""
        return self._mask is not None and self._constrained and self._mask.ended

    def begin_call(self, text: str) -> None:
        """Hold what follows to the form of a call, of which this text is there already."""
        if self._calls is not None and self._asked is None:
            self._begun = text
            self.waits()

    def waits(self) -> bool:
        """Whether no token can be sampled yet: a call has begun, and its grammar is still being made."""
        if self._begun is None or self._calls is None:
            return False
        if not self._calls.ready:
            return True
        text, self._begun = self._begun, None
        self._hold_call(self._calls.copy(), text)
        return False

    def _hold_call(self, matcher: Matcher | None, text: str) -> None:
        self._end_call()
        if matcher is None or not matcher.follow(text):
            return
        from sidecar.core.sampling.mask_sampler import MaskSampler

        self._call = MaskSampler(self._model, matcher, self._chain, self._kind, self._forbidden, partly=True)

    def _end_call(self) -> None:
        if self._call is not None:
            self._call.free()
            self._call = None

    def force(self, context: Context, batch_index: int, token: int) -> None:
        """Choose this token, whatever the logits at the batch index are."""
        if self.logprobs is not None:
            self.logprobs.observe(context, batch_index)
            self.logprobs.record(token)
        lib.llama_sampler_accept(self._chain, token)

    def discard_last(self) -> None:
        """Drop the log-probability of the last token: another token is forced in its place."""
        if self.logprobs is not None:
            self.logprobs.entries.pop()

    def constrain(self) -> None:
        """Apply the grammar from now on, if there is one. The tokens so far are not part of its text."""
        self._constrained = True

    @property
    def grammar_waits(self) -> bool:
        """Whether there is a grammar that does not apply yet."""
        return self._asked is not None and not self._constrained

    @property
    def told(self) -> dict[str, object]:
        """The members of a result that tell about the schema."""
        ignored = () if self._asked is None else self._asked.ignored
        return {"ignoredKeywords": list(ignored)} if ignored else {}

    def check(self, text: str) -> None:
        """Check the finished text. Raises SidecarError `invalidOutput`."""
        if self._asked is not None and self._asked.check is not None:
            self._asked.check.check(text)

    def free(self) -> None:
        """Free the samplers. May be called twice."""
        if self.logprobs is not None:
            self.logprobs.free()
        for holder in (self._grammar, self._mask, self._call):
            if holder is not None:
                holder.free()
        if self._chain is not None:
            lib.llama_sampler_free(self._chain)
            self._chain = None  # type: ignore[assignment]  # no longer used
