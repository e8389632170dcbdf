"""The sampler of a request: its chain, its grammar, and its log-probabilities."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast

from sidecar.core.context.context import Context
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.sampling.chain import MINUS_INFINITY, Chain, check_combination, penalty_window, token_biases
from sidecar.core.sampling.grammar_sampler import GrammarSampler
from sidecar.core.sampling.logprobs import Logprobs
from sidecar.core.structured_output.grammar import Grammar, grammar_of
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.sampling.mask_sampler import MaskSampler
    from sidecar.message_handler._types import SamplingParams

MAX_SEED: Final = 0xFFFFFFFE
"""For 0xFFFFFFFF, llama.cpp chooses a seed and does not report it."""


class Sampler:
    """Owns a llama_sampler chain of one request."""

    def __init__(
        self, model: Model, params: SamplingParams, prompt: list[int], grammar: Grammar | None = None
    ) -> None:
        """Create it. A `grammar`, or the one that the params ask for, applies after `constrain`.

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
        self._asked = grammar = grammar or grammar_of(model, params)
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        try:
            biases = token_biases(model, options)
            for sampler in Chain(model, options, self.seed).samplers(biases):
                lib.llama_sampler_chain_add(self._chain, sampler)
            if grammar is not None:
                forbidden = {token for token, bias in biases.items() if bias == MINUS_INFINITY}
                if grammar.matcher is not None:
                    from sidecar.core.sampling.mask_sampler import MaskSampler  # only for requests with one

                    self._mask = MaskSampler(model, grammar.matcher, self._chain, forbidden)
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
        if holder is not None and self._constrained:
            token = holder.sample(context, batch_index)
        else:
            token = lib.llama_sampler_sample(self._chain, context.handle, batch_index)
        if self.logprobs is not None:
            self.logprobs.record(token)
        return token

    def forced(self, most: int) -> list[int]:
        """Up to `most` tokens that come next because the grammar leaves no choice. They count as chosen."""
        if self._mask is None or not (self._constrained and self._forces):
            return []
        return self._mask.forced(most)

    @property
    def ended(self) -> bool:
        """Whether the grammar allows nothing more."""
        return self._mask is not None and self._constrained and self._mask.ended

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
        for holder in (self._grammar, self._mask):
            if holder is not None:
                holder.free()
        if self._chain is not None:
            lib.llama_sampler_free(self._chain)
            self._chain = None  # type: ignore[assignment]  # no longer used
